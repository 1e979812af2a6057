"""Near duplicates: hashes of words, signatures, bands, clusters, each against a plain computation."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.curate import near

TEXTS = st.lists(st.text(st.sampled_from("ab cß,\n.É7\r中"), max_size=60), min_size=1, max_size=6)


def plain_shingles(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"(?:[a-z0-9]|[^\x00-\x7f])+", text.casefold())
    return [tuple(words[start : start + 5]) for start in range(max(1, len(words) - 4))] if words else []


@settings(max_examples=200)
@given(TEXTS)
def test_hashes_stand_for_five_words_in_a_row(texts: list[str]) -> None:
    hashes, offsets = near.shingles(texts)
    assert offsets[0] == 0 and offsets[-1] == len(hashes)
    named: dict[tuple[str, ...], int] = {}
    for text, start, end in zip(texts, offsets[:-1], offsets[1:], strict=True):
        expected = plain_shingles(text)
        found = hashes[int(start) : int(end)].tolist()
        assert len(found) == len(expected)
        for words, value in zip(expected, found, strict=True):
            assert named.setdefault(words, value) == value, "equal words, equal hash, wherever they stand"
    assert len(set(named.values())) == len(named), "no two of so few collide"


def sentence(generator: random.Random, count: int) -> list[str]:
    return ["".join(generator.choices("abcdefghijklmnop", k=5)) for _ in range(count)]


def test_signatures_estimate_the_similarity() -> None:
    generator = random.Random(1)
    for changed in (0, 5, 20, 60, 200):
        words = sentence(generator, 400)
        other = list(words)
        for place in generator.sample(range(400), changed):
            other[place] = "changed"
        one, two = set(plain_shingles(" ".join(words))), set(plain_shingles(" ".join(other)))
        signed = near.signatures([" ".join(words), " ".join(other).upper()])
        share = float((signed[0] == signed[1]).mean())
        assert share == pytest.approx(len(one & two) / len(one | two), abs=0.15)


@pytest.mark.parametrize(("threshold", "rows"), [(0.5, 3), (0.7, 4), (0.8, 6), (0.9, 10), (1.0, 112)])
def test_bands_let_a_pair_at_the_threshold_meet(threshold: float, rows: int) -> None:
    assert near.rows_of_bands(threshold) == rows

    def met(length: int) -> float:
        return 1 - (1 - threshold**length) ** (112 // length)

    assert met(rows) >= 0.99 and (rows == 112 or met(rows + 1) < 0.99)


def plain_clusters(signed: np.ndarray, threshold: float) -> list[int]:
    """Connected components over all pairs that share a band."""
    leaders = list(range(len(signed)))
    rows = near.rows_of_bands(threshold)
    starts = range(0, near.PERMUTATIONS - rows + 1, rows)

    def alike(a: int, b: int) -> bool:
        equal = signed[a] == signed[b]
        return equal.mean() >= threshold and any(equal[start : start + rows].all() for start in starts)

    for _ in range(len(signed)):
        for a in range(len(signed)):
            for b in range(a):
                if alike(a, b):
                    leaders[a] = leaders[b] = min(leaders[a], leaders[b])
    return leaders


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.6, 0.8, 1.0]))
@example(105, 0.8)  # the first of a band is like neither of two that are alike
def test_clusters_are_those_of_all_pairs(seed: int, threshold: float) -> None:
    """Copies of a few signatures, with some places changed."""
    generator = np.random.default_rng(seed)
    signed = generator.integers(0, 2**32, (3, near.PERMUTATIONS), dtype=np.uint32)[generator.integers(0, 3, 12)]
    for row in signed:
        places = generator.choice(near.PERMUTATIONS, generator.integers(0, 20), replace=False)
        row[places] = generator.integers(0, 2**32, len(places), dtype=np.uint32)
    assert near.clusters(signed, threshold).tolist() == plain_clusters(signed, threshold)


def test_texts_without_words_are_no_duplicates_of_each_other() -> None:
    assert near.clusters(near.signatures(["!!!", "...", "a b", "A, b."]), 0.8).tolist() == [0, 1, 2, 2]


def test_many_equal_texts_take_no_quadratic_time() -> None:
    signed = near.signatures(["one and the same text for all of them"] * 20_000)
    assert (near.clusters(signed, 0.8) == 0).all()
