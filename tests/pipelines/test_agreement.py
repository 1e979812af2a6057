"""Signatures that agree in many places: the same ones as a plain comparison of all pairs finds, with less work."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.curate import agreement, near
from pipelines.curate.likeness import known

Rows = npt.NDArray[np.uint32]
#: So small that few records go every way that many go.
SMALL = {"_FEW": 1, "_IN_VAIN": 2, "_ROWS_AT_ONCE": 3, "_BYTES_COUNTED": 100}
LEAST = 90  # of 112: those of 0.8


def filled_in(seed: int, count: int, own: int, values: int = 2**32) -> Rows:
    """Letters of one form: all places are the form's, but for about so many that are a letter's own."""
    generator = np.random.default_rng(seed)
    form = generator.integers(0, 2**32, near.PERMUTATIONS, dtype=np.uint32)
    content = generator.integers(0, values, (count, near.PERMUTATIONS), dtype=np.uint32)
    share = generator.uniform(0, 1, content.shape) < own / near.PERMUTATIONS
    return np.where(share, content, form).astype(np.uint32)


def equal_places(one: Rows, other: Rows) -> npt.NDArray[np.int64]:
    """int64 [one, other]."""
    return np.asarray((one[:, np.newaxis] == other).sum(axis=2))


def components(signed: Rows, threshold: float) -> list[int]:
    """Smallest member of each one's cluster, over all pairs that share a band."""
    rows = near.rows_of_bands(threshold)
    starts = range(0, near.PERMUTATIONS - rows + 1, rows)
    bands = [(signed[:, np.newaxis, s : s + rows] == signed[:, s : s + rows]).all(axis=2) for s in starts]
    alike = (equal_places(signed, signed) >= threshold * near.PERMUTATIONS) & np.any(bands, axis=0)
    leaders = np.arange(len(signed))
    for _ in leaders:
        leaders = np.where(alike, leaders, len(signed)).min(axis=1)
    return [int(leader) for leader in leaders]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([6, 14, 20, 28]), st.sampled_from([3, 2**32]), st.booleans())
def test_clusters_of_forms_are_those_of_all_pairs(seed: int, own: int, values: int, with_copies: bool) -> None:
    """Forms that are alike, that nearly are and that are not; also where what is filled in comes from few values."""
    signed = np.concatenate([filled_in(seed, 20, own, values), filled_in(seed + 1, 5, own)])
    if with_copies:
        signed = np.concatenate([signed, signed[::3]])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(agreement, name, value)
        found = near.clusters(signed, 0.8)
        assert found.tolist() == components(signed, 0.8)
        order = np.random.default_rng(seed).permutation(len(signed))
        again = near.clusters(signed[order], 0.8)
    together = found[:, np.newaxis] == found
    assert (together[order][:, order] == (again[:, np.newaxis] == again)).all(), "whatever the order"


class Counting:
    """Signatures that count how many were read."""

    def __init__(self, signed: Rows) -> None:
        self.signed, self.rows = signed, 0

    def __len__(self) -> int:
        return len(self.signed)

    def __getitem__(self, records: npt.NDArray[np.int64]) -> Rows:
        self.rows += len(records)
        return self.signed[records]


@pytest.mark.parametrize("own", [30, 26])
def test_a_form_that_many_fill_in_is_not_read_for_each_pair(own: int) -> None:
    """Those far below the threshold, and a little below it."""
    signed = Counting(filled_in(1, 1500, own))
    keys = near.band_keys(signed.signed, 0.8)
    everybody = np.arange(len(signed))
    near.joined(signed, 0.8, ((everybody, of_band) for of_band in keys))
    assert signed.rows < len(keys) * len(signed), "each about once a band"


def test_forms_with_much_of_their_own_are_not_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    whole = agreement.agreeing
    monkeypatch.setattr(agreement, "agreeing", lambda *some: (compared.append(1), whole(*some))[1])
    signed = filled_in(1, 3000, 40)
    signed[:, :6] = signed[0, :6]  # all share a band
    waiting = agreement.Waiting(np.arange(len(signed)), signed, LEAST)
    while (record := waiting.next()) is not None:
        assert waiting.alike(record) == []
    assert len(compared) < 100


@pytest.mark.parametrize(("own", "pairs"), [(112 - LEAST, [[4]]), (112 - LEAST + 1, [])])
def test_a_count_leaves_nobody_out_who_may_be_alike(
    own: int, pairs: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three that are like nobody come two that differ in so many places."""
    for name, value in SMALL.items():
        monkeypatch.setattr(agreement, name, value)
    signed = np.arange(5 * near.PERMUTATIONS, dtype=np.uint32).reshape(5, -1)
    signed[4, own:] = signed[3, own:]
    waiting = agreement.Waiting(np.arange(5), signed, LEAST)
    found = []
    while (record := waiting.next()) is not None:
        found.append(waiting.alike(record))
    assert [some for some in found if some] == pairs


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 10, 20, 28, 112]), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_known_ones_are_found_as_a_comparison_with_all_finds_them(seed: int, own: int, threshold: float) -> None:
    signed = filled_in(seed, 40, own)
    signed[5::8] = 0  # texts without words are like nothing
    stones, others = signed[:15], signed[15:]
    expected = (equal_places(others, stones[stones.any(axis=1)]) >= threshold * near.PERMUTATIONS).any(axis=1)
    assert known(stones, threshold).alike(others).tolist() == expected.tolist()
    assert not known(stones[:0], threshold).alike(others).any()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 50, LEAST, 111, 112]))
def test_no_pair_that_differs_in_as_much_as_it_may_is_missed(seed: int, least: int) -> None:
    generator = np.random.default_rng(seed)
    signed = generator.integers(1, 2**32, (8, near.PERMUTATIONS), dtype=np.uint32)
    other, less = signed.copy(), signed.copy()
    for row in range(len(signed)):
        places = generator.permutation(near.PERMUTATIONS)
        other[row, places[least:]] += 256  # equal low bytes: they tell no two of these apart
        less[row, places[least - 1 :]] += 256
    assert agreement.Known(signed, least).alike(other).all()
    assert not agreement.Known(signed, least).alike(less).any()


def test_texts_that_share_nothing_with_the_erased_are_not_compared_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    whole = agreement.agreeing
    monkeypatch.setattr(agreement, "agreeing", lambda *some: (compared.append(1), whole(*some))[1])
    generator = np.random.default_rng(1)
    stones = generator.integers(0, 2**32, (2000, near.PERMUTATIONS), dtype=np.uint32)
    others = generator.integers(0, 2**32, (500, near.PERMUTATIONS), dtype=np.uint32)
    others[7] = stones[3]
    assert np.flatnonzero(known(stones, 0.8).alike(others)).tolist() == [7] and len(compared) == 1
