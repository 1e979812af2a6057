"""The training stream: packed windows whose order is a pure function of (seed, step).

No state is kept anywhere: batch `step` can be computed by itself. So a restart goes on exactly
where it stopped, and the batch of a step does not depend on how many workers share it.

Window w covers tokens [w * span, (w + 1) * span + overlap); what becomes of them is an objective's
matter (for next tokens the overlap is 1, the last one being only a target). In an
epoch each window comes once, in an order that `tf.random.experimental.index_shuffle` computes
from (seed, epoch) without holding a permutation in memory (a format-preserving cipher, Simon by
Beaulieu et al. 2013, walked in cycles). A batch may begin in one epoch and end in the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from governance.errors import ConfigError, DataError
from pipelines.tokens import TokenSplit

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf


def window_count(split: TokenSplit, window: int, overlap: int = 1) -> int:
    """Number of windows in a split, each with `overlap` tokens of the next one.

    Raises:
        DataError: the split is shorter than one window.
    """
    count = (len(split) - overlap) // window
    if count < 1:
        raise DataError(
            f'the split "{split.name}" has {len(split)} tokens and one window takes {window + overlap}',
            where="tokens",
            fix="add text or use a smaller window",
        )
    return count


@dataclass(frozen=True)
class Windows:
    """Windows of a batch, and what may decide about chance in them.

    Attributes:
        ids: int32 [rows, span + overlap].
        epoch: int64 [rows], how often the split was gone through before.
        index: int64 [rows], numbers of the windows within the split.
        seed: of the stream.
        joined: bool, of the shape of `ids`: whether a token goes on with the span of the one before it; None
            where the split has no spans.
        sources: int32, of the shape of `ids`: the number of the source that a token came from; None where it is
            not asked for, or not known.
    """

    ids: npt.NDArray[np.int32]
    epoch: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]
    seed: int
    joined: npt.NDArray[np.bool_] | None = None
    sources: npt.NDArray[np.int32] | None = None


Signature = Mapping[str, tuple[str, tuple[int, ...]]]
"""Data type and shape of each array of a batch, by name."""


class Examples(Protocol):
    """How windows of tokens become a batch."""

    @property
    def with_sources(self) -> bool:
        """Whether it wants to know which sources the tokens came from."""
        ...

    @property
    def overlap(self) -> int:
        """Tokens of the next window that a window needs as well."""
        ...

    def span(self, window: int) -> int:
        """Tokens of the split that stand in a window of so many."""
        ...

    def signature(self, rows: int, window: int) -> Signature:
        """Of what `examples` makes of so many windows."""
        ...

    def examples(self, windows: Windows) -> Mapping[str, npt.NDArray[Any]]:
        """A pure function of its argument: a restart makes the same batch again."""
        ...


def stream(
    split: TokenSplit,
    examples: Examples,
    *,
    batch_size: int,
    window: int,
    seed: int,
    start_step: int = 0,
    worker: int = 0,
    num_workers: int = 1,
) -> tf.data.Dataset:
    """Endless batches: what `examples` makes of batch_size / num_workers windows, by name.

    Worker w gets rows [w * n, (w + 1) * n) of each global batch, n = batch_size / num_workers.

    Args:
        split: tokens to read; they stay on disk, a batch is copied when its turn comes.
        examples: makes a batch of windows; runs ahead, beside the training.
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
    span = examples.span(window)
    windows = window_count(split, span, examples.overlap)
    rows = batch_size // num_workers
    seed63 = tf.constant(seed & 0x7FFFFFFFFFFFFFFF, tf.int64)
    salt = tf.constant(498247692, tf.int64)  # what `index_shuffle` adds as first third of the seed

    def window_indices(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        position = step * batch_size + worker * rows + tf.range(rows, dtype=tf.int64)
        epoch = position // windows
        # The raw op, since `index_shuffle` (TensorFlow 2.21) pads a matrix of seeds on the wrong side.
        seeds = tf.stack([tf.fill([rows], salt), tf.fill([rows], seed63), epoch], axis=1)
        last = tf.constant(windows - 1, tf.int64)
        index = tf.raw_ops.RandomIndexShuffle(index=position % windows, seed=seeds, max_index=last, rounds=4)
        return epoch, index

    signature = examples.signature(rows, window)

    def make(epoch: npt.NDArray[np.int64], index: npt.NDArray[np.int64]) -> list[npt.NDArray[Any]]:
        ids = gather_windows(split.ids, index, span, examples.overlap)
        joined = None if split.spans is None else gather_joined(split, index, span, examples.overlap)
        sources = _sources(split, index, span, examples.overlap) if examples.with_sources else None
        made = examples.examples(Windows(ids, epoch, index, seed, joined, sources))
        return [made[name] for name in signature]

    def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
        kinds = [tf.as_dtype(dtype) for dtype, _ in signature.values()]
        arrays = tf.numpy_function(make, window_indices(step), kinds, stateful=False)
        shapes = [shape for _, shape in signature.values()]
        return dict(zip(signature, map(tf.ensure_shape, arrays, shapes), strict=True))

    steps = tf.data.Dataset.counter(start_step, dtype=tf.int64)
    return steps.map(batch, num_parallel_calls=1, deterministic=True).prefetch(4)


def gather_windows(
    ids: npt.NDArray[np.uint16] | npt.NDArray[np.uint32],
    index: npt.NDArray[np.int64],
    window: int,
    overlap: int = 1,
) -> npt.NDArray[np.int32]:
    """Copies the windows with these numbers: int32 [len(index), window + overlap]."""
    import numpy as np

    out = np.empty((len(index), window + overlap), np.int32)
    for row, start in enumerate(index * window):
        out[row] = ids[start : start + window + overlap]
    return out


def gather_joined(
    split: TokenSplit, index: npt.NDArray[np.int64], window: int, overlap: int = 1
) -> npt.NDArray[np.bool_]:
    """`TokenSplit.joined` of the windows with these numbers: bool [len(index), window + overlap]."""
    import numpy as np

    return np.stack([split.joined(start, start + window + overlap) for start in (index * window).tolist()])


def _sources(split: TokenSplit, index: npt.NDArray[np.int64], window: int, overlap: int) -> Any:
    """`TokenSplit.source_of` of the windows with these numbers; None for text of no pipeline."""
    import numpy as np

    return None if split.sources is None else split.source_of(index[:, None] * window + np.arange(window + overlap))


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
