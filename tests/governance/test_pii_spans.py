"""The rule for findings that overlap, by property, and what becomes of names at their edges."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from governance.pii.entities import ALL_TYPES, RANK
from governance.pii.spans import Finding, disjoint

TEXT = "BCDFGHJKLM" * 6  # one word that names nothing, so that no rest is dropped for what it says

findings_ = st.lists(
    st.builds(
        lambda start, length, entity, score: Finding(start, min(start + length, len(TEXT)), entity, score),
        st.integers(0, len(TEXT) - 1),
        st.integers(1, 25),
        st.sampled_from(sorted(ALL_TYPES)),
        st.sampled_from([0.4, 0.6, 0.9]),
    ),
    max_size=12,
)


def best(findings: Iterable[Finding]) -> Finding:
    return min(findings, key=lambda f: (RANK[f.type], f.start - f.end, -f.score, f.start, f.type))


def covered(findings: Iterable[Finding]) -> set[int]:
    return {position for f in findings for position in range(f.start, f.end)}


@settings(max_examples=60, deadline=None)
@given(findings_, st.randoms())
def test_overlaps_are_resolved_by_the_stated_rule(findings: list[Finding], dice: object) -> None:
    kept = disjoint(TEXT, findings)
    edges = [edge for f in kept for edge in (f.start, f.end)]
    assert edges == sorted(edges) and len(covered(kept)) == sum(f.end - f.start for f in kept)
    shuffled = list(findings)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert disjoint(TEXT, shuffled) == kept, "the order of searching decides nothing"
    assert disjoint(TEXT, kept) == kept
    if findings:
        assert best(findings) in kept, "the best one stays whole"
    for one in kept:
        assert any(f.start <= one.start and one.end <= f.end and f.type == one.type for f in findings)


@settings(max_examples=60, deadline=None)
@given(findings_)
def test_nothing_that_was_found_is_left_but_rests_too_short_to_say_anything(findings: list[Finding]) -> None:
    left = sorted(covered(findings) - covered(disjoint(TEXT, findings)))
    runs: list[list[int]] = []
    for position in left:
        if runs and runs[-1][-1] == position - 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    assert all(len(run) < 3 for run in runs)
