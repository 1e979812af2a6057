"""Names, firms and towns that a small model misses: foreign ones, all capitals, all lower case.

Word lists decide. Given and family names of some sixty languages come with Faker, towns of the world with the area
codes of phonenumbers, both installed anyway; ordinary English words come with the spaCy model's lemmatizer. A word
that is both a name and an ordinary one ("Will", "Page") counts as a name only beside another name. Nothing here is
certain, so scores are lower than the model's.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from governance.pii import vocabulary as words

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_TOWN = re.compile(
    r"[^\W\d_]{3,}(?:ville|burgh|borough|bury|haven|mouth|chester|berg|shire|fort|view|side|stad|town|furt|port|ton|land|ham)$",
    re.IGNORECASE,
)
_AFTER_TOWN_WORD = frozenset(
    ("east", "west", "north", "south", "new", "lake", "port", "fort", "mount", "saint", "san", "santa")
)
_DEED = re.compile(
    r" (?:said|says|wrote|writes|replied|thinks|remembers|lives|lived|married|moved to|was born|died"
    r"|began (?:to )?writ\w*|grew up|works|worked (?:as|for|at))\b|, (?:can|could|would|will|please) (?:I|you|we)\b"
)
_PLURALS = (("s", ""), ("es", ""), ("ies", "y"))
_PARTICLES = frozenset(words.PARTICLES.split("|"))
_PLACE_CUES = frozenset(("in", "from", "near", "to", "at"))

#: English given names that are English nouns too, and are more often the noun.
_MORE_OFTEN_NOUNS = frozenset(
    words.split(
        """angel april autumn brandy chad crystal dale dean destiny diamond earl faith gene georgia glen heather
    holly hunter jasmine june kent kirk lane mason max melody page pat penny robin savannah sierra
    spencer sydney troy victoria virginia warren"""
    )
)
#: English given names that are verbs or adjectives too, and are more often the name.
_MORE_OFTEN_NAMES = frozenset(
    words.split("bob brad bonnie carol caroline hector jimmy josh julian lee marian norman pauline randy ray rick")
)


@dataclass(frozen=True)
class Lexicon:
    """Case-folded: given names, family names, ordinary English words that name nobody, places, and which of these are
    countries."""

    given: frozenset[str]
    family: frozenset[str]
    ordinary: frozenset[str]
    places: frozenset[str]
    countries: frozenset[str] = frozenset()

    def is_country(self, name: str) -> bool:
        return name in self.countries

    def is_ordinary(self, word: str) -> bool:
        """Whether a word is an ordinary one and no name at all."""
        if word in self.given or word in self.family:
            return False
        return word in self.ordinary or any(
            word.endswith(end) and word[: -len(end)] + y in self.ordinary for end, y in _PLURALS
        )

    def is_given(self, word: str) -> bool:
        return word in self.given and word not in self.ordinary

    def is_family(self, word: str) -> bool:
        return word in self.family and word not in self.ordinary

    def is_name(self, word: str) -> bool:
        return self.is_given(word) or self.is_family(word)

    def is_lower_name(self, word: str) -> bool:
        """Whether a word without a capital may be somebody's name, also one that is an ordinary word at times."""
        return word in self.given and word not in _MORE_OFTEN_NOUNS or self.is_family(word)

    def is_place(self, name: str) -> bool:
        """Whether a name, of one word or more, is a town or country and no ordinary word."""
        return name in self.places and name not in self.ordinary

    def is_full_name(self, parts: Sequence[str]) -> bool:
        """Whether two words or more are a person's: one of them is known as a name, none as anything else."""
        long = [part for part in parts if len(part) > 1 and part not in _PARTICLES]
        if len(long) < 2 or not (words.FIRM_WORDS | _AFTER_TOWN_WORD).isdisjoint(long):
            return False
        known = [part in self.given or part in self.family for part in long]
        others = [part for part, name in zip(long, known, strict=True) if not name]
        return any(map(self.is_name, long)) and not any(part in self.ordinary for part in others)


