"""Which of many patterns can match in a text, told by one pass of an RE2 set over it.

RE2 has neither lookaround nor Unicode's word boundaries, so a pattern is relaxed before it goes into the set: what
looks around is left out, long repetitions lose their upper bound, and a class that reaches beyond ASCII takes in
everything there. Each step only adds texts, so that a pattern that the set rules out has no match in that text
(`tests/governance/test_pii_prefilter.py`); one that it lets through is run as it is.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_parser: Any = importlib.import_module("re._parser")
_compiler: Any = importlib.import_module("re._compiler")

_ASCII = [chr(code) for code in range(128)]
_BEYOND_ASCII = r"\x{80}-\x{10ffff}"
#: Characters beyond ASCII that match a letter of ASCII where case is ignored.
_FOLDED = "\u0130\u0131\u017f\u212a"
#: What a class of characters depends on.
_OF_CLASSES = re.IGNORECASE | re.ASCII | re.UNICODE | re.DOTALL
#: Bounds of a repetition that are kept: each repetition is a copy of the automaton.
_MOST_COPIES = 12
_LONGEST_BOUND = 4
#: Patterns of one set: with more, its automaton has too many states to be built in good time.
_TOGETHER = 8
#: Bytes that the automaton of a set may take.
_MEMORY = 32 << 20


_DIGIT = re.compile(r"\d")


class _NoRelaxation(Exception):
    """A pattern says something that is no regular expression, such as a reference to a group."""


class Prefilter:
    """Rules out patterns for a text: never one that matches."""

    def __init__(self, patterns: Sequence[re.Pattern[str]]) -> None:
        self._all = range(len(patterns))
        relaxations = {number: relaxation for number in self._all if (relaxation := relaxed(patterns[number]))}
        self._always = [number for number in self._all if number not in relaxations]
        with_digit = [number for number in relaxations if needs_digit(patterns[number])]
        others = [number for number in relaxations if number not in set(with_digit)]
        self._sets = [*_sets(others, relaxations)]
        self._sets_of_digits = [*_sets(with_digit, relaxations)]

    def __call__(self, text: str) -> Sequence[int]:
        """Numbers of the patterns that may match, in order."""
        try:
            encoded = text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: no text for RE2
            return self._all
        possible = list(self._always)
        digit = _DIGIT.search(text) is not None  # most short messages have none
        for patterns, numbers in (*self._sets, *(self._sets_of_digits if digit else ())):
            found = patterns.Match(encoded)
            if 0 in found:
                possible += [numbers[place - 1] for place in found if place]
            else:
                possible += numbers
        return sorted(possible)


def _sets(numbers: Sequence[int], relaxations: Mapping[int, str]) -> Iterator[tuple[Any, Sequence[int]]]:
    """Sets of RE2 for the relaxations of these patterns, each with its patterns' numbers."""
    for first in range(0, len(numbers), _TOGETHER):
        group = numbers[first : first + _TOGETHER]
        yield _compiled([relaxations[number] for number in group]), group


def needs_digit(pattern: re.Pattern[str]) -> bool:
    """Whether every match of a pattern has a digit in it, or right beside it."""
    return _all_need_digit(_parser.parse(pattern.pattern, pattern.flags))


def _all_need_digit(nodes: Any) -> bool:
    return any(_needs_digit(str(kind), value) for kind, value in nodes)


def _needs_digit(name: str, value: Any) -> bool:
    if name == "IN":
        return all(_is_digit(str(member), of) for member, of in value)
    if name == "LITERAL":
        return _is_digit(name, value)
    if name == "SUBPATTERN":
        return _all_need_digit(value[3])
    if name == "ATOMIC_GROUP":
        return _all_need_digit(value)
    if name == "BRANCH":
        return all(map(_all_need_digit, value[1]))
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return value[0] > 0 and _all_need_digit(value[2])
    if name == "ASSERT":
        return _all_need_digit(value[1])
    return False


def _is_digit(name: str, value: Any) -> bool:
    """Whether what stands in a class of characters is a digit, or digits, alone."""
    if name == "CATEGORY":
        return str(value) == "CATEGORY_DIGIT"
    if name in ("LITERAL", "RANGE"):
        first, last = (value, value) if name == "LITERAL" else value
        return bool(ord("0") <= first <= last <= ord("9"))
    return False


