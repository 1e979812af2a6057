"""Names, firms and towns that a small model misses: foreign ones, all capitals, all lower case.

Word lists decide (`lexicon`). A word that is both a name and an ordinary one ("Will", "Page") counts as a name only
beside another name. Nothing here is certain, so scores are lower than the model's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from governance.pii import vocabulary as words
from governance.pii.lexicon import AFTER_TOWN_WORD, Lexicon

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_TOWN = re.compile(
    r"[^\W\d_]{3,}(?:ville|burgh|borough|bury|haven|mouth|chester|berg|shire|fort|view|side|stad|town|furt|port|ton|land|ham)$",
    re.IGNORECASE,
)
_DEED = re.compile(
    r" (?:said|says|wrote|writes|replied|thinks|remembers|lives|lived|married|moved to|was born|died"
    r"|began (?:to )?writ\w*|grew up|works|worked (?:as|for|at))\b|, (?:can|could|would|will|please) (?:I|you|we)\b"
)
_PARTICLES = frozenset(words.PARTICLES.split("|"))
_PLACE_CUES = frozenset(("in", "from", "near", "to", "at"))


class _Token(NamedTuple):
    start: int
    end: int
    text: str
    key: str
    capital: bool


def find_names(text: str, lexicon: Lexicon) -> Iterator[tuple[str, int, int, float]]:
    """Yields (type, start, end, score) of people, firms and towns in a text."""
    loud = sum(map(str.isupper, text)) > 0.7 * (sum(map(str.isalpha, text)) or 1)
    quiet = not any(map(str.isupper, text))
    tokens = _tokens(text)
    if quiet:
        yield from _quiet_places(text, tokens, lexicon)
        tokens = list(_as_if_capital(tokens, lexicon))
    behind = 0
    for position in _beginnings(tokens, lexicon):
        if position < behind:
            continue
        length = 1
        for result in _at(text, tokens, position, lexicon, loud):
            yield result
            length = max(length, sum(t.start < result[2] for t in tokens[position : position + 8]))
        behind = position + length


def _as_if_capital(tokens: Iterable[_Token], lexicon: Lexicon) -> Iterator[_Token]:
    """Of a text without capitals, "hey ilona": a given name begins a name, unknown words behind it go on."""
    inside = False
    for token in tokens:
        first = lexicon.is_given(token.key) and len(token.key) > 3
        more = inside and (lexicon.is_name(token.key) or len(token.key) == 1)
        inside = first or more or inside and token.key in _PARTICLES
        yield token._replace(capital=first or more)


def _quiet_places(text: str, tokens: Sequence[_Token], lexicon: Lexicon) -> Iterator[tuple[str, int, int, float]]:
    """Known places of a text without capitals, behind "in" and the like or in a cell: "back in porto alegre"."""
    for position, token in enumerate(tokens):
        before = tokens[position - 1].key if position else ""
        gap = text[tokens[position - 1].end : token.start] if position else ""
        if not (before in _PLACE_CUES and gap == " " or gap in (", ", " | ", "| ", "|")):
            continue
        for end in range(min(len(tokens), position + 3), position, -1):
            key = text[token.start : tokens[end - 1].end]
            if len(key) > 3 and lexicon.is_place(key) and (before in _PLACE_CUES or not lexicon.is_name(token.key)):
                yield "LOCATION", token.start, tokens[end - 1].end, 0.55
                break


def _tokens(text: str) -> list[_Token]:
    known = ((match.start(), _known_word(match.group())) for match in _WORD.finditer(text))
    return [tuple.__new__(_Token, (start, start + len(word[0]), *word)) for start, word in known]  # the quick way


def _beginnings(tokens: Sequence[_Token], lexicon: Lexicon) -> list[int]:
    """Where something can begin: `_at` finds nothing at most words, told without a look at their neighbours."""
    return [
        place
        for place, token in enumerate(tokens)
        if token.capital
        or token.key in AFTER_TOWN_WORD
        or token.key not in lexicon.ordinary
        and (token.key in lexicon.given or _has_town_form(token.text))
    ]


@functools.lru_cache(maxsize=50_000)
def _has_town_form(word: str) -> bool:
    return len(word) > 6 and _TOWN.match(word) is not None


@functools.lru_cache(maxsize=50_000)
def _known_word(word: str) -> tuple[str, str, bool]:
    """A word without its possessive ending, as it is looked up, and whether it has a capital."""
    if word.endswith(("'s", "\u2019s", "'S", "\u2019S")):
        word = word[:-2]
    return word, word.casefold(), word[0].isupper()


def _at(
    text: str, tokens: list[_Token], position: int, lexicon: Lexicon, loud: bool
) -> Iterator[tuple[str, int, int, float]]:
    """What begins at a token: at most one finding."""
    token = tokens[position]
    acronym = len(token.text) > 1 and token.text.isupper() and not loud
    end = _person(text, tokens, position, lexicon)
    place = _place(text, tokens, position, lexicon)
    if place > position + 1 and place >= end:
        yield "LOCATION", token.start, tokens[place - 1].end, 0.6
    elif end > position + 1:
        yield "PERSON", token.start, tokens[end - 1].end, 0.6
    elif place and (not end or _after_cue(text, tokens, position)) and not acronym:
        yield "LOCATION", token.start, token.end, 0.5
    elif town := _town(text, tokens, position, lexicon):
        yield "LOCATION", token.start, tokens[town - 1].end, 0.5
    elif not token.capital or acronym and len(token.text) < 6:
        return
    elif "-" in token.text and all(part in lexicon.family for part in token.key.split("-")):
        yield "ORGANIZATION", token.start, token.end, 0.5
    elif end and len(token.text) > 2:
        yield "PERSON", token.start, token.end, 0.5
    elif _after_cue(text, tokens, position) and len(token.text) > 3 and _may_be_town(tokens, position, lexicon, loud):
        yield "LOCATION", token.start, token.end, 0.4


def _person(text: str, tokens: list[_Token], position: int, lexicon: Lexicon) -> int:
    """Index after a person's name that begins at a token; 0 for none."""
    token = tokens[position]
    after = position + 1 if position + 1 < len(tokens) else None
    if not token.capital:  # "adélaïde ajewole": both must be names and nothing else
        pair = after is not None and lexicon.is_given(token.key) and lexicon.is_family(tokens[after].key)
        long = after is not None and min(len(token.text), len(tokens[after].text)) > 3
        return position + 2 if pair and long and text[token.end : tokens[position + 1].start] == " " else 0
    reversed_name = after is not None and text[token.end : tokens[after].start] == ", " and tokens[after].capital
    if reversed_name and lexicon.is_name(token.key) and lexicon.is_given(tokens[position + 1].key):  # "Bogdán, Imre"
        return position + 2
    end = _run(text, tokens, position)
    if with_initial := _with_initial(text, tokens, position, lexicon):
        return max(with_initial, _extent(tokens, position, end, lexicon))
    if _speaks(text, token, lexicon):
        return max(position + 1, _extent(tokens, position, end, lexicon) if lexicon.is_given(token.key) else 0)
    if lexicon.is_given(token.key) or _acts(text, token, lexicon):
        return _extent(tokens, position, end, lexicon)
    if token.key in lexicon.given and end > position + 1 and lexicon.is_name(tokens[position + 1].key):
        return _extent(tokens, position, end, lexicon)
    if end == position + 2 and _is_placed_as_name(text, tokens, position, lexicon):
        return end
    return position + 1 if lexicon.is_family(token.key) and len(token.text) > 3 else 0


