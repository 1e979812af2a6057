"""The filter: replaces what the detector finds, as the domain's rules say.

    redact        <US_SSN>                 only the type stays
    mask          ***-**-****              letters and digits become stars
    pseudonymize  <PERSON_3fa2b1c4>        the same for the same person, in all documents and builds
    surrogate     Novakbrelion Tamichoust  a value of the same type instead (`surrogates`), as consistent
    keep                                   the text stays
    {operator: hash}                       what an operator of Presidio's anonymizer gives (`operators`)

Pseudonyms are HMAC-SHA256 over the value's canonical form (`canonical`) with a key of the domain (RFC 2104): stable
inside it, unlinkable outside, and nobody without the key can test a guess. A part of a name has the tag of the full
name where the text has one person of that name (`mentions`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import metadata

from governance.errors import ConfigError, DetectorError, did_you_mean
from governance.pii import models
from governance.pii.detect import Detector, code_digest, fingerprint, known_entities
from governance.pii.entities import ALL_TYPES, NER_TYPES
from governance.pii.mentions import with_full_names
from governance.pii.operators import check_operator, operator_fingerprint, replacer
from governance.pii.plugins import plugin_entities
from governance.pii.pseudonyms import pseudonym
from governance.pii.spans import Finding
from governance.pii.surrogates import surrogate
from governance.policy import PiiFloors, PiiRules, PresidioOperator

#: Modules that decide what stands for a finding, beside those that decide what is found.
_CODE = ("bitcoin", "canonical", "filter", "mentions", "pseudonyms", "surrogates")


@dataclass(frozen=True)
class Filtered:
    """A filtered text, and what was replaced: offsets in the original text."""

    text: str
    findings: tuple[Finding, ...]


class PiiFilter:
    """Applies a domain's rules.

    Args:
        rules: what to do with each type.
        detector: must find every type that is not kept (`entities_to_find`).
        key: of the domain's pseudonyms, 32 bytes.

    Raises:
        ConfigError: an operator of Presidio is wrong (`check_rules` says so before any work).
        DetectorError: the detector does not look for a type that the rules filter.
    """

    def __init__(self, rules: PiiRules, detector: Detector, key: bytes) -> None:
        self._wanted = entities_to_find(rules)
        missing = sorted(self._wanted - detector.entities)
        if missing:
            raise DetectorError(f"the detector does not look for {', '.join(missing)}")
        self._rules = rules
        self._detector = detector
        self._key = key
        self._own: dict[str, Callable[[str], str]] = {
            entity: replacer(operator, entity, key) for entity, operator in _of_presidio(rules)
        }
        self.fingerprint = filter_fingerprint(rules, key)

    def __call__(self, texts: Sequence[str]) -> list[Filtered]:
        return [
            Filtered(self.replace(text, findings), findings)
            for text, findings in zip(texts, self.find(texts), strict=True)
        ]

    def find(self, texts: Sequence[str], *, forms_only: bool = False) -> list[tuple[Finding, ...]]:
        """What the rules replace in each text, in order, not overlapping.

        Args:
            forms_only: leave out what only the model finds, such as names: for texts that are no language.
        """
        # A kept type takes no part: it must not shield a name that lies inside of it.
        wanted = self._wanted - NER_TYPES if forms_only else self._wanted
        found = zip(texts, self._detector.find(texts, wanted), strict=True)
        return [tuple(with_full_names(text, findings)) for text, findings in found]

    def replace(self, text: str, findings: Sequence[Finding]) -> str:
        """The text with the findings replaced as the rules say; where that leaves nothing of it, by their types."""
        replaced = self._spliced(text, findings, self.replacement)
        return replaced if replaced.strip() else self._spliced(text, findings, lambda finding, _: f"<{finding.type}>")

    def _spliced(self, text: str, findings: Sequence[Finding], replacement: Callable[[Finding, str], str]) -> str:
        parts: list[str] = []
        position = 0
        for finding in findings:
            parts += [text[position : finding.start], replacement(finding, text)]
            position = finding.end
        return "".join([*parts, text[position:]])

    def replacement(self, finding: Finding, text: str) -> str:
        """What stands for a finding of this text."""
        entity, value = finding.type, text[finding.start : finding.end]
        if entity in self._own:
            return self._own[entity](value)
        operator = self._rules.operator_for(entity)
        if operator == "mask":
            return re.sub(r"[^\W_]", "*", value)
        if operator == "pseudonymize":
            return f"<{entity}_{pseudonym(self._key, entity, finding.full_name or value)}>"
        if operator == "surrogate":
            return surrogate(self._key, entity, value) or f"<{entity}_{pseudonym(self._key, entity, value)}>"
        return f"<{entity}>"


def entities_to_find(rules: PiiRules) -> frozenset[str]:
    """The types that are not kept; a kept one need not be searched for."""
    return frozenset(entity for entity in known_types(rules) if rules.operator_for(entity) != "keep")


def known_types(rules: PiiRules) -> frozenset[str]:
    """The types that can be found: the built-in ones and those of the workspace's own recognizers."""
    return ALL_TYPES | plugin_entities(rules.registry)


def detector_for(rules: PiiRules, entities: Collection[str] | None = None) -> Detector:
    """The detector of a domain.

    Args:
        entities: all that the rules do not keep, if None.
    """
    wanted = entities_to_find(rules) if entities is None else entities
    return Detector.create(entities=wanted, registry=rules.registry)


def filter_fingerprint(rules: PiiRules, key: bytes) -> str:
    """Identifies everything that decides what a filter does to a text; cheap, loads no model."""
    parts = [
        fingerprint(entities_to_find(rules), registry=rules.registry),
        json.dumps({entity: str(rules.operator_for(entity)) for entity in sorted(known_types(rules))}),
        hashlib.sha256(b"key id\0" + key).hexdigest(),
        code_digest(_CODE),
    ]
    if any(rules.operator_for(entity) == "surrogate" for entity in known_types(rules)):
        parts.append(metadata.version("faker"))
    for entity, operator in _of_presidio(rules):
        parts += [entity, *operator_fingerprint(operator)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _of_presidio(rules: PiiRules) -> list[tuple[str, PresidioOperator]]:
    """The types that an operator of Presidio's replaces, sorted."""
    ruled = [(entity, rules.operator_for(entity)) for entity in sorted(known_types(rules))]
    return [(entity, operator) for entity, operator in ruled if isinstance(operator, PresidioOperator)]


def check_rules(rules: PiiRules, *, where: str, floors: PiiFloors | None = None) -> None:
    """Checks, before any data is read, that everything the rules and floors name can be found.

    Raises:
        ConfigError: a rule or floor names a type that no active detector finds, or a floor one that is kept; an
            operator of Presidio is missing, refuses its parameters or does not always do the same.
        DetectorError: the spaCy model that the rules need is missing or not the verified one.
    """
    known = known_types(rules)
    for entity in rules.rules:
        if entity not in known:
            hint = did_you_mean(entity, known)
            raise ConfigError(
                f"no active detector finds {entity}{hint}", where=f"{where}.{entity}", fix=known_entities(known)
            )
    for entity, operator in _of_presidio(rules):
        check_operator(operator, entity, where=f"{where}.{entity if entity in rules.rules else 'default'}")
    for entity in floors.types if floors is not None else ():
        if entity not in entities_to_find(rules):
            problem = "is kept, so it needs no floor" if entity in known else "is found by no active detector"
            raise ConfigError(f"{entity} {problem}", where=f"{where}_floors.{entity}", fix=known_entities(known))
    if entities_to_find(rules) & NER_TYPES:
        models.verify(models.find_model())
