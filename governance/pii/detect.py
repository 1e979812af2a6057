"""The detector: texts to findings, by rules, word lists and spaCy's named-entity recognizer.

A text is cut into pieces of bounded size; what is found does not depend on which texts are analysed
together. Rules are run where they can match (`prefilter`), the model where a name can be (`windows`).
Of two findings that overlap, one is kept whole: what has a fixed form before what the model
guesses (`entities.RANK`), then the longer one, then the one with the higher score, then the earlier one,
then by the type's name. What sticks out of the other one stays a finding of its own type.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DetectorError, did_you_mean
from governance.pii import models, recognizers
from governance.pii.blocks import address_blocks
from governance.pii.entities import ALL_TYPES, NER_TYPES
from governance.pii.jobs import jobs
from governance.pii.lexicon import Lexicon, load_lexicon
from governance.pii.lists import listed_names
from governance.pii.names import find_names
from governance.pii.neighbours import with_neighbours
from governance.pii.plugins import Plugins, plugin_fingerprint, plugins_of
from governance.pii.spans import Finding, cleaned, disjoint, propagated, tags_of
from governance.pii.splitting import split
from governance.pii.tables import tables
from governance.policy import RecognizerRegistry

if TYPE_CHECKING:
    from governance.pii.ner import EntityRecognizer
    from governance.pii.windows import NameWindows

#: Characters of one piece: spaCy's memory grows with it.
PIECE = 4_000

#: spaCy's labels that stand for a type, and the score of what the model finds.
_LABELS = {
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
    "NORP": "NRP",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
}
_MODEL_SCORE = 0.85
_BLOCK_SCORE = 0.8

#: Modules that decide what is found.
_CODE = (
    "addresses",
    "births",
    "blocks",
    "convolutions",
    "cues",
    "detect",
    "entities",
    "jobs",
    "kinds",
    "lexicon",
    "lists",
    "names",
    "neighbours",
    "ner",
    "peoples",
    "phones",
    "places",
    "plugins",
    "predefined",
    "prefilter",
    "presidio",
    "recognizers",
    "rule",
    "spans",
    "splitting",
    "tables",
    "validators",
    "vocabulary",
    "windows",
)


@dataclass(frozen=True)
class Names:
    """What finds names: the model, where it has to look, and the word lists."""

    recognizer: EntityRecognizer
    windows: NameWindows
    lexicon: Lexicon


@dataclass(frozen=True)
class Detector:
    """Finds the given entity types. Make one with `Detector.create`."""

    entities: frozenset[str]
    fingerprint: str
    _names: Names | None
    _plugins: Plugins | None = None

    @classmethod
    def create(
        cls,
        *,
        entities: Collection[str] | None = None,
        model: str | None = None,
        registry: RecognizerRegistry | None = None,
    ) -> Detector:
        """Loads what is needed to find `entities` (all types if None).

        Args:
            registry: recognizers of Presidio that look for these types as well.

        Raises:
            ConfigError: a recognizer of the registry is wrong.
            DetectorError: a type that nobody finds, or the spaCy model is missing or not the verified one.
        """
        plugins = plugins_of(registry)
        known = ALL_TYPES if plugins is None else ALL_TYPES | plugins.entities
        wanted = known if entities is None else frozenset(entities)
        for entity in sorted(wanted - known):
            raise DetectorError(
                f"no active detector finds {entity}{did_you_mean(entity, known)}", fix=known_entities(known)
            )
        names = _load_names(models.find_model(model)) if wanted & NER_TYPES else None
        return cls(wanted, fingerprint(wanted, model, registry), names, plugins)

    def find(self, texts: Sequence[str], entities: Collection[str] | None = None) -> list[list[Finding]]:
        """Findings of each text, sorted by start, not overlapping; the same whatever the batch.

        Args:
            entities: look for these alone; others then take no part where findings overlap.
        """
        wanted = self.entities if entities is None else self.entities & set(entities)
        pieces = [(number, part) for number, text in enumerate(texts) for part in split(text, PIECE)]
        found: list[list[Finding]] = [[] for _ in texts]
        if not pieces:  # the rules for these types need not be made
            return found
        cut = [texts[number][start:end] for number, (start, end) in pieces]
        lexicon = self._names.lexicon if self._names is not None else None
        # What the model takes for a firm may turn out to be a person: all that it knows is looked at, then chosen from.
        searched = wanted | NER_TYPES if wanted & NER_TYPES else wanted
        for (number, (start, end)), results in zip(pieces, self._analyze(cut, frozenset(searched)), strict=True):
            piece = texts[number][start:end]
            mended = cleaned(piece, results, lexicon)
            found[number] += [Finding(f.start + start, f.end + start, f.type, f.score) for f in mended]
        people: list[list[tuple[int, int]]] = [[] if lexicon is None else [*listed_names(t, lexicon)] for t in texts]
        for listed, of_text in zip(people, found, strict=True):  # "Amy, Ines and Donald" is taken for a firm
            of_text[:] = [one for one in of_text if one.type != "ORGANIZATION" or not _holds(one, listed)]
        if self._plugins is not None:  # what somebody else's recognizer says is not second-guessed
            for text, of_text in zip(texts, found, strict=True):
                of_text += self._plugins.find(text, wanted)
        everything = (propagated(text, of_text, lexicon) for text, of_text in zip(texts, found, strict=True))
        placed = (self._placed(*of_text) for of_text in zip(texts, everything, people, strict=True))
        return [
            disjoint(text, [f for f in of_text if f.type in wanted], self._tags)
            for text, of_text in zip(texts, placed, strict=True)
        ]

    def _placed(self, text: str, findings: list[Finding], listed: Sequence[tuple[int, int]]) -> list[Finding]:
        """The findings, and what their places say of what stands beside and below them.

        Args:
            listed: (start, end) of names in lists.
        """
        findings = with_neighbours(text, findings)
        if self._names is None:
            return findings
        streets = ((one.start, one.end) for one in findings if one.type == "STREET_ADDRESS")
        pieces = list(address_blocks(text, streets, self._names.lexicon))
        pieces += tables(text, self._names.lexicon)
        pieces += [("PERSON", start, end) for start, end in listed]
        findings += [Finding(start, end, entity, _BLOCK_SCORE) for entity, start, end in pieces]
        people = [(one.start, one.end) for one in findings if one.type == "PERSON"]
        return findings + [Finding(start, end, entity, _BLOCK_SCORE) for entity, start, end in jobs(text, people)]

    @property
    def known(self) -> frozenset[str]:
        """Every type that could be found, asked for or not."""
        return ALL_TYPES if self._plugins is None else ALL_TYPES | self._plugins.entities

    @property
    def _tags(self) -> re.Pattern[str]:
        return tags_of(self.known)

    def _analyze(self, pieces: Sequence[str], entities: frozenset[str]) -> Iterator[list[Finding]]:
        """What rules, word lists and the model find in each piece, of these types; it may overlap."""
        rules = recognizers.rule_set(entities)
        named = self._named(pieces, entities) if entities & NER_TYPES else [[] for _ in pieces]
        for piece, of_piece in zip(pieces, named, strict=True):
            by_rules = [Finding(start, end, entity, score) for entity, start, end, score in rules(piece)]
            yield by_rules + of_piece

    def _named(self, pieces: Sequence[str], entities: frozenset[str]) -> Iterator[list[Finding]]:
        """What word lists and the model find in each piece. The model reads equal windows once."""
        if self._names is None:
            raise DetectorError(f"the detector does not look for {', '.join(sorted(entities & NER_TYPES))}")
        windows = [[(start, piece[start:end]) for start, end in self._names.windows(piece)] for piece in pieces]
        texts = list(dict.fromkeys(window for of_piece in windows for _, window in of_piece))
        read = dict(zip(texts, self._names.recognizer(texts), strict=True))
        for piece, of_piece in zip(pieces, windows, strict=True):
            found = [
                Finding(start + entity.start, start + entity.end, _LABELS[entity.label], _MODEL_SCORE)
                for start, window in of_piece
                for entity in read[window]
                if entity.label in _LABELS
            ]
            by_lists = find_names(piece, self._names.lexicon)
            found += [Finding(start, end, entity, score) for entity, start, end, score in by_lists]
            yield [finding for finding in found if finding.type in entities]


def _holds(finding: Finding, places: Sequence[tuple[int, int]]) -> bool:
    return any(finding.start <= start and end <= finding.end for start, end in places)


@functools.lru_cache(maxsize=2)
def _load_names(info: models.ModelInfo) -> Names:
    """Loaded once a process."""
    from governance.pii.ner import EntityRecognizer
    from governance.pii.windows import NameWindows, load_common, load_irregular

    nlp, _ = models.load(info)
    lexicon = load_lexicon(info.path)
    windows = NameWindows(lexicon, load_common(info.path), load_irregular(info.path))
    return Names(EntityRecognizer(nlp), windows, lexicon)


def known_entities(known: Collection[str] = ALL_TYPES) -> str:
    return f"known: {', '.join(sorted(known))}"


def fingerprint(entities: frozenset[str], model: str | None = None, registry: RecognizerRegistry | None = None) -> str:
    """Changes when anything that changes findings changes. Reads the model's files, loads no model."""
    own = _fingerprint(entities, model)
    if registry is None:
        return own
    return hashlib.sha256(json.dumps([own, plugin_fingerprint(registry)], sort_keys=True).encode()).hexdigest()


@functools.cache
def _fingerprint(entities: frozenset[str], model: str | None) -> str:
    parts: dict[str, Any] = {"entities": sorted(entities), "code": code_digest(_CODE)}
    parts |= {name: metadata.version(name) for name in ("phonenumbers", "presidio-analyzer")}
    if entities & NER_TYPES:
        info = models.find_model(model)
        parts |= {"model": info.package, "version": info.version, "weights": models.verify(info)}
        parts |= {name: metadata.version(name) for name in ("spacy", "thinc", "faker")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def code_digest(modules: Iterable[str]) -> str:
    """Digest over modules of this package: no number that somebody forgets to raise."""
    total = hashlib.sha256()
    for name in modules:
        total.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return total.hexdigest()