def _is_placed_as_name(text: str, tokens: list[_Token], position: int, lexicon: Lexicon) -> bool:
    """Whether two words that are ordinary ones as well are a name: "reviewed by Will Price"."""
    before, first, last = tokens[position - 1], tokens[position], tokens[position + 1]
    unfit = not position or before.capital or before.key in words.DETERMINERS or first.key in words.NUMBERED
    known = first.key in lexicon.given and last.key in lexicon.family
    return known and not unfit and text[before.end : first.start] in (" ", ", ", ",\n", ": ")


def _with_initial(text: str, tokens: list[_Token], position: int, lexicon: Lexicon) -> int:
    """Index after "Tarvix G. Oblemko": a capital between two words that are no ordinary ones; 0 for none."""
    if position + 2 >= len(tokens):
        return 0
    first, initial, last = tokens[position : position + 3]
    gaps = text[first.end : initial.start], text[initial.end : last.start]
    if len(initial.text) != 1 or not initial.capital or gaps[0] != " " or gaps[1] not in (" ", ". "):
        return 0
    for one in (first, last):
        unfit = lexicon.is_ordinary(one.key) or one.key in words.NOT_NAMES or one.key in words.NUMBERED
        if len(one.text) < 2 or not one.capital or unfit or one.key in words.FIRM_WORDS or one.key in words.NO_ENTITY:
            return 0
    return position + 3


