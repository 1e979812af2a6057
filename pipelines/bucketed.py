"""Batches of examples of unequal lengths: each batch holds examples of about one length.

An example goes into the bucket of the smallest length that holds it, and a batch is filled from one
bucket, so that little of it is padding and few shapes are ever compiled. Examples that are too few for a batch of
their own length go to the next longer ones. Which examples are in a batch is a pure function of (seed, step), as in
`pipelines.stream`: a restart goes on exactly where it stopped, and workers share a batch without a word. In an epoch
each example comes once, in as few batches as can be; what is missing to fill the one last batch of the longest
repeats some of its examples with weight 0.

A full batch of the longest examples comes first: TensorFlow keeps the memory of each compiled shape, and shorter ones
find room in that of a longer one, but not the other way round. (A MiniLM on questions of 16 to 128 tokens took
6.8 GB in a random order.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from governance.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SHORTEST = 16


@dataclass(frozen=True)
class Rows:
    """The examples of a batch.

    Attributes:
        index: int64 [rows], numbers of the examples within the split.
        weights: float32 [rows], 1, or 0 for a row that only fills the batch.
        length: tokens that each of them fits into.
        epoch: how often the split was gone through before.
        seed: of the stream.
    """

    index: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    length: int
    epoch: int
    seed: int


def bucket_lengths(longest: int, context: int) -> list[int]:
    """Lengths that are compiled, in tokens: 16, 24, 32, 48, 64, … up to the longest example or the context."""
    most = min(longest, context)
    lengths, length = [], _SHORTEST
    while length < most:
        lengths.append(length)
        length = length * 3 // 2 if length & (length - 1) == 0 else length * 4 // 3
    return [*lengths, min(length, context)]


class BucketOrder:
    """The order of a split's batches.

    Args:
        lengths: int [examples], in tokens, with all that a task puts around the parts.
        buckets: lengths of the buckets, ascending; no example is longer than the last one.
        batch_size: examples in a batch.
        seed: decides the order, with the epoch's number.

    Raises:
        DataError: there are no examples.
    """

    def __init__(
        self, lengths: npt.NDArray[np.int64], buckets: list[int], *, batch_size: int, seed: int, shuffle: bool = True
    ) -> None:
        import numpy as np

        if len(lengths) == 0:
            raise DataError("there are no examples", where="examples", fix="add records")
        if int(lengths.max()) > buckets[-1]:
            raise DataError(f"an example of {int(lengths.max())} tokens exceeds {buckets[-1]}", where="examples")
        of_example = np.searchsorted(np.asarray(buckets), lengths)
        self._members = [np.flatnonzero(of_example == number) for number in range(len(buckets))]
        self._buckets, self._batch_size, self._seed, self._shuffle = buckets, batch_size, seed, shuffle
        self._counts = self._batches_of_buckets()
        #: The bucket of each batch of an epoch, before batches are shuffled, and its number within the bucket.
        self._bucket_of = np.repeat(np.arange(len(buckets)), self._counts)
        self._number_of = np.concatenate([np.arange(count) for count in self._counts])
        self._epoch: tuple[int, list[npt.NDArray[np.int64]], npt.NDArray[np.int64]] | None = None

    def _batches_of_buckets(self) -> list[int]:
        """Full batches of each bucket, from its own examples and those left over from shorter ones; of the longest
        one that is in use also the last one, which may not be full."""
        longest = max(number for number, members in enumerate(self._members) if len(members))
        counts, left = [], 0
        for number, members in enumerate(self._members):
            full, left = divmod(left + len(members), self._batch_size)
            counts.append(full + (number == longest and left > 0))
            left = 0 if number == longest else left
        return counts

    def _filled(self, members: list[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.int64]]:
        """The examples of each bucket's batches: what one cannot fill a batch with goes to the next."""
        import numpy as np

        filled, left = [], np.empty(0, np.int64)
        for own, count in zip(members, self._counts, strict=True):
            examples = np.concatenate([left, own])
            filled.append(examples[: count * self._batch_size])
            left = examples[count * self._batch_size :]
        return filled

    @property
    def batches(self) -> int:
        """Batches in an epoch."""
        return len(self._bucket_of)

    def rows(self, step: int) -> Rows:
        """The examples of batch `step`."""
        import numpy as np

        epoch, position = divmod(step, self.batches)
        members, order = self._shuffled(epoch)
        batch = int(order[position])
        bucket, number = int(self._bucket_of[batch]), int(self._number_of[batch])
        part = members[bucket][number * self._batch_size : (number + 1) * self._batch_size]
        missing = self._batch_size - len(part)
        filler = np.resize(members[bucket], missing)
        weights = np.concatenate([np.ones(len(part), np.float32), np.zeros(missing, np.float32)])
        return Rows(np.concatenate([part, filler]), weights, self._buckets[bucket], epoch, self._seed)

    def _shuffled(self, epoch: int) -> tuple[list[npt.NDArray[np.int64]], npt.NDArray[np.int64]]:
        """The examples of each bucket's batches and the order of batches; kept for the present epoch."""
        import numpy as np

        if not self._shuffle:
            if self._epoch is None:
                self._epoch = (0, self._filled(self._members), np.arange(self.batches)[::-1])
            return self._epoch[1], self._epoch[2]
        if self._epoch is None or self._epoch[0] != epoch:
            key = [self._seed & 0xFFFFFFFFFFFFFFFF, epoch]
            draw = np.random.Generator(np.random.Philox(key=key))
            members = self._filled([draw.permutation(one) for one in self._members])
            order = draw.permutation(self.batches)
            # Batches are numbered bucket by bucket, and of a bucket only the last one may not be full.
            longest = int(np.flatnonzero(order == np.searchsorted(self._bucket_of, self._bucket_of[-1]))[0])
            order[[0, longest]] = order[[longest, 0]]
            self._epoch = (epoch, members, order)
        return self._epoch[1], self._epoch[2]


