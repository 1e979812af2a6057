"""Spans of text that are learned as a whole: entities and noun phrases.

Entities are the placeholders of filtered text, what the detector of personal data finds in it beyond them (kinds of
data that the domain keeps), and what the named-entity recognizer of the same spaCy model takes for a firm, a law, a
date, an amount. Noun phrases come from its parser.

Of two that overlap, a placeholder comes before a finding of the detector, that before an entity of the recognizer
alone, that before a noun phrase; of one kind the longer, then the earlier. What sticks out of the other stays a span
of its kind, without signs at its ends. Spans end with their line; a noun phrase has two to eight words. An
entity of one word that the recognizer alone finds ("annual", "first") is none, so that it parts no phrase: a word is
hidden as a whole anyway.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from governance.pii.phrases import Reader, Reading, reader_fingerprint
from pipelines.workers import Workers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Spans = list[tuple[int, int]]
"""Character offsets (start, end), in order, not overlapping."""

#: Words of a noun phrase. A long one would seldom fit into what is hidden.
_WORDS = range(2, 9)
_LINE = re.compile(r"[^\n]+")
_UNMASKED = re.compile(r"[^\n*]+")  # what was masked is no part of a phrase
_WORD = re.compile(r"\w+")  # "follow-up" has two: so it has for a tokenizer


def fingerprint() -> str:
    """Changes with whatever changes the spans; loads nothing.

    Raises:
        DetectorError: the spaCy model is missing or not the verified one.
    """
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return hashlib.sha256(f"{reader_fingerprint()} {code}".encode()).hexdigest()


def disjoint(text: str, reading: Reading) -> Spans:
    """The spans of a text, by the rule above."""
    entities = [(start, end) for start, end in reading.entities if _words(text, start, end) > 1]
    ranked = [reading.placeholders, reading.findings, entities, reading.phrases]
    ordered = sorted(
        (rank, start - end, start, end) for rank, spans in enumerate(ranked) for start, end in spans if start < end
    )
    found: Spans = []
    for number, start, end in _runs(len(text), [(start, end) for _, _, start, end in ordered]):
        rank, _, *whole = ordered[number]
        if rank == len(ranked) - 1:
            found += _phrases(text, start, end)
        elif [start, end] == whole and "\n" not in text[start:end]:
            found.append((start, end))
        else:
            found += _cut(_LINE, text, start, end)
    return found


def _runs(length: int, spans: Spans) -> Iterator[tuple[int, int, int]]:
    """(number, start, end) of what each span has for itself when the earlier ones take first, in order of place."""
    import numpy as np

    owner: npt.NDArray[np.int64] = np.full(length + 1, -1)  # the last one ends what goes up to the end
    for number, (start, end) in reversed(list(enumerate(spans))):
        owner[start:end] = number
    borders = np.flatnonzero(np.diff(owner, prepend=-1)).tolist()
    for start, end in itertools.pairwise(borders):
        if owner[start] >= 0:
            yield int(owner[start]), start, end


def _phrases(text: str, start: int, end: int) -> Spans:
    return [part for part in _cut(_UNMASKED, text, start, end) if _words(text, *part) in _WORDS]


def _words(text: str, start: int, end: int) -> int:
    return len(_WORD.findall(text, start, end))


def _cut(parts: re.Pattern[str], text: str, start: int, end: int) -> Spans:
    """The parts of a stretch of text, without signs at their ends."""
    trimmed = (_trimmed(text, *part.span()) for part in parts.finditer(text, start, end))
    return [(first, last) for first, last in trimmed if first < last]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return start, end


@dataclass
class SpanFinder:
    """Finds spans batch by batch; a context. What is found depends neither on batches nor on processes.

    Args:
        processes: more than one are started for what has more than one batch; each takes about 0.7 GB.
    """

    processes: int
    _reader: Reader | None = field(default=None, init=False)
    _workers: Workers | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._workers is not None:
            self._workers.close(at_once=kind is not None)

    def find(self, batches: Iterable[list[str]]) -> Iterator[tuple[list[str], list[Spans]]]:
        """Each batch of texts with their spans.

        Raises:
            DetectorError: the spaCy model is missing or not the verified one.
            DataError: a process died.
        """
        remaining = iter(batches)
        first = list(itertools.islice(remaining, 2))
        if self._workers is None and self.processes > 1 and len(first) > 1:
            self._workers = Workers(self.processes, "looks for entities and phrases", _start_worker)
        everything = itertools.chain(first, remaining)
        if self._workers is not None:
            yield from self._workers.in_order(_work, everything)
            return
        for batch in everything:
            self._reader = self._reader or Reader.load()
            yield batch, find_spans(batch, self._reader)


def find_spans(texts: Sequence[str], reader: Reader) -> list[Spans]:
    """The spans of each text."""
    return [disjoint(text, reading) for text, reading in zip(texts, reader.read(texts), strict=True)]


_worker: Reader | None = None


def _start_worker() -> None:
    global _worker
    _worker = Reader.load()


def _work(texts: list[str]) -> list[Spans]:
    if _worker is None:
        raise RuntimeError("the worker was not started by SpanFinder")
    return find_spans(texts, _worker)
