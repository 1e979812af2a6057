"""Names in lists: who stands beside people is one, too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from governance.pii import vocabulary as words
from governance.pii.lexicon import Lexicon

_WORD = re.compile(r"[^\W\d_][\w'\u2019-]*")
_LIST = re.compile(rf"{words.NAME_WORD}(?:, {words.NAME_WORD}){{1,11}},? (?:and|or|&) {words.NAME_WORD}")
#: Before the names of people, however they look.
_PEOPLE_BEFORE = re.compile(
    r"\b(?:founders?|partners|children|kids|sons|daughters|siblings|members|authors|friends|parents|guests|witnesses"
    r"|heirs|students|employees|patients|colleagues|tenants):? $",
    re.IGNORECASE,
)
_PAIR = re.compile(
    rf"\b(?P<one>{words.NAME_WORD}) and (?P<other>{words.NAME_WORD})(?= (?:were|are|both|met|married|got|agreed)\b)"
)
_REVERSED = re.compile(
    rf"\b(?P<one>{words.NAME_WORD}), (?P<other>{words.NAME_WORD})(?= (?:is|was|has|had|who|will)\b|[.;)\n]|$)"
)
_BEFORE_REVERSED = re.compile(r"(?:\b(?:of|for|to|by|from|with) |: |\n|^)$")
_OF_SURNAMES = re.compile(r"(?:ov|ova|ev|eva|ski|ska|sky|sson|sen|dóttir|escu|ić|idze|yan|ian|oğlu|enko|czyk)$")


def listed_names(text: str, lexicon: Lexicon) -> Iterator[tuple[int, int]]:
    """(start, end) of the single names of a list such as "Amy, Peter, Ines and Donald", half of which are known ones,
    and of two who do something together.

    Three family names are a firm's: "Hobart, Keene and Lyle"; not behind "founders:".
    """
    for match in _LIST.finditer(text):
        items = [(match.start() + item.start(), match.start() + item.end()) for item in _WORD.finditer(match.group())]
        items = [(start, end) for start, end in items if text[start].isupper()]
        keys = [text[start:end].casefold() for start, end in items]
        firm = len(keys) < 4 and any(key in lexicon.family for key in keys)
        known = sum(key in lexicon.given for key in keys) * 2 >= len(keys)
        people = _PEOPLE_BEFORE.search(text, max(0, match.start() - 20), match.start()) is not None
        people = people and not all(map(lexicon.is_ordinary, keys))
        if (people or known and not firm) and words.NUMBERED.isdisjoint(keys):
            yield from items
    for match in _PAIR.finditer(text):
        if _are_people(match["one"].casefold(), match["other"].casefold(), lexicon):
            yield match.span("one")
            yield match.span("other")
    for match in _REVERSED.finditer(text):
        if not _BEFORE_REVERSED.search(text[max(0, match.start() - 6) : match.start()]):
            continue
        if _is_reversed(match["one"].casefold(), match["other"].casefold(), lexicon):
            yield match.span()


def _is_reversed(family: str, given: str, lexicon: Lexicon) -> bool:
    """Whether two words are a surname and a given name, though each may be an ordinary word: "Smith, Rose"."""
    if {family, given} & (words.NOT_NAMES | words.NUMBERED | words.FIRM_WORDS) or lexicon.is_country(given):
        return False
    if lexicon.is_place(family) and lexicon.is_place(given):
        return False
    surname = family in lexicon.family or family not in lexicon.ordinary and _OF_SURNAMES.search(family) is not None
    return surname and (given in lexicon.given or family not in lexicon.ordinary)


def _are_people(one: str, other: str, lexicon: Lexicon) -> bool:
    """Whether one of them is a known name, and the other at least no known word or place."""
    return any(map(lexicon.is_name, (one, other))) and not any(
        word in words.NOT_NAMES
        or word in words.NO_ENTITY
        or word in words.NUMBERED
        or not lexicon.is_name(word)
        and (lexicon.is_ordinary(word) or lexicon.is_place(word))
        for word in (one, other)
    )