class MakesBatch(Protocol):
    """How the examples of a batch become arrays; a pure function of its argument."""

    def __call__(self, rows: Rows) -> Mapping[str, npt.NDArray[Any]]: ...


def bucketed_stream(
    order: BucketOrder,
    make: MakesBatch,
    *,
    start_step: int = 0,
    worker: int = 0,
    num_workers: int = 1,
) -> Iterator[Mapping[str, npt.NDArray[Any]]]:
    """Endless batches from `start_step` on; made ahead, beside the training, by tf.data.

    Worker w gets rows [w * n, (w + 1) * n) of each batch, n = batch size / num_workers.

    Raises:
        ConfigError: a batch cannot be shared by so many workers.
    """
    import tensorflow as tf

    first = make(_share(order.rows(start_step), worker, num_workers))
    kinds = {name: tf.as_dtype(array.dtype) for name, array in first.items()}

    def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
        def made(number: Any) -> list[npt.NDArray[Any]]:
            arrays = make(_share(order.rows(int(number)), worker, num_workers))
            return [arrays[name] for name in kinds]

        arrays = tf.numpy_function(made, [step], list(kinds.values()), stateful=False)
        return dict(zip(kinds, arrays, strict=True))

    steps = tf.data.Dataset.counter(start_step, dtype=tf.int64)
    stream: Callable[[], Iterator[Mapping[str, npt.NDArray[Any]]]]
    stream = steps.map(batch, num_parallel_calls=1, deterministic=True).prefetch(4).as_numpy_iterator
    return stream()


def _share(rows: Rows, worker: int, num_workers: int) -> Rows:
    if not 0 <= worker < num_workers or len(rows.index) % num_workers:
        raise ConfigError(
            f"a batch of {len(rows.index)} cannot be shared by {num_workers} workers as worker {worker}",
            where="stream.batch_size",
            fix=f"use a multiple of {num_workers}",
        )
    count = len(rows.index) // num_workers
    part = slice(worker * count, (worker + 1) * count)
    return Rows(rows.index[part], rows.weights[part], rows.length, rows.epoch, rows.seed)
