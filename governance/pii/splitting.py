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
_CUTS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?;]['\")\]]*\s+(?=\S)"), re.compile(r"\s+"))


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
        found = None
        for found in pattern.finditer(text, start + limit // 2, start + limit):
            pass
        if found is not None:
            return found.end()
    return start + limit


def windows(text: str, limit: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """Yields (from, start, end, to): pieces as `split`, each with up to `margin` characters around it.

    A pattern runs over text[from:to]; what begins in [start, end) belongs to the piece. So a match of at
    most `margin` characters is found whole wherever the cuts are.
    """
    for start, end in split(text, limit):
        yield max(0, start - margin), start, end, min(len(text), end + margin)
