"""The words: phrase files are plain text, so that whoever adds a sentence need not read code.

``general`` files hold groups: a line ``[name]`` and below it one pattern a line. Topic files hold
topics: a line ``== name: title`` and below it lines that start with a sign:

    ?  a way to ask what the topic is        !  an answer to that question
    -  a fact, impersonal                    >  advice, spoken to the reader
    *  an example                            ~  a client's situation, in the first person
    @  another question => its answer

``\\n`` inside a line stands for a line break.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "phrases"
_SIGNS = {"?": "asked", "!": "answers", "-": "facts", ">": "advice", "*": "examples", "~": "situations"}


@dataclass(frozen=True)
class Topic:
    """All that the documents can say about one subject; every list holds patterns."""

    name: str
    title: str
    asked: tuple[str, ...]
    answers: tuple[str, ...]
    facts: tuple[str, ...]
    advice: tuple[str, ...]
    examples: tuple[str, ...]
    situations: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class State:
    code: str
    area: str
    name: str


@functools.cache
def states() -> tuple[State, ...]:
    """States with one telephone area code each."""
    return tuple(State(*line.split(" ", 2)) for line in _lines(FOLDER / "states.txt"))


@functools.cache
def groups(domain: str) -> dict[str, tuple[str, ...]]:
    """Groups of phrases from all ``<domain>_general*.txt`` files and from ``shared.txt``."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in [FOLDER / "shared.txt", *sorted(FOLDER.glob(f"{domain}_general*.txt"))]:
        name = ""
        for line in _lines(path):
            if line.startswith("[") and line.endswith("]") and line[1:-1].isidentifier():
                name = line[1:-1]
            else:
                found[name].append(line)
    return {name: tuple(lines) for name, lines in found.items()}


@functools.cache
def topics(domain: str) -> tuple[Topic, ...]:
    """Topics from all ``<domain>_topics*.txt`` files, in file order."""
    found: list[Topic] = []
    for path in sorted(FOLDER.glob(f"{domain}_topics*.txt")):
        blocks: list[tuple[str, list[str]]] = []
        for line in _lines(path):
            if line.startswith("== "):
                blocks.append((line[3:], []))
            else:
                blocks[-1][1].append(line)
        found += [_topic(head, lines) for head, lines in blocks]
    return tuple(found)


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            yield line.replace("\\n", "\n")


def _topic(head: str, lines: list[str]) -> Topic:
    name, _, title = head.partition(": ")
    parts: dict[str, list[str]] = {field: [] for field in _SIGNS.values()}
    pairs: list[tuple[str, str]] = []
    for line in lines:
        sign, pattern = line[0], line[1:].strip()
        if sign == "@":
            question, arrow, answer = pattern.partition(" => ")
            if not arrow:
                raise ValueError(f"topic {name}: a line with @ needs ' => ': {pattern}")
            pairs.append((question, answer))
        else:
            parts[_SIGNS[sign]].append(pattern)
    return Topic(name, title, pairs=tuple(pairs), **{field: tuple(found) for field, found in parts.items()})
