"""Who works through the buckets: this machine's processes, or a cluster (`pipelines.beam`).

What is done to a bucket follows from its content alone and is written under a temporary name that is renamed last. So
the result depends neither on who did it nor on how many did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from governance.errors import ZooError
from pipelines.workers import Workers

#: Does a bucket, and says how much there was to do: characters, or 1 a bucket.
DoesBucket = Callable[[int], int]


class BucketTask(Protocol):
    """What a step does to each bucket. It is sent to other processes, and is equal to what arrives there."""

    @property
    def purpose(self) -> str:
        """For the error when a process dies: "judges text"."""
        ...

    def start(self) -> DoesBucket:
        """Loads what a process needs, such as a model; once in each."""
        ...


class SlowToLoad(BucketTask, Protocol):
    """A task that is not worth much before something big is loaded."""

    def load(self) -> None:
        """Loads it into this process, for all tasks of this kind."""
        ...


class Runner(Protocol):
    """Runs a task on buckets."""

    def ahead(self, task: SlowToLoad) -> AbstractContextManager[None]:
        """What `run` needs for tasks of this kind may be loaded beside what is done in the block before."""
        ...

    def run(self, task: BucketTask, buckets: Sequence[int], *, small: bool) -> Iterator[int]:
        """Yields what the task says of each bucket, in the order in which they are done.

        Args:
            small: starting other processes would take longer than the work.

        Raises:
            DataError: a worker died (out of memory, killed).
        """
        ...


@dataclass
class LocalPool:
    """Processes of this machine."""

    processes: int
    #: By the purpose of its tasks: a process that loads, or has loaded, what they need.
    _loaded: dict[str, Workers] = field(default_factory=dict, init=False, repr=False)

    @contextmanager
    def ahead(self, task: SlowToLoad) -> Iterator[None]:
        """One process loads, since what comes before the run takes one; none if there is to be but one in all."""
        if self.processes == 1:
            yield
            return
        workers = self._loaded[task.purpose] = Workers(1, task.purpose, _load, task)
        try:
            workers.submit(_nothing)  # processes are started when there is something to do
            yield
        finally:
            del self._loaded[task.purpose]
            workers.close(at_once=True)

    def run(self, task: BucketTask, buckets: Sequence[int], *, small: bool) -> Iterator[int]:
        if not buckets:
            return
        loaded = self._loaded.get(task.purpose)
        if loaded is None and (small or self.processes == 1):
            yield from map(task.start(), buckets)
            return
        others = 0 if small else min(self.processes, len(buckets)) - (loaded is not None)
        beside = Workers(others, task.purpose, _start, task) if others else nullcontext()
        with beside as started:
            pools = {pool: of_pool for pool, of_pool in ((loaded, 1), (started, others)) if pool is not None}
            yield from _shared_out(task, buckets, pools)


def _shared_out(task: BucketTask, buckets: Sequence[int], pools: dict[Workers, int]) -> Iterator[int]:
    """Each process gets its next bucket when one is done: some are slow, and some processes begin late.

    Args:
        pools: with the number of their processes.
    """
    left = deque(buckets)
    waiting: dict[Future[int], Workers] = {}

    def give(pool: Workers) -> None:
        if left:
            waiting[pool.submit(_do, task, left.popleft())] = pool

    for pool in [pool for pool, processes in pools.items() for _ in range(processes + 1)]:  # one lies ready
        give(pool)
    while waiting:
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            pool = waiting.pop(future)
            done = pool.result(future)
            give(pool)
            yield done


#: The task that this process has begun, and what does it.
_begun: tuple[BucketTask, DoesBucket] | None = None


def _load(task: SlowToLoad) -> None:
    try:
        task.load()
    except ZooError:  # the first bucket says it again, where somebody listens
        return


def _nothing() -> None:
    return


def _start(task: BucketTask) -> None:
    global _begun
    _begun = task, task.start()


def _do(task: BucketTask, bucket: int) -> int:
    if _begun is None or _begun[0] != task:
        _start(task)
    assert _begun is not None
    return _begun[1](bucket)
