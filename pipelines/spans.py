"""Spans of entities in text: what a named-entity recognizer takes for a firm, a law, a date, an amount.

The recognizer is that of the spaCy model which the filter of personal data has verified; here all of its types
count. It has no parser, so other noun phrases are not among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from governance.pii import models
from governance.pii.splitting import split

#: As in `governance.pii.detect`: bounds spaCy's memory.
_PIECE = 4_000
_BATCH = 32

Spans = list[tuple[int, int]]
"""Character offsets (start, end), in order, not overlapping."""


def fingerprint() -> str:
    """Changes with whatever changes the spans; loads nothing.

    Raises:
        DetectorError: the spaCy model is missing or not the verified one.
    """
    weights = models.verify(models.find_model())
    return hashlib.sha256(f"1 {metadata.version('spacy')} {weights}".encode()).hexdigest()


@dataclass(frozen=True)
class EntityFinder:
    """Make one with `EntityFinder.create`."""

    _nlp: Any

    @classmethod
    def create(cls) -> EntityFinder:
        """Loads the model; raises as `fingerprint` does."""
        return cls(models.load(models.find_model())[0])

    def find(self, texts: Sequence[str]) -> list[Spans]:
        """The spans of each text; they depend on that text alone."""
        pieces = [(number, start, end) for number, text in enumerate(texts) for start, end in split(text, _PIECE)]
        found: list[Spans] = [[] for _ in texts]
        cut = ((texts[number][start:end], (number, start)) for number, start, end in pieces)
        with self._nlp.memory_zone():  # new words are forgotten afterwards
            for doc, (number, start) in self._nlp.pipe(cut, as_tuples=True, batch_size=_BATCH):
                found[number] += [(start + entity.start_char, start + entity.end_char) for entity in doc.ents]
        return found
