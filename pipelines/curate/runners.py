"""Who works through the buckets: this machine's processes, or a cluster (`pipelines.beam`).

What is done to a bucket follows from its content alone and is written under a temporary name that is renamed last. So
the result depends neither on who did it nor on how many did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Protocol

from pipelines.workers import Workers

#: Does a bucket, and says how much there was to do: characters, or 1 a bucket.
DoesBucket = Callable[[int], int]


class BucketTask(Protocol):
    """What a step does to each bucket. It is sent to other processes."""

    @property
    def purpose(self) -> str:
        """For the error when a process dies: "judges text"."""
        ...

    def start(self) -> DoesBucket:
        """Loads what a process needs, such as a model; once in each."""
        ...


class Runner(Protocol):
    """Runs a task on buckets."""

    def run(self, task: BucketTask, buckets: Sequence[int], *, small: bool) -> Iterator[int]:
        """Yields what the task says of each bucket, in the order in which they are done.

        Args:
            small: starting other processes would take longer than the work.

        Raises:
            DataError: a worker died (out of memory, killed).
        """
        ...


@dataclass(frozen=True)
class LocalPool:
    """Processes of this machine."""

    processes: int

    def run(self, task: BucketTask, buckets: Sequence[int], *, small: bool) -> Iterator[int]:
        if not buckets:
            return
        if small or self.processes == 1:
            yield from map(task.start(), buckets)
            return
        with Workers(min(self.processes, len(buckets)), task.purpose, _start, task) as workers:
            for future in as_completed([workers.submit(_do, bucket) for bucket in buckets]):
                yield workers.result(future)


_does: DoesBucket | None = None


def _start(task: BucketTask) -> None:
    global _does
    _does = task.start()


def _do(bucket: int) -> int:
    if _does is None:
        raise RuntimeError("the worker was not started by LocalPool")
    return _does(bucket)
