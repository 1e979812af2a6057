"""The filter of personal data on records of parts.

Names are looked for in all parts of a record together, so that who is recognised in the prompt is
recognised in the answer too. A label is one of few classes (`stage` sees to that): only data with a fixed
form is looked for in it, since a model takes half of all class names for organisations. Marked places
move with the text around them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.parts import Span, is_text, join_parts, read_spans, split_parts, write_spans

if TYPE_CHECKING:
    from governance.pii import Filtered, Finding, PiiFilter

#: Between the parts of a record while names are looked for: the end of a paragraph.
_BETWEEN = "\n\n"


def filter_records(records: Sequence[str], pii_filter: PiiFilter) -> list[tuple[str, list[tuple[str, str]]]]:
    """Filters records, plain ones and such of parts.

    Returns:
        of each record its filtered text, and (type, original string) of what was replaced.
    """
    split = [split_parts(record) for record in records]
    plain = [number for number, record in enumerate(records) if not record.startswith("\x1e")]
    whole = [number for number in range(len(records)) if number not in set(plain)]
    results: dict[int, tuple[str, list[tuple[str, str]]]] = {}
    for number, filtered in zip(plain, pii_filter([records[n] for n in plain]), strict=True):
        results[number] = (filtered.text, _originals(records[number], filtered))
    labels = pii_filter.find([split[n].get("label", "") for n in whole], forms_only=True)
    texts = [_BETWEEN.join(content for name, content in split[n].items() if is_text(name)) for n in whole]
    for number, in_label, found in zip(whole, labels, pii_filter.find(texts), strict=True):
        results[number] = _filter_parts(split[number], found, in_label, pii_filter)
    return [results[number] for number in range(len(records))]


def parts_fingerprint(filter_fingerprint: str) -> str:
    """Changes with the filter and with this module: what was filtered by other code is filtered again."""
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return hashlib.sha256(f"{filter_fingerprint}\0{own}".encode()).hexdigest()


def _originals(text: str, filtered: Filtered) -> list[tuple[str, str]]:
    return [(finding.type, text[finding.start : finding.end]) for finding in filtered.findings]


def _filter_parts(
    parts: dict[str, str], found: Sequence[Finding], in_label: Sequence[Finding], pii_filter: PiiFilter
) -> tuple[str, list[tuple[str, str]]]:
    filtered: dict[str, str] = {}
    originals: list[tuple[str, str]] = []
    start = 0
    for name, content in parts.items():
        if not is_text(name):
            continue
        own = _within(found, start, start + len(content))
        start += len(content) + len(_BETWEEN)
        filtered[name] = pii_filter.replace(content, own)
        originals += [(finding.type, content[finding.start : finding.end]) for finding in own]
        if name == "text" and "spans" in parts:
            filtered["spans"] = write_spans(_moved(read_spans(parts["spans"]), own, content, pii_filter))
    if "label" in parts:
        filtered["label"] = pii_filter.replace(parts["label"], in_label)
        originals += [(finding.type, parts["label"][finding.start : finding.end]) for finding in in_label]
    return join_parts(filtered), originals


def _within(found: Sequence[Finding], start: int, end: int) -> list[Finding]:
    """The findings in a part, from its beginning; one that reaches over a border is cut there."""
    return [
        replace(finding, start=max(finding.start, start) - start, end=min(finding.end, end) - start)
        for finding in found
        if finding.start < end and finding.end > start
    ]


def _moved(spans: Sequence[Span], replaced: Sequence[Finding], text: str, pii_filter: PiiFilter) -> list[Span]:
    """Marked places in the filtered text. One that touches a replaced string covers what stands for it."""
    moved: list[Span] = []
    for span in spans:
        shift_start = shift_end = 0
        start, end = span.start, span.end
        for finding in replaced:
            grown = len(pii_filter.replacement(finding, text)) - (finding.end - finding.start)
            if finding.end <= span.start:
                shift_start += grown
            elif finding.start < span.start:
                start = finding.start
            if finding.start < span.end:
                shift_end += grown
                end = max(end, finding.end)
        moved.append(Span(start + shift_start, end + shift_end, span.type))
    return _disjoint(moved)


def _disjoint(spans: Sequence[Span]) -> list[Span]:
    """Two marks on one replaced string: the first one keeps it."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        start = max(span.start, kept[-1].end) if kept else span.start
        if start < span.end:
            kept.append(replace(span, start=start))
    return kept