def _acts(text: str, token: _Token, lexicon: Lexicon) -> bool:
    """Whether somebody does what people alone do: an unknown word, or a given name that is a word as well."""
    if len(token.text) < 3 or _DEED.match(text, token.end) is None or token.key in words.NOT_NAMES:
        return False
    return token.key in lexicon.given or not lexicon.is_ordinary(token.key) and not lexicon.is_place(token.key)


def _speaks(text: str, token: _Token, lexicon: Lexicon) -> bool:
    """Whether a line begins with an unknown name and a colon, as in a chat or a play."""
    if text[token.end : token.end + 1] != ":" or text[token.end + 1 : token.end + 2] not in (" ", '"', "\n"):
        return False
    known = token.key in lexicon.ordinary or token.key in words.NOT_NAMES or token.key in words.NO_ENTITY
    if known or len(token.text) < 3 or token.text.isupper() or lexicon.is_place(token.key):
        return False
    return not text[text.rfind("\n", 0, token.start) + 1 : token.start].strip(" >-*")


def _run(text: str, tokens: list[_Token], position: int) -> int:
    """Index after the words of one line that are joined to a token by a space, at most four more."""
    end = position + 1
    while end < min(len(tokens), position + 5):
        gap = text[tokens[end - 1].end : tokens[end].start]
        initial = len(tokens[end - 1].text) == 1 and gap == ". "
        particle = tokens[end].key in _PARTICLES
        if not (gap in (" ", "\u00a0") or initial) or not (tokens[end].capital or particle):
            break
        end += 1
    while end > position + 1 and not tokens[end - 1].capital:
        end -= 1
    return end


def _extent(tokens: list[_Token], position: int, end: int, lexicon: Lexicon) -> int:
    """Cuts a run of capitalised words behind a given name where an ordinary word begins."""
    for index in range(position + 1, end):
        token = tokens[index]
        known = token.key in lexicon.family or token.key in lexicon.given
        particle = token.key in _PARTICLES or len(token.text) == 1
        if not particle and token.key in lexicon.ordinary and not known or token.key in words.NOT_NAMES:
            end = index
            break
    while end > position + 1 and (not tokens[end - 1].capital or len(tokens[end - 1].text) == 1):
        end -= 1
    return end


def _place(text: str, tokens: list[_Token], position: int, lexicon: Lexicon) -> int:
    """Index after the longest known place, of up to four words, that begins at a token; 0 for none."""
    start = tokens[position].start
    if not tokens[position].capital:
        return 0
    for end in range(min(len(tokens), position + 4), position, -1):
        if lexicon.is_place(text[start : tokens[end - 1].end].casefold()):
            return end
    return 0


def _town(text: str, tokens: list[_Token], position: int, lexicon: Lexicon) -> int:
    """Index after a town that begins at a token, told by its form ("Port Adrian", "Codyside"); 0 for none."""
    token = tokens[position]
    if token.key in AFTER_TOWN_WORD and position + 1 < len(tokens):
        after = tokens[position + 1]
        same_case = token.text.isupper() == after.text.isupper() and token.capital == after.capital
        name = lexicon.is_name(after.key) or _is_town(after, lexicon)
        if same_case and name and text[token.end : after.start] == " ":
            return position + 2
    return position + 1 if _is_town(token, lexicon) and not lexicon.is_name(token.key) else 0


def _is_town(token: _Token, lexicon: Lexicon) -> bool:
    if token.key in lexicon.ordinary or not _has_town_form(token.text):
        return False
    strict = not token.key.endswith(("ton", "land", "ham", "port", "view", "side"))
    stem = re.sub(r"(?:ton|land|ham|port|view|side)$", "", token.key)
    return token.capital or strict or lexicon.is_name(stem)


def has_town_form(name: str, lexicon: Lexicon) -> bool:
    """Whether a name is formed as a town's: "Port Adrian", "Codyside"."""
    tokens = _tokens(name)
    return 0 < len(tokens) < 3 and _town(name, tokens, 0, lexicon) == len(tokens)


def _may_be_town(tokens: Sequence[_Token], position: int, lexicon: Lexicon, loud: bool) -> bool:
    """Whether a word behind "in" is no ordinary one; where all is in capitals, no inflected one either."""
    token = tokens[position]
    if loud and (tokens[position - 1].key not in ("in", "near") or token.key.endswith(("ing", "ed", "ly", "s"))):
        return False
    return token.key not in lexicon.ordinary


def _after_cue(text: str, tokens: list[_Token], position: int) -> bool:
    if not position or tokens[position - 1].key not in _PLACE_CUES:
        return False
    return text[tokens[position - 1].end : tokens[position].start] == " "
