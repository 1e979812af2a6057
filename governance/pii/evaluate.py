"""How well the detector does on a labelled file, by type.

A labelled file is JSON lines with {"text", "spans": [{"start", "end", "type"}]}. A span counts as
found when at least half of its characters are covered by findings: of any type for the totals, of
its own type in the table by type. A finding is right when at least half of it lies in such spans. A
file that labels no date anywhere cannot say which dates are right: findings of a type that stands
nowhere in the file take no part in the precision of characters. A span of a type that no detector
knows is missed, in the totals too, and the report names the type: it may be a misspelt one.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import DataError
from governance.pii.detect import Detector
from governance.pii.spans import Finding
from governance.wording import in_words

_BATCH = 200

#: What other labelled sets call our types.
ALIASES = {
    "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION", "CITY": "LOCATION", "COUNTRY": "LOCATION",
    "ORG": "ORGANIZATION", "PER": "PERSON", "NORP": "NRP", "DATE": "DATE_TIME", "TIME": "DATE_TIME",
    "DOMAIN_NAME": "URL", "ADDRESS": "STREET_ADDRESS", "PREFIX": "TITLE", "JOB": "TITLE",
    "JOB_TITLE": "TITLE", "JOBTITLE": "TITLE", "OCCUPATION": "TITLE", "IBAN": "IBAN_CODE",
}  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    text: str
    spans: tuple[Finding, ...]


@dataclass(frozen=True)
class PiiReport:
    """Figures of one evaluation.

    Attributes:
        types: of each type gold, found, recall and precision.
        unknown_types: labelled types that no detector knows, sorted.
    """

    types: dict[str, dict[str, float]]
    span_recall: float
    char_recall: float
    char_precision: float
    documents_per_second: float
    documents: int
    unknown_types: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def read_labelled(path: Path) -> list[Labelled]:
    """Reads a labelled file.

    Raises:
        DataError: with file and row.
    """
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(_row(line, f"{path}:{number}"))
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise DataError(f"the file is not UTF-8 at byte {error.start}", where=str(path)) from None
    if not rows:
        raise DataError("the file has no rows", where=str(path))
    return rows


def _row(line: str, where: str) -> Labelled:
    fix = 'a row is {"text": …, "spans": [{"start": 0, "end": 4, "type": "PERSON"}]}'
    try:
        content = json.loads(line.rstrip("\r\n"))
        text, spans = content["text"], content["spans"]
        types = [ALIASES.get(str(s["type"]), str(s["type"])) for s in spans]
        found = tuple(Finding(int(s["start"]), int(s["end"]), t, 1.0) for s, t in zip(spans, types, strict=True))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"not a labelled row: {in_words(error)}", where=where, fix=fix) from None
    if not isinstance(text, str):
        raise DataError("text is no string", where=where, fix=fix)
    for span in found:
        if not 0 <= span.start < span.end <= len(text):
            raise DataError(f"a span {span.start}-{span.end} lies outside the text", where=where, fix=fix)
    return Labelled(text, found)


def evaluate(detector: Detector, path: str | Path, entities: Collection[str] | None = None) -> PiiReport:
    """Runs the detector over a labelled file.

    Args:
        entities: look for these alone, as a domain's filter does; spans of other known types are then left out.

    Raises:
        DataError: the file is missing or a row is wrong.
    """
    rows = read_labelled(Path(path))
    unknown = unknown_types(rows, detector.known)
    if entities is not None:
        asked = {*entities, *unknown}
        rows = [Labelled(row.text, tuple(span for span in row.spans if span.type in asked)) for row in rows]
    start = time.perf_counter()
    findings: list[list[Finding]] = []
    for first in range(0, len(rows), _BATCH):
        findings += detector.find([row.text for row in rows[first : first + _BATCH]], entities)
    seconds = time.perf_counter() - start
    return report(rows, findings, len(rows) / seconds, unknown)


def unknown_types(rows: Iterable[Labelled], known: Collection[str]) -> tuple[str, ...]:
    """Types of the labelled spans that are none of the known ones, sorted."""
    return tuple(sorted({span.type for row in rows for span in row.spans} - set(known)))


def report(
    rows: Sequence[Labelled], findings: Sequence[Sequence[Finding]], speed: float, unknown: Sequence[str] = ()
) -> PiiReport:
    """Counts; pure, so that it can be tested without a model.

    Args:
        unknown: types of which each span counts as missed, whatever was found there.
    """
    gold: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    judged = {span.type for row in rows for span in row.spans}
    any_hit = characters = covered = claimed = right_characters = 0
    for row, of_row in zip(rows, findings, strict=True):
        everything, labelled = _characters(of_row), _characters(row.spans)
        characters += len(labelled)
        of_judged = _characters(finding for finding in of_row if finding.type in judged)
        claimed += len(of_judged)
        right_characters += len(labelled & of_judged)
        covered += len(_characters(span for span in row.spans if span.type not in unknown) & everything)
        types = {s.type for s in row.spans} | {f.type for f in of_row}
        found_of = {t: _characters(f for f in of_row if f.type == t) for t in types}
        gold_of = {t: _characters(s for s in row.spans if s.type == t) for t in types}
        for span in row.spans:
            gold[span.type] += 1
            any_hit += span.type not in unknown and _half(span, everything)
            hit[span.type] += _half(span, found_of[span.type])
        for finding in of_row:
            found[finding.type] += 1
            right[finding.type] += _half(finding, gold_of[finding.type])
    types_table = {
        name: {
            "gold": gold[name],
            "found": found[name],
            "recall": _share(hit[name], gold[name]),
            "precision": _share(right[name], found[name]),
        }
        for name in sorted(set(gold) | set(found))
    }
    return PiiReport(
        types=types_table,
        span_recall=_share(any_hit, gold.total()),
        char_recall=_share(covered, characters),
        char_precision=_share(right_characters, claimed),
        documents_per_second=speed,
        documents=len(rows),
        unknown_types=tuple(unknown),
    )


def _characters(spans: Iterable[Finding]) -> set[int]:
    return {position for span in spans for position in range(span.start, span.end)}


def _half(span: Finding, positions: set[int]) -> bool:
    covered = sum(position in positions for position in range(span.start, span.end))
    return 2 * covered >= span.end - span.start


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