def _compiled(patterns: Sequence[str]) -> Any:
    import re2

    options = re2.Options()
    options.max_mem = _MEMORY
    together = re2.Set.SearchSet(options)
    together.Add("")  # found in every text: it is missing only from the answer of an automaton without memory left
    for pattern in patterns:
        together.Add(pattern)
    together.Compile()
    return together


def relaxed(pattern: re.Pattern[str]) -> str | None:
    """A pattern for RE2 that is found in every text in which `pattern` matches; None if there is none."""
    return _relaxed(pattern.pattern, pattern.flags)


@functools.lru_cache(maxsize=1024)
def _relaxed(pattern: str, flags: int) -> str | None:
    """Remembered: a process has several sets of the same patterns, and to parse them takes most of the time."""
    parsed = _parser.parse(pattern, flags)
    try:
        return _sequence(parsed, parsed.state.flags, parsed.state, last=True)
    except _NoRelaxation:
        return None


def _sequence(nodes: Any, flags: int, state: Any, *, last: bool) -> str:
    """Relaxes nodes that follow one another. `last`: nothing of the whole pattern comes after them."""
    items = list(nodes)
    return "".join(
        _node(kind, value, flags, state, last=last and place == len(items) - 1)
        for place, (kind, value) in enumerate(items)
    )


def _node(kind: Any, value: Any, flags: int, state: Any, *, last: bool) -> str:
    name = str(kind)
    if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
        return _class_of(_Node(kind, value, flags & _OF_CLASSES, state))
    if name == "SUBPATTERN":
        _, added, removed, inner = value
        return f"(?:{_sequence(inner, (flags | added) & ~removed, state, last=last)})"
    if name == "ATOMIC_GROUP":
        return f"(?:{_sequence(value, flags, state, last=last)})"
    if name == "BRANCH":
        return "(?:" + "|".join(_sequence(branch, flags, state, last=last) for branch in value[1]) + ")"
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        bound = most if most <= _LONGEST_BOUND else ""
        return f"(?:{_sequence(inner, flags, state, last=False)}){{{min(least, _MOST_COPIES)},{bound}}}"
    if name == "ASSERT" and value[0] == 1 and last:  # what must follow the match is in the text, too
        return f"(?:{_sequence(value[1], flags, state, last=True)})"
    if name in ("AT", "ASSERT", "ASSERT_NOT"):
        return ""
    raise _NoRelaxation(name)


@dataclass(frozen=True)
class _Node:
    """A node for one character. Equal ones take the same characters, in whatever pattern they stand."""

    kind: Any = field(compare=False)
    value: Any = field(compare=False)
    flags: int
    state: Any = field(compare=False)
    text: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", f"{self.kind} {self.value}")


@functools.lru_cache(maxsize=1024)
def _class_of(node: _Node) -> str:
    return _characters(node.kind, node.value, node.flags, node.state)


def _characters(kind: Any, value: Any, flags: int, state: Any) -> str:
    """The class of characters that a node for one character takes, and possibly more beyond ASCII."""
    takes = _compiler.compile(_parser.SubPattern(state, [(kind, value)]), flags).fullmatch
    inside = "".join(rf"\x{{{ord(character):x}}}" for character in _ASCII if takes(character))
    inside += _beyond_ascii(kind, value, flags, takes)
    if not inside:
        raise _NoRelaxation("a class without characters")
    return f"[{inside}]"


def _beyond_ascii(kind: Any, value: Any, flags: int, takes: Any) -> str:
    members = value if str(kind) == "IN" else [(kind, value)]
    ranges = []
    for member, detail in members:
        if str(member) not in ("LITERAL", "RANGE"):
            return _BEYOND_ASCII
        first, end = (detail, detail) if str(member) == "LITERAL" else detail
        if end > 127:
            if flags & re.IGNORECASE:
                return _BEYOND_ASCII
            ranges.append(rf"\x{{{max(first, 128):x}}}-\x{{{end:x}}}")
    return "".join(ranges) + "".join(rf"\x{{{ord(character):x}}}" for character in _FOLDED if takes(character))
