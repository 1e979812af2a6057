"""What stands in a text as a unit: findings of the filter's detector, entities, noun phrases.

The recognizer runs once for both the detector and the entities, the parser afterwards on what it has read.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
class Reader(Detector):
    """Make one with `Reader.load`."""

    # `Detector` itself knows nothing of phrases: its code is part of the identity of filtered text.
    _parser: Any
    _seen: list[tuple[Places, Places]] = field(default_factory=list)

    @classmethod
    def load(cls) -> Reader:
        """Loads detector and parser.

        Raises:
            DetectorError: the spaCy model is missing or not the verified one.
        """
        detector = Detector.create()
        return cls(**vars(detector), _parser=models.load_parser(models.find_model()))

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """The units of each text; they depend on that text alone."""
        once = replace(self, _seen=[])
        findings = once.find(texts)
        seen = iter(once._seen)
        readings = []
        for text, found in zip(texts, findings, strict=True):
            entities: Places = []
            phrases: Places = []
            for start, _ in split(text, PIECE):
                for places, of_piece in zip((entities, phrases), next(seen), strict=True):
                    places += [(start + first, start + end) for first, end in of_piece]
            placeholders = [match.span() for match in TAG.finditer(text)]
            readings.append(Reading(placeholders, [(one.start, one.end) for one in found], entities, phrases))
        return readings

    def _documents(self, pieces: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """As those of the detector; the parser reads them, too."""
        nlp: Any = self._nlp
        with nlp.memory_zone():  # also for the parser's last batch
            read = nlp.pipe(((piece, piece) for piece in pieces), as_tuples=True, batch_size=_BATCH)
            for doc, piece in self._parser.pipe(read, as_tuples=True, batch_size=_BATCH):
                self._seen.append((_places(doc.ents), _places(doc.noun_chunks)))
                yield piece, doc


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
