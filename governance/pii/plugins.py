"""Recognizers of Presidio that a workspace brings along, run by Presidio's own `AnalyzerEngine`.

They are declared in the format of Presidio's recognizer registry, and behave as they do there: validation, context
words, score thresholds. Two things differ. Context words are compared with the words of the text as they stand,
without lemmas, unless a recognizer needs the model anyway. And a text in which no pattern can match is not analysed
at all, which changes nothing (`tests/governance/test_pii_plugins.py`). Presidio takes more than a second to
import, so only a domain with such recognizers does.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DetectorError
from governance.pii.own_code import own_class
from governance.pii.prefilter import Prefilter
from governance.pii.spans import Finding
from governance.pii.splitting import split
from governance.policy import RecognizerRegistry

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer

#: Characters that Presidio's language engine gets at once.
_LANGUAGE_PIECE = 100_000
_TYPE = re.compile(r"[A-Z][A-Z0-9_]{1,62}")
#: What Presidio's `regex` reads and `re` reads as something else: POSIX classes and fuzzy counts.
_OTHER_SYNTAX = re.compile(r"\[:|\{(?![\d,])|\\L<")


@dataclass(frozen=True)
class Plugins:
    """Recognizers of a workspace, loaded."""

    entities: frozenset[str]
    _engine: AnalyzerEngine
    _reads_language: bool
    _gates: tuple[Gate, ...]

    def find(self, text: str, entities: Collection[str]) -> Iterator[Finding]:
        """What they find of these types in a text; findings may overlap.

        They get the whole text, for context words stand before what they are about. Only where Presidio's language
        engine is needed, a text is cut beyond `_LANGUAGE_PIECE` characters: it holds 1 MB for each 1,000.
        """
        wanted = self.entities & set(entities)
        for start, end in split(text, _LANGUAGE_PIECE if self._reads_language else len(text) or 1):
            for one in self._find(text[start:end], wanted):
                yield replace(one, start=one.start + start, end=one.end + start)

    def _find(self, text: str, wanted: frozenset[str]) -> Iterator[Finding]:
        possible = {entity for gate in self._gates if gate.is_open(text, wanted) for entity in gate.entities & wanted}
        if possible:
            for result in self._engine.analyze(text, language="en", entities=sorted(possible)):
                if result.entity_type in possible and result.start < result.end:
                    yield Finding(result.start, result.end, result.entity_type, result.score)


@dataclass(frozen=True)
class Gate:
    """Whether a recognizer can find something in a text. One without patterns always may."""

    entities: frozenset[str]
    possible: Prefilter | None

    def is_open(self, text: str, wanted: frozenset[str]) -> bool:
        return bool(self.entities & wanted) and (self.possible is None or bool(self.possible(text)))


def plugins_of(registry: RecognizerRegistry | None) -> Plugins | None:
    """The recognizers of a registry; None if there are none. Made once a process.

    Raises:
        ConfigError: an entry is none of Presidio's, names a class that cannot be imported, or finds a type whose name
            is no name of a type.
    """
    return None if registry is None else _plugins(registry.model_dump_json(), registry.source)


def plugin_entities(registry: RecognizerRegistry | None) -> frozenset[str]:
    """The types that they find."""
    plugins = plugins_of(registry)
    return frozenset() if plugins is None else plugins.entities


def plugin_fingerprint(registry: RecognizerRegistry) -> dict[str, Any]:
    """What decides what they find: their declarations, the code of classes that are not Presidio's, and Presidio."""
    code = hashlib.sha256()
    for entry in registry.recognizers:
        if isinstance(entry, str) and ":" in entry:
            code.update(own_class(entry).digest.encode())
    versions = {name: metadata.version(name) for name in ("presidio-analyzer", "spacy", "regex")}
    return {"declared": registry.model_dump(mode="json"), "code": code.hexdigest(), "versions": versions}


