"""One rule: a pattern, what it finds, and what has the last word on a match."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rule:
    """A pattern for one entity type. `trim` shortens a match to the part that is valid, or refuses it."""

    entity: str
    pattern: re.Pattern[str]
    score: float = 0.9
    trim: Callable[[str], int] = field(default=len)


def rule(entity: str, pattern: str, trim: Callable[[str], int] = len, *, flags: int = 0, score: float = 0.9) -> Rule:
    return Rule(entity, re.compile(pattern, flags), score, trim)
