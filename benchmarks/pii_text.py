"""Varied labelled text for `pii_quality`, and for `zoo audit pii`:

    python benchmarks/pii_text.py OUT.jsonl [--held-out] [--count 1500] [--seed 1]

Frames of `pii_frames` with values of `pii_values`, a part of them in capitals or lower case, with broken lines, or with
misread characters as text recognition makes them (in words alone, so that check digits stay right).
"""

from __future__ import annotations

import argparse
import json
import random
import re
from pathlib import Path
from typing import Any

import pii_frames
from pii_values import LOCALES, Values, fakers

_SLOT = re.compile(r"\{([A-Z]+)\}")
_MISREAD = {"l": "1", "O": "0", "m": "rn", "i": "í", "e": "c"}

Span = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = texts(options.count, held_out=options.held_out, seed=options.seed)
    options.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def texts(count: int, *, held_out: bool, seed: int) -> list[dict[str, Any]]:
    """Labelled rows {"text", "spans"}; the same for the same seed, version of Faker
    and PYTHONHASHSEED (some of Faker's lists of towns are sets)."""
    frames = pii_frames.HELD_OUT if held_out else pii_frames.TUNING
    dice = random.Random(f"{seed} {held_out}")
    return [_row(frames[number % len(frames)], dice, own=dice.random() < 0.5) for number in range(count)]


def _row(frame: str, dice: random.Random, *, own: bool) -> dict[str, Any]:
    fake = fakers()[dice.choice(LOCALES)]
    fakers()["en_US"].seed_instance(dice.random())
    fake.seed_instance(dice.random())
    values = Values(dice, fake, own)
    text, spans, position = "", [], 0
    for slot in _SLOT.finditer(frame):
        value, kind = values.of(slot[1])
        text += frame[position : slot.start()]
        spans.append({"start": len(text), "end": len(text) + len(value), "type": kind})
        text += value
        position = slot.end()
    text += frame[position:]
    return _disturbed(text, spans, dice)


def _disturbed(text: str, spans: list[Span], dice: random.Random) -> dict[str, Any]:
    """One text in six is disturbed; none of it moves what is labelled but misread characters, which move all behind."""
    kind = dice.randrange(24)
    if kind == 0:
        changed = text.upper()
        return {"text": changed if len(changed) == len(text) else text, "spans": spans}
    if kind == 1:
        changed = text.lower()
        return {"text": changed if len(changed) == len(text) else text, "spans": spans}
    if kind == 2:
        inside = {position for span in spans for position in range(span["start"], span["end"])}
        broken = [position for position, c in enumerate(text) if c == " " and position not in inside]
        for position in dice.sample(broken, len(broken) // 6):
            text = text[:position] + "\n" + text[position + 1 :]
        return {"text": text, "spans": spans}
    if kind == 3:
        return _misread(text, spans, dice)
    return {"text": text, "spans": spans}


def _misread(text: str, spans: list[Span], dice: random.Random) -> dict[str, Any]:
    """Three in a hundred letters become what a scanner takes them for, outside of numbers and addresses of machines."""
    kept = {"PERSON", "LOCATION", "ORGANIZATION"}
    fixed = {p for span in spans if span["type"] not in kept for p in range(span["start"], span["end"])}
    parts, moved, shift = [], [0] * (len(text) + 1), 0
    for position, character in enumerate(text):
        moved[position] = position + shift
        if character in _MISREAD and position not in fixed and dice.random() < 0.03:
            parts.append(_MISREAD[character])
            shift += len(parts[-1]) - 1
        else:
            parts.append(character)
    moved[len(text)] = len(text) + shift
    return {"text": "".join(parts), "spans": [s | {"start": moved[s["start"]], "end": moved[s["end"]]} for s in spans]}


if __name__ == "__main__":
    main()
