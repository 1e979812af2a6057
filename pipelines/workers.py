"""Processes beside this one that share out slow work on text."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self, TypeVar

from governance.errors import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """A pool of processes. Each calls `start(*arguments)` first, and ends when its parent is gone.

    As a context manager it ends with its block: after an error, Ctrl-C or SIGTERM at once.

    Args:
        purpose: what they do, for the error when one dies: "filters personal data".
    """

    def __init__(self, processes: int, purpose: str, start: Callable[..., None], *arguments: Any) -> None:
        import multiprocessing

        # spawn: a fork of a process in which TensorFlow has threads may hang
        context = multiprocessing.get_context("spawn")
        given = (os.getpid(), start, arguments)
        self._pool = ProcessPoolExecutor(processes, context, initializer=_start, initargs=given)
        self._ahead = 2 * processes
        self._purpose = purpose

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Raises DataError as `result` does."""
        with self._deaths_told(), _main_script_hidden(), _interrupts_held():
            return self._pool.submit(_run, function, *arguments)

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

    def close(self, *, at_once: bool = False) -> None:
        """Waits for what is under way; what has not begun is left out.

        Args:
            at_once: what is under way is left off, and takes its temporary files with it. A supervisor that sent
                SIGTERM kills after some seconds what is still there.
        """
        if at_once:
            for process in list((self._pool._processes or {}).values()):  # Python 3.14 has `terminate_workers`
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(at_once=kind is not None)


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


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keeps Ctrl-C from new processes until they ignore it: Python would be starting in them, and says where it was.

    The mask of blocked signals is inherited over fork and exec. To ignore SIGINT here would be inherited as well, but
    would lose a Ctrl-C that comes meanwhile; a blocked one is pending, and is raised here at the end. Only the calling
    thread is masked, so that this holds in any. The pool's locks have started Python's resource tracker before: to
    start it would unblock SIGINT.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_running = False
_ending = False


def _start(parent: int, start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    from multiprocessing.util import Finalize

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all of us; the parent ends its workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # what was pending is forgotten
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    Finalize(None, _end_at_once, exitpriority=-1)
    start(*arguments)


def _run(function: Callable[..., Result], *arguments: Any) -> Result:
    global _running
    _running = True
    try:
        return function(*arguments)
    finally:
        _running = False
        if _ending:
            os._exit(128 + signal.SIGTERM)


def _end(number: int, frame: FrameType | None) -> None:
    """Ends this process; a function that is running first cleans up, and is not disturbed by a second signal."""
    global _ending
    if not _running:
        os._exit(128 + number)
    if not _ending:
        _ending = True
        sys.exit(128 + number)


def _end_with(parent: int) -> None:
    """Ends this process when its parent is gone: after SIGKILL nobody else would tell it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _end_at_once() -> None:
    """The last thing that a process does: to take a model of language apart takes the better part of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
