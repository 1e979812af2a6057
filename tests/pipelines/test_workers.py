"""Worker processes: order, how far ahead they read, and one that dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from governance.errors import DataError
from pipelines.workers import Workers


def test_results_come_in_order_and_items_are_read_as_they_are_needed() -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(40):
            read.append(number)
            yield -number

    workers = Workers(2, "takes absolute values", int)
    try:
        results = workers.in_order(abs, numbers())
        assert next(results) == (0, 0) and len(read) <= 5
        assert [(-item, result) for item, result in results] == [(number, number) for number in range(1, 40)]
    finally:
        workers.close()


def test_ctrl_c_reaches_no_process_that_starts_and_is_not_lost() -> None:
    """A worker begins with it blocked and ends up ignoring it; here it is raised as soon as the worker is there."""
    workers = Workers(1, "waits", int)
    spawn = workers._pool._spawn_process

    def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        spawn()
        held.append(signal.SIGINT in signal.sigpending())

    held: list[bool] = []
    workers._pool._spawn_process = interrupted  # type: ignore[method-assign]
    try:
        with pytest.raises(KeyboardInterrupt):
            workers.submit(abs, -1)
        assert held == [True] and signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        blocked, ignored = workers.result(workers.submit(_state))
        assert not blocked and ignored
    finally:
        workers.close()


def _state() -> tuple[bool, bool]:
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return blocked, signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_a_process_that_dies_is_told_in_one_line() -> None:
    workers = Workers(1, "dies", int)
    try:
        with pytest.raises(DataError, match="a process that dies died") as error:
            list(workers.in_order(os._exit, [3] * 9))
        assert "\n" not in str(error.value)
        with pytest.raises(DataError):
            workers.submit(abs, 1)
    finally:
        workers.close()
