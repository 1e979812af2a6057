"""Records of several parts: a prompt with its answer, a text with its class.

A dataset version stores one text a record. A record of parts is written into it as

    ␞prompt␟What is a dependent?␞answer␟A person whom you support.

with the two separators that ASCII has for this (U+001E before a name, U+001F after it). No content can
hold one: they are removed from whatever a source gives. A record without them is the part `text` alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

PartName = Literal["text", "label", "spans", "similar", "prompt", "answer", "chosen", "rejected"]
PARTS: tuple[PartName, ...] = get_args(PartName)

#: Parts that are no text of their own: a class, and the marked places of `text`.
_MARKS = frozenset({"label", "spans"})

_RECORD, _UNIT = "\x1e", "\x1f"
_SEPARATORS = str.maketrans("", "", _RECORD + _UNIT)


def without_separators(content: str) -> str:
    """A source's content as it may stand in a part."""
    if _RECORD not in content and _UNIT not in content:  # to look for them takes a hundredth of the time
        return content
    return content.translate(_SEPARATORS)


def join_parts(parts: Mapping[str, str]) -> str:
    """Writes a record; the parts keep the order of `PARTS`, so that equal parts give equal texts."""
    return "".join(f"{_RECORD}{name}{_UNIT}{parts[name]}" for name in PARTS if name in parts)


def split_parts(record: str) -> dict[str, str]:
    """Reads a record."""
    if not record.startswith(_RECORD):
        return {"text": record}
    pairs = (part.partition(_UNIT) for part in record[1:].split(_RECORD))
    return {name: content for name, _, content in pairs}


def plain_text(record: str) -> str:
    """What there is to read in a record: its parts one under the other, without classes and marks."""
    if not record.startswith(_RECORD):
        return record
    return "\n".join(content for name, content in split_parts(record).items() if name not in _MARKS)


def is_text(name: str) -> bool:
    """Whether a part is text that somebody wrote, and not a mark on another part."""
    return name not in _MARKS


#: A type of places is a word: nothing with digits, spaces or accents, which could be somebody's data.
_TYPE = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}")


@dataclass(frozen=True)
class Span:
    """A marked place: characters [start, end) of the part `text`."""

    start: int
    end: int
    type: str


def read_spans(content: str) -> list[Span]:
    """Reads the part `spans`."""
    return [Span(*one) for one in json.loads(content)]


def write_spans(spans: Sequence[Span]) -> str:
    """Writes the part `spans`, in order of their places."""
    ordered = sorted(spans, key=lambda span: (span.start, span.end, span.type))
    return json.dumps([[span.start, span.end, span.type] for span in ordered], separators=(",", ":"))


def check_spans(value: Any, text: str) -> list[Span] | str:
    """A source's list of {"start", "end", "type"} as spans, or what is wrong with it (no content is quoted)."""
    if not isinstance(value, list):
        return "spans are no list"
    spans = []
    for number, one in enumerate(value):
        if not isinstance(one, dict) or not {"start", "end", "type"} <= set(one):
            return f"span {number} has no start, end and type"
        start, end, kind = one["start"], one["end"], one["type"]
        whole = isinstance(start, int) and isinstance(end, int) and isinstance(kind, str)
        if not whole or not 0 <= start < end <= len(text):
            return f"span {number} does not lie inside the text"
        if not _TYPE.fullmatch(kind):
            return f"the type of span {number} is no word"
        spans.append(Span(start, end, kind))
    ordered = sorted(spans, key=lambda span: span.start)
    if any(left.end > right.start for left, right in zip(ordered, ordered[1:], strict=False)):
        return "spans overlap"
    return ordered
