"""What stands in a text as a unit: findings of the filter's detector, entities, noun phrases.

The parser reads what the recognizer has read.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.pii import detect, models
from governance.pii.detect import PIECE, Detector
from governance.pii.entities import ALL_TYPES
from governance.pii.spans import TAG
from governance.pii.splitting import split

_BATCH = 32

Places = list[tuple[int, int]]
"""Character offsets (start, end), in order."""


@dataclass(frozen=True)
class Reading:
    """Units of one text. Those of one kind do not overlap.

    Attributes:
        placeholders: what a filter has written.
        findings: of the detector, of all types.
        entities: of the named-entity recognizer, of all types.
        phrases: noun phrases without what hangs on to them ("the tax return", not "of the spouse" after it).
    """

    placeholders: Places
    findings: Places
    entities: Places
    phrases: Places


@dataclass(frozen=True)
class Reader:
    """Make one with `Reader.load`."""

    _detector: Detector
    _recognizer: Any
    _parser: Any

    @classmethod
    def load(cls) -> Reader:
        """Loads detector, recognizer and parser.

        Raises:
            DetectorError: the spaCy model is missing or not the verified one.
        """
        info = models.find_model()
        recognizer, _ = models.load(info)
        return cls(Detector.create(), recognizer, models.load_parser(info))

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """The units of each text; they depend on that text alone."""
        seen = self._seen([text[start:end] for text in texts for start, end in split(text, PIECE)])
        readings = []
        for text, found in zip(texts, self._detector.find(texts), strict=True):
            entities: Places = []
            phrases: Places = []
            for start, _ in split(text, PIECE):
                for places, of_piece in zip((entities, phrases), next(seen), strict=True):
                    places += [(start + first, start + end) for first, end in of_piece]
            placeholders = [match.span() for match in TAG.finditer(text)]
            readings.append(Reading(placeholders, [(one.start, one.end) for one in found], entities, phrases))
        return readings

    def _seen(self, pieces: Sequence[str]) -> Iterator[tuple[Places, Places]]:
        """Entities and noun phrases of each piece."""
        results = []
        with self._recognizer.memory_zone():  # also for the parser's last batch
            for doc in self._parser.pipe(self._recognizer.pipe(pieces, batch_size=_BATCH), batch_size=_BATCH):
                results.append((_places(doc.ents), _places(doc.noun_chunks)))
        return iter(results)


def _places(parts: Iterable[Any]) -> Places:
    return [(part.start_char, part.end_char) for part in parts]


@functools.cache
def reader_fingerprint() -> str:
    """Changes when anything that changes a reading changes; loads nothing.

    Raises:
        DetectorError: the spaCy model is missing or not the verified one.
    """
    parts = detect.fingerprint(ALL_TYPES), models.verify(models.find_model(), models.PARSER)
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return hashlib.sha256("\0".join((*parts, code)).encode()).hexdigest()
