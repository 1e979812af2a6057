"""Cuts long texts into pieces of bounded size, at places where nothing is torn apart.

spaCy holds about 1 MB of arrays per 1,000 characters while it works, and refuses texts over a million
characters, so it gets pieces. A cut goes to the end of a paragraph, else of a line, of a sentence, of a
word; only a run of characters without any of these is cut in the middle. The cuts depend on the text
alone, so that findings do not depend on what else is in a batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Where to cut, best first. A cut comes after the match.
_CUTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\n\s*\n",
        r"\n",
        r"[^\W\d_]{2}[.!?;]['\")\]]*\s+(?=[^\W\d_])",
        r"[^\W\d_]\s+(?=[^\W\d_])",  # not between the groups of a number
        r"\s+",
        r"[,;|\t]",
    )
)


def split(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Yields (start, end) of pieces of at most `limit` characters that together are the whole text."""
    start = 0
    while len(text) - start > limit:
        end = _cut(text, start, limit)
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)


def _cut(text: str, start: int, limit: int) -> int:
    """End of the piece that begins at `start`: the last good place in its second half."""
    for pattern in _CUTS:
        ends = [match.end() for match in pattern.finditer(text, start + limit // 2, start + limit)]
        if ends:
            return ends[-1]
    return start + limit
