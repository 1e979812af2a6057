"""A random source whose results depend on the seed alone, not on the Python version.

Only `random.Random.random()` promises the same sequence in every version of Python; `choice`,
`sample` and `shuffle` do not, so everything here is built on that one method.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws for one document: ``Dice("tax", "letter", 123)`` always gives the same document."""

    def __init__(self, *seed: object) -> None:
        self._random = random.Random("/".join(map(str, seed)))

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return int(self._random.random() * n)

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], n: int) -> list[T]:
        """`n` different items (all of them when there are fewer), in random order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(min(n, len(left)))]

    def digits(self, n: int) -> str:
        return "".join(str(self.below(10)) for _ in range(n))
