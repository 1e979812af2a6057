"""The detector: texts to findings, with Presidio's analyzer over spaCy's entities and our rules.

A text is cut into pieces of bounded size; what is found does not depend on which texts are analysed
together. Of two findings that overlap, one is kept: what has a fixed form before what the model
guesses, then the longer one, then the one with the higher score, then the earlier one.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from governance.errors import DetectorError, did_you_mean
from governance.pii import models, recognizers, vocabulary
from governance.pii.entities import ALL_TYPES, NER_TYPES, RANK
from governance.pii.names import load_lexicon
from governance.pii.splitting import split

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

#: Characters of one piece: spaCy's memory grows with it.
PIECE = 4_000
_BATCH = 32

#: What a filter has written earlier: <PERSON_3fa2b1c4>, <US_SSN>.
TAG = re.compile(r"<[A-Z][A-Z_]*(?:_[0-9a-f]{8})?>")


@dataclass(frozen=True)
class Finding:
    """Personal data in a text: character offsets, end exclusive, Presidio's entity name."""

    start: int
    end: int
    type: str
    score: float


@dataclass(frozen=True)
class Detector:
    """Finds the given entity types. Make one with `Detector.create`."""

    entities: frozenset[str]
    fingerprint: str
    _analyzer: AnalyzerEngine
    _nlp: Any | None

    @classmethod
    def create(cls, *, entities: Collection[str] | None = None, model: str | None = None) -> Detector:
        """Loads what is needed to find `entities` (all types if None).

        Raises:
            DetectorError: a type that nobody finds, or the spaCy model is missing or not the verified one.
        """
        wanted = ALL_TYPES if entities is None else frozenset(entities)
        for entity in sorted(wanted - ALL_TYPES):
            raise DetectorError(
                f"no active detector finds {entity}{did_you_mean(entity, ALL_TYPES)}", fix=known_entities()
            )
        nlp = lexicon = None
        if wanted & NER_TYPES:
            info = models.find_model(model)
            nlp, _ = models.load(info)
            lexicon = load_lexicon(info.path)
        from governance.pii.presidio import make_analyzer

        return cls(wanted, fingerprint(wanted, model), make_analyzer(nlp, wanted, lexicon), nlp)

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Findings of each text, sorted by start, not overlapping; the same whatever the batch."""
        pieces = [(number, start, text[start:end]) for number, text in enumerate(texts) for start, end in split(text, PIECE)]
        found: list[list[Finding]] = [[] for _ in texts]
        for (number, offset, piece), results in zip(pieces, self._analyze(p for _, _, p in pieces), strict=True):
            found[number] += [
                Finding(f.start + offset, f.end + offset, f.type, f.score) for f in _cleaned(piece, results)
            ]
        return [_resolved(text, _propagated(text, of_text)) for text, of_text in zip(texts, found, strict=True)]

    def _analyze(self, pieces: Iterable[str]) -> Iterator[list[Finding]]:
        from governance.pii.presidio import artifacts

        for piece, doc in self._documents(pieces):
            results = self._analyzer.analyze(
                text=piece,
                language="en",
                entities=sorted(self.entities),
                nlp_artifacts=artifacts(self._analyzer, doc),
            )
            yield [Finding(r.start, r.end, r.entity_type, float(r.score)) for r in results]

    def _documents(self, pieces: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Runs the model over pieces in batches; without it, a tokenizer alone."""
        nlp = self._nlp if self._nlp is not None else self._analyzer.nlp_engine.nlp["en"]
        disabled = [] if self._nlp is not None else ["ner"]
        with nlp.select_pipes(disable=disabled):
            for doc, piece in nlp.pipe(((piece, piece) for piece in pieces), as_tuples=True, batch_size=_BATCH):
                yield piece, doc


def known_entities() -> str:
    return f"known: {', '.join(sorted(ALL_TYPES & (NER_TYPES | recognizers.all_entities())))}"


@functools.cache
def fingerprint(entities: frozenset[str], model: str | None = None) -> str:
    """Changes when anything that changes findings changes. Reads the model's files, loads nothing."""
    parts: dict[str, Any] = {"entities": sorted(entities), "rules": recognizers.VERSION, "piece": PIECE}
    if entities & NER_TYPES:
        info = models.find_model(model)
        parts |= {"model": info.package, "version": info.version, "weights": models.verify(info)}
        parts |= {name: metadata.version(name) for name in ("spacy", "presidio-analyzer", "thinc", "faker")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _cleaned(text: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Mends what a small model gets wrong at the edges: line breaks, titles, possessives, bare words."""
    for finding in findings:
        if finding.type not in NER_TYPES:
            yield finding
            continue
        for start, end in _lines(text, finding.start, finding.end):
            start, end = _trimmed(text, start, end)
            if end > start and _is_plausible(finding.type, text[start:end]):
                yield Finding(start, end, finding.type, finding.score)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in re.finditer(r"[^\n]+", text[start:end]):
        yield start + match.start(), start + match.end()


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    match = re.match(r"[\W_]*(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof|Dear|Hello|Hi)\b\.?\s*)*", text[start:end])
    start += match.end() if match else 0
    while end > start and not (text[end - 1].isalnum() or text[end - 1] == ")"):
        end -= 1
    if text[start:end].endswith(("'s", "\u2019s")):
        end -= 2
    return start, end


_DATE_SHAPE = re.compile(vocabulary.DATE_SHAPE, re.IGNORECASE)


def _is_plausible(entity: str, value: str) -> bool:
    if entity == "DATE_TIME":  # "the taxable year" and "30 days" say nothing about anybody
        return _DATE_SHAPE.search(value) is not None
    words = [word.strip(".,'") for word in value.split()]
    letters = sum(character.isalpha() for character in value)
    if letters < 2 or sum(character.isdigit() for character in value) > letters:  # "08/18/2019", "Q-28809"
        return False
    if all(word.casefold() in vocabulary.NO_ENTITY for word in words):
        return False
    if entity != "PERSON":
        return True
    if any(character.isdigit() for character in value):
        return False
    return not all(word.casefold() in vocabulary.NOT_NAMES for word in words)


def _propagated(text: str, findings: list[Finding]) -> list[Finding]:
    """A full name that was found once is found wherever it or one of its parts stands in that text."""
    extra: list[Finding] = []
    names = {text[f.start : f.end] for f in findings if f.type == "PERSON"}
    parts = {name for name in names if len(name) > 2}
    for name in names:
        words = [word.strip(".,") for word in name.split()]
        if len(words) > 1:
            parts.update(w for w in words if len(w) > 2 and w[0].isupper() and w.casefold() not in vocabulary.NOT_NAMES)
    if not parts:
        return findings
    pattern = "|".join(re.escape(part) for part in sorted(parts, key=lambda part: (-len(part), part)))
    for match in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", text):
        extra.append(Finding(match.start(), match.end(), "PERSON", 0.5))
    return findings + extra


def _resolved(text: str, findings: list[Finding]) -> list[Finding]:
    """Keeps one of those that overlap, and nothing inside a tag of an earlier filtering."""
    taken = [match.span() for match in TAG.finditer(text)]
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (RANK[f.type], f.start - f.end, -f.score, f.start, f.type)):
        if all(finding.end <= start or end <= finding.start for start, end in taken):
            kept.append(finding)
            taken.append((finding.start, finding.end))
    return sorted(kept, key=lambda f: f.start)
