"""Worker processes: order, how far ahead they read, and one that dies."""

from __future__ import annotations

import os
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
