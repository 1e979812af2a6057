"""The stream of packed windows: order, restarts, workers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import ConfigError, DataError
from pipelines.stream import Signature, Windows, stream, window_count
from pipelines.tokens import TokenSplit


def split_of(tokens: int) -> TokenSplit:
    """Tokens that count up, so that a window's first input tells which window it is."""
    return TokenSplit("train", np.arange(tokens, dtype=np.uint16), np.array([0, tokens]), tokens, 0)


class NextTokens:
    """Inputs and targets, and what else an objective is told."""

    overlap = 1
    with_sources = False

    def span(self, window: int) -> int:
        return window

    def signature(self, rows: int, window: int) -> Signature:
        told = dict.fromkeys(("epoch", "index", "seed"), ("int64", (rows,)))
        return {"inputs": ("int32", (rows, window)), "targets": ("int32", (rows, window)), **told}

    def examples(self, windows: Windows) -> dict[str, np.ndarray]:
        seeds = np.full(len(windows.ids), windows.seed)
        told = {"epoch": windows.epoch, "index": windows.index, "seed": seeds}
        return {"inputs": windows.ids[:, :-1], "targets": windows.ids[:, 1:], **told}


def take_all(count: int, tokens: int, **options: int) -> list[dict[str, np.ndarray]]:
    return list(stream(split_of(tokens), NextTokens(), **options).take(count).as_numpy_iterator())


def take(count: int, tokens: int, **options: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(batch["inputs"], batch["targets"]) for batch in take_all(count, tokens, **options)]


def test_an_objective_is_told_epoch_number_and_seed_of_each_window() -> None:
    batches = take_all(9, 45, batch_size=3, window=4, seed=5)  # 11 windows: epochs end within batches
    rows = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    np.testing.assert_array_equal(rows["epoch"], np.arange(27) // 11)
    np.testing.assert_array_equal(rows["inputs"][:, 0], 4 * rows["index"])
    assert set(rows["seed"]) == {5}
    tail = take_all(2, 45, batch_size=3, window=4, seed=5, start_step=7)
    np.testing.assert_array_equal(np.concatenate([batch["epoch"] for batch in tail]), rows["epoch"][21:])


class Whole(NextTokens):
    overlap = 0

    def signature(self, rows: int, window: int) -> Signature:
        return {"ids": ("int32", (rows, window))}

    def examples(self, windows: Windows) -> dict[str, np.ndarray]:
        return {"ids": windows.ids}


def test_windows_may_stand_side_by_side() -> None:
    split = split_of(12)
    assert (window_count(split, 4, overlap=0), window_count(split, 4)) == (3, 2)
    batches = list(stream(split, Whole(), batch_size=3, window=4, seed=0).take(1).as_numpy_iterator())
    np.testing.assert_array_equal(sorted(batches[0]["ids"].ravel()), np.arange(12))


few = settings(max_examples=15, deadline=None)


@few
@given(
    tokens=st.integers(20, 300),
    batch_size=st.integers(1, 5),
    window=st.integers(1, 9),
    seed=st.integers(0, 2**40),
    start=st.integers(0, 40),
)
def test_a_restart_is_the_tail_of_the_whole(tokens: int, batch_size: int, window: int, seed: int, start: int) -> None:
    whole = take(start + 3, tokens, batch_size=batch_size, window=window, seed=seed)
    tail = take(3, tokens, batch_size=batch_size, window=window, seed=seed, start_step=start)
    np.testing.assert_array_equal(whole[start:], tail)


@few
@given(
    tokens=st.integers(20, 300),
    batch_size=st.integers(1, 7),
    window=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_each_epoch_sees_each_window_once(tokens: int, batch_size: int, window: int, seed: int) -> None:
    windows = window_count(split_of(tokens), window)
    epochs = 3
    steps = -(-windows * epochs // batch_size)
    batches = take(steps, tokens, batch_size=batch_size, window=window, seed=seed)
    inputs = np.concatenate([inputs for inputs, _ in batches])
    targets = np.concatenate([targets for _, targets in batches])
    np.testing.assert_array_equal(inputs + 1, targets)
    order = inputs[: windows * epochs, 0].reshape(epochs, windows) // window
    for epoch in order:
        assert sorted(epoch) == list(range(windows))


@few
@given(workers=st.integers(1, 4), rows=st.integers(1, 3), seed=st.integers(0, 99))
def test_workers_together_make_the_batch_of_one(workers: int, rows: int, seed: int) -> None:
    options = {"batch_size": workers * rows, "window": 4, "seed": seed}
    alone = take(5, 120, **options)
    shared = [take(5, 120, worker=worker, num_workers=workers, **options) for worker in range(workers)]
    for step in range(5):
        rows_of_all = np.concatenate([batches[step][0] for batches in shared])
        np.testing.assert_array_equal(rows_of_all, alone[step][0])


def test_order_depends_on_seed_and_epoch() -> None:
    def order(seed: int, start_step: int) -> list[int]:
        batches = take(50, 201, batch_size=1, window=4, seed=seed, start_step=start_step)
        return [int(inputs[0, 0]) for inputs, _ in batches]

    assert order(1, 0) != order(2, 0)
    assert order(1, 0) != order(1, 50)
    assert order(1, 0) != sorted(order(1, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"window": 0}, "window"),
        ({"start_step": -1}, "start_step"),
        ({"worker": 2, "num_workers": 2}, "worker"),
        ({"batch_size": 3, "num_workers": 2}, "cannot be shared"),
    ],
)
def test_sizes_that_do_not_fit(change: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        stream(split_of(50), NextTokens(), **{"batch_size": 2, "window": 4, "seed": 0, **change})


def test_text_shorter_than_a_window() -> None:
    with pytest.raises(DataError, match="one window takes 65"):
        stream(split_of(64), NextTokens(), batch_size=1, window=64, seed=0)