@functools.lru_cache(maxsize=8)
def _plugins(declared: str, source: str) -> Plugins:
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer import RecognizerRegistry as Registry

    from governance.pii.presidio import language_engine, words_engine

    registry = RecognizerRegistry.model_validate_json(declared).model_copy(update={"source": source})
    recognizers = [one for place, _ in enumerate(registry.recognizers) for one in _recognizers(registry, place)]
    if not recognizers:
        raise ConfigError("no recognizer is enabled", where=registry.source, fix="leave `recognizers` out")
    entities = frozenset(entity for one in recognizers for entity in one.supported_entities)
    for entity in sorted(entities):
        if not _TYPE.fullmatch(entity):
            raise ConfigError(
                f'"{entity}" is no name of a type', where=registry.source, fix="use capitals, as in EMPLOYEE_ID"
            )
    gates = tuple(Gate(frozenset(one.supported_entities), _prefilter(one)) for one in recognizers)
    reads_language = not all(map(_reads_words_alone, recognizers))
    engine = AnalyzerEngine(
        registry=Registry(recognizers=recognizers, global_regex_flags=registry.global_regex_flags),
        nlp_engine=language_engine() if reads_language else words_engine(),
        default_score_threshold=registry.default_score_threshold,
    )
    logger = logging.getLogger("presidio-analyzer")
    logger.addHandler(_TIMEOUTS)
    logger.addFilter(_says_something)
    return Plugins(entities, engine, reads_language, gates)


def _says_something(record: logging.LogRecord) -> bool:
    """Presidio warns of each kind of word that spaCy knows and it has no type for, such as CARDINAL."""
    return "is not mapped to a Presidio entity" not in record.getMessage()


class _Timeouts(logging.Handler):
    """Presidio leaves a pattern out that takes too long, and only logs it: the text would count as searched."""

    def emit(self, record: logging.LogRecord) -> None:
        if "timed out" in record.getMessage():
            raise DetectorError(
                f"a recognizer gave up on a text: {record.getMessage()}", fix="simplify its pattern"
            ) from None


_TIMEOUTS = _Timeouts(logging.WARNING)


def _recognizers(registry: RecognizerRegistry, place: int) -> list[EntityRecognizer]:
    """Those of one entry; each is made alone, so that an error names it and none is left out silently."""
    from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider
    from presidio_analyzer.recognizer_registry.recognizers_loader_utils import PredefinedRecognizerNotFoundError

    entry = registry.recognizers[place]
    where = f"{registry.source}: recognizers.{place}"
    if isinstance(entry, str) and ":" in entry:
        return [_instance(entry, where)]
    declared = {"name": entry, "type": "predefined"} if isinstance(entry, str) else entry
    try:
        made = RecognizerRegistryProvider(
            registry_configuration={
                "supported_languages": ["en"],
                "global_regex_flags": registry.global_regex_flags,
                "recognizers": [declared],
            }
        ).create_recognizer_registry()
    except (ValueError, TypeError, KeyError, PredefinedRecognizerNotFoundError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()
        raise ConfigError(f"Presidio refuses this recognizer: {' '.join(reason)[:300]}", where=where) from None
    if not made.recognizers and declared.get("enabled", True):
        raise ConfigError("this recognizer is for another language than en", where=where)
    return list(made.recognizers)


def _instance(named: str, where: str) -> EntityRecognizer:
    """A recognizer of a class that somebody wrote in Python, made without arguments."""
    from presidio_analyzer import EntityRecognizer

    kind = own_class(named, where).found
    if not (isinstance(kind, type) and issubclass(kind, EntityRecognizer)):
        raise ConfigError(f"{named} is no EntityRecognizer of Presidio", where=where)
    try:
        made = kind()
    except (TypeError, ValueError, AttributeError, LookupError, OSError, RuntimeError) as error:
        raise ConfigError(f"{named} cannot be made without arguments: {error}", where=where) from None
    if made.supported_language != "en":
        raise ConfigError(f"{named} is for another language than en", where=where)
    return made


def _prefilter(recognizer: EntityRecognizer) -> Prefilter | None:
    """For a recognizer that finds what its patterns match, and whose patterns mean the same to `re`."""
    if not _is_patterns_alone(recognizer):
        return None
    flags = recognizer.global_regex_flags
    if any(_OTHER_SYNTAX.search(pattern.regex) for pattern in recognizer.patterns):
        return None
    try:
        return Prefilter([re.compile(pattern.regex, flags) for pattern in recognizer.patterns])
    except (re.error, ValueError):
        return None


def _is_patterns_alone(recognizer: EntityRecognizer) -> bool:
    from presidio_analyzer import PatternRecognizer

    return type(recognizer).analyze is PatternRecognizer.analyze


def _reads_words_alone(recognizer: EntityRecognizer) -> bool:
    """Whether it needs no more than the words of a text: no parts of speech, lemmas or named entities."""
    from presidio_analyzer.predefined_recognizers import IbanRecognizer, PhoneRecognizer

    return _is_patterns_alone(recognizer) or type(recognizer) in (IbanRecognizer, PhoneRecognizer)
