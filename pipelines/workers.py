"""Processes beside this one that share out slow work on text."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from governance.errors import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """A pool of processes. Each calls `start(*arguments)` first, and ends when its parent is gone.

    Args:
        purpose: what they do, for the error when one dies: "filters personal data".
    """

    def __init__(self, processes: int, purpose: str, start: Callable[..., None], *arguments: Any) -> None:
        import multiprocessing

        # spawn: a fork of a process in which TensorFlow has threads may hang
        context = multiprocessing.get_context("spawn")
        self._leave = context.Event()
        given = (os.getpid(), self._leave, start, arguments)
        self._pool = ProcessPoolExecutor(processes, context, initializer=_start, initargs=given)
        self._ahead = 2 * processes
        self._purpose = purpose

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Raises DataError as `result` does."""
        with self._deaths_told(), _main_script_hidden():
            return self._pool.submit(function, *arguments)

    def result(self, future: Future[Result]) -> Result:
        """Raises DataError when a process died (out of memory, killed)."""
        with self._deaths_told():
            return future.result()

    @contextmanager
    def _deaths_told(self) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool:
            raise DataError(
                f"a process that {self._purpose} died", fix="check free memory, then run the same command again"
            ) from None

    def in_order(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Each item with its result. Items are read as they are needed, some ahead of what is yielded."""
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            waiting.append((item, self.submit(function, item)))
            if len(waiting) > self._ahead:
                first, future = waiting.popleft()
                yield first, self.result(future)
        for first, future in waiting:
            yield first, self.result(future)

    def close(self) -> None:
        """Waits for what is under way; what has not begun is left out."""
        self._pool.shutdown(cancel_futures=True)

    def abandon(self) -> None:
        """Ends the processes at once, whatever they do; results are not to be asked for any more."""
        self._leave.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _main_script_hidden() -> Iterator[None]:
    """Keeps new processes from running the user's script again.

    `spawn` imports the main module in each worker. A script that calls `zoo.train` without a
    `__name__` guard would start another build there, and our functions are not in it anyway.
    """
    content = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {name: content.pop(name) for name in ("__file__", "__spec__") if name in content}
    content["__spec__"] = None
    try:
        yield
    finally:
        del content["__spec__"]
        content.update(hidden)


def _start(parent: int, leave: Event, start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    from multiprocessing.util import Finalize

    threading.Thread(target=_end_with, args=(parent, leave), daemon=True).start()
    Finalize(None, _end_at_once, exitpriority=-1)
    start(*arguments)


def _end_with(parent: int, leave: Event) -> None:
    """Ends this process when it is to leave, or its parent is gone: after SIGKILL nobody else would tell it."""
    while os.getppid() == parent and not leave.wait(0.5):
        pass
    os._exit(1)


def _end_at_once() -> None:
    """The last thing that a process does: to take a model of language apart takes the better part of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
