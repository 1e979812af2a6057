"""Sentence patterns, and text that knows which of its characters are fake personal data.

A pattern is plain text with two marks: ``[this|that|]`` draws one of its alternatives (they may be
empty and may hold further marks) and ``{name}`` is filled from the scene. Filling keeps the entity
type of each value, so the spans of a document follow from how it was put together and never from
searching the finished text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.synthetic.dice import Dice


@dataclass(frozen=True)
class Fragment:
    """A piece of text; `type` is Presidio's entity name, or None for text without personal data."""

    text: str
    type: str | None = None


Passage = tuple[Fragment, ...]
Slot = Callable[[Dice], str | Fragment | Passage]
Phrases = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _Field:
    name: str


@dataclass(frozen=True)
class _Choice:
    options: tuple[tuple[_Node, ...], ...]


_Node = str | _Field | _Choice
_MARK = re.compile(r"\{(\w+)\}|([\[\]|])")


@functools.cache
def parse(pattern: str) -> tuple[_Node, ...]:
    """Reads a pattern.

    Raises:
        ValueError: a bracket is open or closes nothing.
    """
    stack: list[list[list[_Node]]] = [[[]]]
    at = 0
    for mark in _MARK.finditer(pattern):
        stack[-1][-1].append(pattern[at : mark.start()])
        at = mark.end()
        if mark[1]:
            stack[-1][-1].append(_Field(mark[1]))
        elif mark[2] == "[":
            stack.append([[]])
        elif len(stack) == 1 and mark[2] == "|":  # outside of brackets it is only a bar
            stack[0][0].append("|")
        elif len(stack) == 1:
            raise ValueError(f"the pattern closes a bracket that it did not open: {pattern}")
        elif mark[2] == "|":
            stack[-1].append([])
        else:
            choice = _Choice(tuple(tuple(option) for option in stack.pop()))
            stack[-1][-1].append(choice)
    if len(stack) > 1:
        raise ValueError(f"the pattern leaves a bracket open: {pattern}")
    return (*stack[0][0], pattern[at:])


def text(*parts: str | Fragment | Passage) -> Passage:
    """Puts strings, fragments and passages together."""
    fragments: list[Fragment] = []
    for part in parts:
        if isinstance(part, str):
            fragments.append(Fragment(part))
        elif isinstance(part, Fragment):
            fragments.append(part)
        else:
            fragments.extend(part)
    return tuple(f for f in fragments if f.text)


def join(separator: str, parts: Iterable[Passage]) -> Passage:
    """Puts the passages that are not empty together with a separator."""
    full = [part for part in parts if part]
    return text(*(piece for i, part in enumerate(full) for piece in ((separator,) if i else ()) + (part,)))


def plain(passage: Passage) -> str:
    return "".join(fragment.text for fragment in passage)


def map_text(passage: Passage, change: Callable[[str], str]) -> Passage:
    """Changes the text of every fragment, of personal data too; for changes of case."""
    return tuple(Fragment(change(fragment.text), fragment.type) for fragment in passage)


def spans(passage: Passage) -> list[dict[str, int | str]]:
    """Offsets in characters, end exclusive, of all fragments that have a type."""
    found: list[dict[str, int | str]] = []
    at = 0
    for fragment in passage:
        if fragment.type:
            found.append({"start": at, "end": at + len(fragment.text), "type": fragment.type})
        at += len(fragment.text)
    return found


def wrap(passage: Passage, width: int) -> Passage:
    """Breaks lines that are longer than `width` at spaces that are no part of personal data."""
    column, wrapped = 0, []
    for fragment in passage:
        if fragment.type:
            wrapped.append(fragment)
            column += len(fragment.text)
            continue
        words = re.split(r"( |\n)", fragment.text)
        for i, word in enumerate(words):
            follows = len(words[i + 1]) if i + 1 < len(words) else 0
            if word == " " and follows and column + 1 + follows > width:
                words[i] = "\n"
            column = 0 if words[i] == "\n" else column + len(word)
        wrapped.append(Fragment("".join(words)))
    return tuple(wrapped)


class Scene:
    """What one document is about: its dice, the values of its slots, and the phrases to choose from."""

    def __init__(self, dice: Dice, slots: Mapping[str, Slot], phrases: Phrases) -> None:
        self.dice = dice
        self.slots = slots
        self.phrases = phrases
        self._used: set[str] = set()

    def fill(self, pattern: str) -> Passage:
        """Draws the choices of a pattern and fills its fields.

        Raises:
            KeyError: a field that is neither a slot nor a group of phrases.
        """
        return text(*self._walk(parse(pattern)))

    def one(self, group: str) -> Passage:
        """A phrase of a group, one that this document has not used yet as long as there is any."""
        return self.fill(self.fresh(self.phrases[group]))

    def fresh(self, patterns: Sequence[str]) -> str:
        """One of the patterns, preferring those that this document has not used yet."""
        chosen = self.dice.pick(self.left(patterns) or patterns)
        self._used.add(chosen)
        return chosen

    def left(self, patterns: Sequence[str]) -> list[str]:
        """The patterns that this document has not used yet."""
        return [pattern for pattern in patterns if pattern not in self._used]

    def _walk(self, nodes: Sequence[_Node]) -> Passage:
        parts: list[str | Fragment | Passage] = []
        for node in nodes:
            if isinstance(node, str):
                parts.append(node)
            elif isinstance(node, _Choice):
                parts.append(self._walk(self.dice.pick(node.options)))
            elif node.name in self.slots:
                parts.append(self.slots[node.name](self.dice))
            else:
                parts.append(self.one(node.name))
        return text(*parts)
