"""Word lists: names of people, ordinary English words, towns and countries.

Given and family names of some sixty languages come with Faker, towns of the world with the area codes of phonenumbers,
both installed anyway; ordinary English words come with the spaCy model's lemmatizer.
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
from typing import Any

from governance.pii import vocabulary as words

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_PLURALS = (("s", ""), ("es", ""), ("ies", "y"))
#: Words that a town's name begins with.
AFTER_TOWN_WORD = frozenset(
    ("east", "west", "north", "south", "new", "lake", "port", "fort", "mount", "saint", "san", "santa")
)
_PARTICLES = frozenset(words.PARTICLES.split("|"))

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
        if len(long) < 2 or not (words.FIRM_WORDS | AFTER_TOWN_WORD).isdisjoint(long):
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
    places = frozenset(_without_accents(_places()))
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


def _without_accents(names: Iterable[str]) -> Iterator[str]:
    """The names, and those that have accents without them, too: "malmö", "malmo"."""
    for name in names:
        yield name
        if not name.isascii():
            yield _plain(name)


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


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
    return found | {word for word in _plain(accented).split("\n") if word}
