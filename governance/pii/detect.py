"""The detector: texts to findings, with Presidio's analyzer over spaCy's entities and our rules.

A text is cut into pieces of bounded size; what is found does not depend on which texts are analysed
together. Of two findings that overlap, one is kept whole: what has a fixed form before what the model
guesses (`entities.RANK`), then the longer one, then the one with the higher score, then the earlier one,
then by the type's name. What sticks out of the other one stays a finding of its own type.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DetectorError, did_you_mean
from governance.pii import models, recognizers
from governance.pii.entities import ALL_TYPES, NER_TYPES
from governance.pii.names import Lexicon, load_lexicon
from governance.pii.spans import Finding, cleaned, disjoint, propagated, with_neighbours
from governance.pii.splitting import split

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

#: Characters of one piece: spaCy's memory grows with it.
PIECE = 4_000
_BATCH = 32


@dataclass(frozen=True)
class Detector:
    """Finds the given entity types. Make one with `Detector.create`."""

    entities: frozenset[str]
    fingerprint: str
    _analyzer: AnalyzerEngine
    _nlp: Any | None
    _lexicon: Lexicon | None

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

        return cls(wanted, fingerprint(wanted, model), make_analyzer(nlp, wanted, lexicon), nlp, lexicon)

    def find(self, texts: Sequence[str], entities: Collection[str] | None = None) -> list[list[Finding]]:
        """Findings of each text, sorted by start, not overlapping; the same whatever the batch.

        Args:
            entities: look for these alone; others then take no part where findings overlap.
        """
        wanted = self.entities if entities is None else self.entities & set(entities)
        pieces = [(number, part) for number, text in enumerate(texts) for part in split(text, PIECE)]
        found: list[list[Finding]] = [[] for _ in texts]
        cut = (texts[number][start:end] for number, (start, end) in pieces)
        # What the model takes for a firm may turn out to be a person: all that it knows is looked at, then chosen from.
        searched = wanted | NER_TYPES if wanted & NER_TYPES else wanted
        for (number, (start, end)), results in zip(pieces, self._analyze(cut, sorted(searched)), strict=True):
            mended = cleaned(texts[number][start:end], results, self._lexicon)
            found[number] += [Finding(f.start + start, f.end + start, f.type, f.score) for f in mended]
        everything = (propagated(text, of_text, self._lexicon) for text, of_text in zip(texts, found, strict=True))
        placed = (with_neighbours(text, of_text) for text, of_text in zip(texts, everything, strict=True))
        return [
            disjoint(text, [f for f in of_text if f.type in wanted])
            for text, of_text in zip(texts, placed, strict=True)
        ]

    def _analyze(self, pieces: Iterable[str], entities: list[str]) -> Iterator[list[Finding]]:
        if not entities:
            yield from ([] for _ in pieces)
            return
        from governance.pii.presidio import artifacts

        for piece, doc in self._documents(pieces):
            results = self._analyzer.analyze(
                text=piece,
                language="en",
                entities=entities,
                nlp_artifacts=artifacts(self._analyzer, doc),
            )
            yield [Finding(r.start, r.end, r.entity_type, float(r.score)) for r in results]

    def _documents(self, pieces: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Runs the model over pieces in batches; without it, a tokenizer alone."""
        nlp: Any = self._nlp if self._nlp is not None else self._analyzer.nlp_engine.get_nlp("en")
        disabled = [] if self._nlp is not None else ["ner"]
        with nlp.select_pipes(disable=disabled), nlp.memory_zone():  # the zone: new words are forgotten afterwards
            for doc, piece in nlp.pipe(((piece, piece) for piece in pieces), as_tuples=True, batch_size=_BATCH):
                yield piece, doc


def known_entities() -> str:
    return f"known: {', '.join(sorted(ALL_TYPES & (NER_TYPES | recognizers.all_entities())))}"


@functools.cache
def fingerprint(entities: frozenset[str], model: str | None = None) -> str:
    """Changes when anything that changes findings changes. Reads the model's files, loads nothing."""
    parts: dict[str, Any] = {"entities": sorted(entities), "code": _own_code()}
    parts |= {name: metadata.version(name) for name in ("presidio-analyzer", "phonenumbers")}
    if entities & NER_TYPES:
        info = models.find_model(model)
        parts |= {"model": info.package, "version": info.version, "weights": models.verify(info)}
        parts |= {name: metadata.version(name) for name in ("spacy", "thinc", "faker")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _own_code() -> str:
    """Digest over the modules that decide what is found: no number that somebody forgets to raise."""
    total = hashlib.sha256()
    for name in ("detect", "entities", "names", "presidio", "recognizers", "spans", "splitting", "vocabulary"):
        total.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return total.hexdigest()
