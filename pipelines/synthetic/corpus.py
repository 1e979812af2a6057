"""Rows and files: numbers the documents, leaves out repeated texts, writes JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pipelines.synthetic import support, tax
from pipelines.synthetic.documents import Draft
from pipelines.synthetic.grammar import plain, spans


@dataclass(frozen=True)
class Kind:
    """One file: `make(number, attempt)` drafts its documents, `count` says how many there are."""

    domain: str
    name: str
    count: int
    make: Callable[[int, int], Draft]

    @property
    def file(self) -> str:
        return f"{self.domain}/{self.name}s.jsonl".replace("replys", "replies")


KINDS = (
    Kind("tax", "letter", 1150, tax.letter),
    Kind("tax", "question", 1150, tax.question),
    Kind("tax", "notice", 900, tax.notice),
    Kind("support", "ticket", 560, support.ticket),
    Kind("support", "chat", 480, support.chat),
    Kind("support", "reply", 480, support.reply),
)


def generate(kind: Kind) -> Iterator[dict[str, Any]]:
    """Rows of one kind: id, kind, client_id, title, text, spans. No text comes twice."""
    seen: set[str] = set()
    for number in range(1, kind.count + 1):
        draft, body = _unseen(kind, number, seen)
        yield {
            "id": f"{kind.domain}-{kind.name}-{number:06d}",
            "kind": kind.name,
            "client_id": draft.client_id,
            "title": draft.title,
            "text": body,
            "spans": spans(draft.body),
        }


def _unseen(kind: Kind, number: int, seen: set[str]) -> tuple[Draft, str]:
    attempt = 0
    while True:
        draft = kind.make(number, attempt)
        body = plain(draft.body)
        if body not in seen:
            seen.add(body)
            return draft, body
        attempt += 1


def lines(kind: Kind, limit: int | None = None) -> Iterator[str]:
    """The lines of a file, without line breaks."""
    for row in islice(generate(kind), limit):
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def write(folder: Path) -> dict[Path, int]:
    """Writes all files below `folder`; returns how many documents each holds."""
    counts: dict[Path, int] = {}
    for kind in KINDS:
        path = folder / kind.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines(kind)), encoding="utf-8", newline="\n")
        counts[path] = kind.count
    return counts
