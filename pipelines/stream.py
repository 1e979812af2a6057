"""The training stream: packed windows whose order is a pure function of (seed, step).

No state is kept anywhere: batch `step` can be computed by itself. So a restart goes on exactly
where it stopped, and the batch of a step does not depend on how many workers share it.

Window w covers tokens [w * length, (w + 1) * length], the last one being only a target. In an
epoch each window comes once, in an order that `tf.random.experimental.index_shuffle` computes
from (seed, epoch) without holding a permutation in memory (a format-preserving cipher, Simon by
Beaulieu et al. 2013, walked in cycles). A batch may begin in one epoch and end in the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.errors import ConfigError, DataError
from pipelines.tokens import TokenSplit

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf


def window_count(split: TokenSplit, window: int) -> int:
    """Number of windows of `window` inputs and one more target in a split.

    Raises:
        DataError: the split is shorter than one window.
    """
    count = (len(split) - 1) // window
    if count < 1:
        raise DataError(
            f'the split "{split.name}" has {len(split)} tokens and one window takes {window + 1}',
            where="tokens",
            fix="add text or use a smaller window",
        )
    return count


def stream(
    split: TokenSplit,
    *,
    batch_size: int,
    window: int,
    seed: int,
    start_step: int = 0,
    worker: int = 0,
    num_workers: int = 1,
) -> tf.data.Dataset:
    """Endless batches of (inputs, targets), int32 [batch_size / num_workers, window] each.

    Worker w gets rows [w * n, (w + 1) * n) of each global batch, n = batch_size / num_workers.

    Args:
        split: tokens to read; they stay on disk, a batch is copied when its turn comes.
        batch_size: windows in the global batch of a step.
        window: tokens in a window.
        seed: decides the order of the windows, with the epoch's number.
        start_step: the first step that is delivered.
        worker: which of the workers this is, from 0.
        num_workers: number of workers that share each batch.

    Raises:
        ConfigError: sizes that do not fit together.
        DataError: fewer tokens than one window.
    """
    import tensorflow as tf

    _check(batch_size, window, start_step, worker, num_workers)
    windows = window_count(split, window)
    rows = batch_size // num_workers
    seed63 = tf.constant(seed & 0x7FFFFFFFFFFFFFFF, tf.int64)
    salt = tf.constant(498247692, tf.int64)  # what `index_shuffle` adds as first third of the seed

    def window_indices(step: tf.Tensor) -> tf.Tensor:
        position = step * batch_size + worker * rows + tf.range(rows, dtype=tf.int64)
        epoch = position // windows
        # The raw op, since `index_shuffle` (TensorFlow 2.21) pads a matrix of seeds on the wrong side.
        seeds = tf.stack([tf.fill([rows], salt), tf.fill([rows], seed63), epoch], axis=1)
        last = tf.constant(windows - 1, tf.int64)
        return tf.raw_ops.RandomIndexShuffle(index=position % windows, seed=seeds, max_index=last, rounds=4)

    def gather(index: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return gather_windows(split.ids, index, window)

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        both = tf.numpy_function(gather, [window_indices(step)], tf.int32, stateful=False)
        both = tf.ensure_shape(both, [rows, window + 1])
        return both[:, :-1], both[:, 1:]

    steps = tf.data.Dataset.counter(start_step, dtype=tf.int64)
    return steps.map(batch, num_parallel_calls=1, deterministic=True).prefetch(4)


def gather_windows(
    ids: npt.NDArray[np.uint16] | npt.NDArray[np.uint32], index: npt.NDArray[np.int64], window: int
) -> npt.NDArray[np.int32]:
    """Copies the windows with these numbers: int32 [len(index), window + 1]."""
    import numpy as np

    out = np.empty((len(index), window + 1), np.int32)
    for row, start in enumerate(index * window):
        out[row] = ids[start : start + window + 1]
    return out


def _check(batch_size: int, window: int, start_step: int, worker: int, num_workers: int) -> None:
    wrong = {
        "batch_size must be at least 1": batch_size < 1,
        "window must be at least 1": window < 1,
        "start_step must not be negative": start_step < 0,
        "num_workers must be at least 1": num_workers < 1,
        "worker must lie in 0 … num_workers - 1": not 0 <= worker < max(num_workers, 1),
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(what, where="stream")
    if batch_size % num_workers:
        raise ConfigError(
            f"a batch of {batch_size} cannot be shared by {num_workers} workers",
            where="stream.batch_size",
            fix=f"use a multiple of {num_workers}",
        )
