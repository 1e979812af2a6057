"""Which sources are said to be too small."""

from __future__ import annotations

import pytest

from pipelines.balance import source_warnings


@pytest.mark.parametrize(
    ("trained", "validation", "expected"),
    [
        ((1000, 1000), (50, 50), []),
        ((1000, 100), (50, 50), ["notes: under"]),
        ((750, 250), (100, 100), []),  # just half of its share
        ((760, 240), (100, 100), ["notes: under"]),
        ((1000, 1000), (50, 19), ["notes: few"]),
        ((1000, 0), (50, 5), ["notes: under", "notes: few"]),
        ((0, 0), (0, 0), ["letters: few", "notes: few"]),
    ],
)
def test_the_rule(trained: tuple[int, int], validation: tuple[int, int], expected: list[str]) -> None:
    lines = source_warnings(["letters", "notes"], trained, validation, unit="tokens")
    kinds = {"under": "is under-represented", "few": "too few"}
    wanted = [(name, kinds[kind]) for name, kind in (one.split(": ") for one in expected)]
    assert len(lines) == len(wanted)
    assert all(f"the source {name} " in line and kind in line for line, (name, kind) in zip(lines, wanted, strict=True))