@functools.lru_cache(maxsize=2)
def load_lexicon(model: Path) -> Lexicon:
    """Reads the word lists of Faker and of a spaCy model (its data folder)."""
    from spacy.lookups import Lookups
    from spacy.strings import StringStore

    index: Any = Lookups().from_disk(model / "lemmatizer" / "lookups").get_table("lemma_index")
    key = StringStore().add
    speech = {part: set(index[key(part)]) for part in ("verb", "adj", "adv", "noun")}
    given, family, english = _faker_names()
    places = frozenset(_places())
    # WordNet's nouns, which these are, have towns and countries among them: "sweden", "palermo".
    proper = places - words.MORE_OFTEN_WORDS
    nouns = speech["noun"] - (english - _MORE_OFTEN_NOUNS) - proper
    others = (speech["verb"] | speech["adj"] | speech["adv"]) - _MORE_OFTEN_NAMES
    from spacy.lang.en.stop_words import STOP_WORDS

    ordinary = nouns | others | STOP_WORDS | words.NOT_NAMES | {name.casefold() for name in words.STATES.values()}
    return Lexicon(frozenset(given), frozenset(family), frozenset(ordinary), places, frozenset(_countries()))


def _places() -> Iterator[str]:
    """Towns and regions that have an area code, and countries."""
    from phonenumbers.geodata import GEOCODE_DATA

    areas = {area["en"] for area in GEOCODE_DATA.values() if "en" in area}
    parts = (part.strip().casefold() for area in areas for part in re.split(r"[,/;()]| - | and ", area))
    yield from (part for part in parts if len(part) > 3)
    yield from _countries()


def _countries() -> Iterator[str]:
    from faker.providers.address.en import Provider

    for country in (*Provider.countries, *words.COUNTRIES):
        yield country.casefold()
        yield re.sub(r" \(.*\)", "", country).casefold()


def _faker_names() -> tuple[set[str], set[str], set[str]]:
    """Given and family names of all languages, and the given names of English alone."""
    import faker.providers.person as person

    given: set[str] = set()
    family: set[str] = set()
    english: set[str] = set()
    for module in pkgutil.iter_modules(person.__path__):
        provider: Any = importlib.import_module(f"{person.__name__}.{module.name}").Provider
        for attribute in dir(provider):
            value = getattr(provider, attribute)
            if not attribute.startswith(("first_name", "last_name")) or not isinstance(value, tuple | list | dict):
                continue
            found = _spellings(name for name in value if isinstance(name, str))
            if attribute.startswith("last_name"):
                family |= found
                continue
            given |= found
            if module.name in ("en_US", "en_GB"):
                english |= found
    return given, family, english


def _spellings(names: Iterable[str]) -> set[str]:
    """The words of names, as they are written and without accents."""
    written = "\n".join(_WORD.findall("\n".join(names))).casefold().split("\n")
    found = {word for word in written if len(word) > 1}
    accented = "\n".join(word for word in found if not word.isascii())
    plain = "".join(c for c in unicodedata.normalize("NFKD", accented) if not unicodedata.combining(c))
    return found | {word for word in plain.split("\n") if word}


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


def _tokens(text: str) -> list[_Token]:
    known = ((match.start(), _known_word(match.group())) for match in _WORD.finditer(text))
    return [tuple.__new__(_Token, (start, start + len(word[0]), *word)) for start, word in known]  # the quick way


def _beginnings(tokens: Sequence[_Token], lexicon: Lexicon) -> list[int]:
    """Where something can begin: `_at` finds nothing at most words, told without a look at their neighbours."""
    return [
        place
        for place, token in enumerate(tokens)
        if token.capital
        or token.key in _AFTER_TOWN_WORD
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
    elif _after_cue(text, tokens, position) and not loud and len(token.text) > 3 and token.key not in lexicon.ordinary:
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
    if token.key in _AFTER_TOWN_WORD and position + 1 < len(tokens):
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


def _after_cue(text: str, tokens: list[_Token], position: int) -> bool:
    if not position or tokens[position - 1].key not in _PLACE_CUES:
        return False
    return text[tokens[position - 1].end : tokens[position].start] == " "
