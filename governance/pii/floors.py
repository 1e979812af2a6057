"""Whether the detectors are good enough for a domain: a measurement on labelled text against the policy's floors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from governance.config import StrictModel
from governance.pii.detect import fingerprint
from governance.pii.evaluate import PiiReport
from governance.pii.filter import entities_to_find, known_types
from governance.policy import PiiFloors, PiiRules


class Measured(StrictModel):
    """Of one type: labelled spans, and the share of them that was found."""

    gold: int
    recall: float


class Measurement(StrictModel):
    """Figures of one run over a labelled file; no text of it.

    Attributes:
        detector: fingerprint of the detectors that a domain's rules use.
        file_sha256: of the labelled file.
    """

    detector: str
    file_sha256: str
    documents: int
    span_recall: float
    char_precision: float
    types: dict[str, Measured]

    @classmethod
    def of(cls, report: PiiReport, file: Path, rules: PiiRules) -> Measurement:
        return cls(
            detector=detector_fingerprint(rules),
            file_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            documents=report.documents,
            span_recall=report.span_recall,
            char_precision=report.char_precision,
            types={
                name: Measured(gold=int(row["gold"]), recall=row["recall"])
                for name, row in report.types.items()
                if row["gold"]
            },
        )


def detector_fingerprint(rules: PiiRules) -> str:
    """Of the detectors that these rules use. Loads no model."""
    return fingerprint(entities_to_find(rules), registry=rules.registry)


def shortfalls(floors: PiiFloors, rules: PiiRules, measured: Measurement) -> Iterator[str]:
    """What a measurement lacks, as words for people; nothing when it passes.

    A type with a floor of its own must be labelled in the file; `default` holds for each other type that the rules
    filter and the file labels, and for one that no detector knows: it may be a misspelt one. A file that labels
    nothing that is filtered measures nothing.
    """
    filtered = entities_to_find(rules)
    unknown = set(measured.types) - known_types(rules)
    if not filtered & set(measured.types):
        yield "the file labels nothing that the domain filters"
    for entity in sorted(filtered | unknown):
        floor = floors.types.get(entity, floors.default)
        of_type = measured.types.get(entity)
        if of_type is None and entity in floors.types:
            yield f"{entity} is not labelled in the file"
        elif of_type is not None and entity in floors.types and of_type.gold < floors.min_spans:
            yield f"{entity} is labelled {of_type.gold} times in the file, less than min_spans ({floors.min_spans})"
        elif of_type is not None and of_type.recall < floor:
            yield f"{entity} {of_type.recall:.3f} below {floor:g}"
    for name in ("span_recall", "char_precision"):
        value, floor = getattr(measured, name), getattr(floors, name)
        if value < floor:
            yield f"{name} {value:.3f} below {floor:g}"
