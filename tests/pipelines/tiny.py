"""A dataset version held in memory, for tests of what comes after the data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from governance.labels import Label
from pipelines.versions import SourceTable

TEXT = "the tax return of a dependent spouse is due in April unless section 1234 says 5,000 dollars"
WORDS = TEXT.split()


@dataclass
class TinyVersion:
    """Quacks like a dataset version; `reads` counts how often a split was read."""

    splits: dict[str, list[str]]
    label: Label = field(default_factory=lambda: Label.of("tax"))
    sources: SourceTable = SourceTable(("odd", "even"), "ab" * 32)
    reads: int = 0
    pipeline: str = "tiny"

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(sorted(self.splits.items())).encode()).hexdigest()

    def verify(self) -> None:
        """Nothing can have changed it."""

    def source_numbers(self, split: str) -> npt.NDArray[np.uint16]:
        return np.arange(1, len(self.splits.get(split, [])) + 1, dtype=np.uint16) % 2

    def texts(self, split: str) -> Iterator[tuple[str, str]]:
        self.reads += 1
        yield from ((f"{split}-{index}", text) for index, text in enumerate(self.splits.get(split, [])))


def letters(count: int, first: int = 0) -> list[str]:
    """Short texts, all different, in a fixed order."""
    return [
        " ".join(WORDS[(number * 7 + position * position) % len(WORDS)] for position in range(12))
        + f"\n\nNo. {number}."
        for number in range(first, first + count)
    ]


def tiny_version(documents: int = 60) -> TinyVersion:
    return TinyVersion({"train": letters(documents), "validation": letters(8, 1000), "test": letters(4, 2000)})
