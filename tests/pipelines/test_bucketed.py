"""Batches of unequal examples: each once in an epoch, alike in length, a function of (seed, step) alone."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import ConfigError, DataError
from pipelines.bucketed import BucketOrder, Rows, bucket_lengths, bucketed_stream

sizes = st.lists(st.integers(0, 90), min_size=1, max_size=60)


def order_of(lengths: list[int], batch_size: int = 4, seed: int = 3, *, shuffle: bool = True) -> BucketOrder:
    buckets = bucket_lengths(max(lengths), 100)
    return BucketOrder(np.array(lengths), buckets, batch_size=batch_size, seed=seed, shuffle=shuffle)


@pytest.mark.parametrize(
    ("longest", "context", "expected"),
    [(5, 100, [16]), (50, 512, [16, 24, 32, 48, 64]), (500, 96, [16, 24, 32, 48, 64, 96]), (12, 8, [8])],
)
def test_few_lengths_are_compiled(longest: int, context: int, expected: list[int]) -> None:
    assert bucket_lengths(longest, context) == expected


@settings(deadline=None)
@given(lengths=sizes, batch_size=st.integers(1, 7), epoch=st.integers(0, 3), shuffle=st.booleans())
def test_each_example_once_in_an_epoch(lengths: list[int], batch_size: int, epoch: int, shuffle: bool) -> None:
    order = order_of(lengths, batch_size, shuffle=shuffle)
    seen = []
    for step in range(epoch * order.batches, (epoch + 1) * order.batches):
        rows = order.rows(step)
        assert rows.epoch == epoch and len(rows.index) == batch_size
        assert all(lengths[example] <= rows.length for example in rows.index)
        seen += rows.index[rows.weights > 0].tolist()
    assert sorted(seen) == list(range(len(lengths)))
    assert order.batches == -(-len(lengths) // batch_size), "an epoch is as short as can be"


@settings(deadline=None)
@given(lengths=sizes, batch_size=st.integers(1, 7), epoch=st.integers(0, 3), shuffle=st.booleans())
def test_few_examples_are_with_longer_ones(lengths: list[int], batch_size: int, epoch: int, shuffle: bool) -> None:
    """Of each length fewer than a batch go to longer ones, and one batch of the longest alone is not full."""
    order = order_of(lengths, batch_size, shuffle=shuffle)
    buckets = bucket_lengths(max(lengths), 100)
    every = [order.rows(epoch * order.batches + step) for step in range(order.batches)]
    partly = [rows for rows in every if not rows.weights.all()]
    assert len(partly) <= 1 and all(rows.length == max(one.length for one in every) for rows in partly)
    if shuffle:
        assert every[0].weights.all() or partly == [one for one in every if one.length == every[0].length]
    for bucket in buckets:
        longer = [i for rows in every if rows.length > bucket for i in rows.index[rows.weights > 0]]
        assert sum(lengths[example] <= bucket for example in longer) < batch_size


def test_the_order_is_a_function_of_seed_and_step() -> None:
    lengths = [(7 * n) % 61 for n in range(50)]
    one, other = order_of(lengths), order_of(lengths)
    steps = [7, 20, 3, 21, 7]
    for step in steps:  # in any order, in any process
        np.testing.assert_array_equal(one.rows(step).index, order_of(lengths).rows(step).index)
    epochs = [np.concatenate([other.rows(e * other.batches + n).index for n in range(other.batches)]) for e in (0, 1)]
    assert not np.array_equal(*epochs)
    assert any(not np.array_equal(one.rows(n).index, order_of(lengths, seed=4).rows(n).index) for n in range(5))


@settings(deadline=None)
@given(lengths=sizes, epoch=st.integers(0, 3), shuffle=st.booleans())
def test_the_longest_come_first(lengths: list[int], epoch: int, shuffle: bool) -> None:
    order = order_of(lengths, shuffle=shuffle)
    of_epoch = [order.rows(epoch * order.batches + step).length for step in range(order.batches)]
    assert of_epoch[0] == max(of_epoch)


def numbers(rows: Rows) -> dict[str, npt.NDArray[np.int64]]:
    return {"index": rows.index, "padded": np.zeros((len(rows.index), rows.length), np.int64)}


def test_the_stream_starts_anywhere_and_is_shared() -> None:
    order = order_of([(7 * n) % 61 for n in range(50)])
    whole = list(itertools.islice(bucketed_stream(order, numbers), 20))
    late = next(bucketed_stream(order, numbers, start_step=17))
    np.testing.assert_array_equal(late["index"], whole[17]["index"])
    assert len({batch["padded"].shape for batch in whole}) > 1
    parts = [next(bucketed_stream(order, numbers, start_step=9, worker=w, num_workers=2)) for w in (0, 1)]
    np.testing.assert_array_equal(np.concatenate([part["index"] for part in parts]), whole[9]["index"])


def test_what_cannot_be() -> None:
    with pytest.raises(DataError, match="no examples"):
        BucketOrder(np.empty(0, np.int64), [16], batch_size=2, seed=0)
    with pytest.raises(DataError, match="90 tokens"):
        BucketOrder(np.array([90]), [16], batch_size=2, seed=0)
    with pytest.raises(ConfigError, match="cannot be shared by 3 workers"):
        next(bucketed_stream(order_of([1, 2, 3]), numbers, num_workers=3))
