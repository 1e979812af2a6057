"""Where in a text a name, place, firm or date can be: only these windows are given to the model.

A word can be part of one unless it is an ordinary English word in lower case, one that is no noun with its capital
at the beginning of a sentence, or an article or the like in any case. Unknown words count, and so do, in any case,
names of the word lists, countries and peoples: people who write to a support desk do not always use the shift key. A
window is such a word with its neighbours, so many that the model decides about the word as it would in the whole text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from governance.pii import vocabulary as words
from governance.pii.lexicon import Lexicon
from governance.pii.ner import RECEPTIVE

#: Words on each side of one that can be part of a name: what the model sees, and some that may belong to the name.
MARGIN = RECEPTIVE + 3
#: Words whose kind is remembered.
_REMEMBERED = 200_000

_NEVER, _ALWAYS, _INSIDE_SENTENCE, _BESIDE_NUMBER = 0, 1, 2, 4

_CHUNK = re.compile(r"\S+")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_PERCENTAGE = re.compile(r"\W*\d+(?:\.\d+)?%\W*")
_ALWAYS_FORM = re.compile(r"\d[/.:-]\d|\b(?!i\.e|e\.g)[A-Z]\.[A-Z]|\d ?[ap]\.?m\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?]['\"\u2019\u201d)\]]*$|^[-*\u2022#]+$|^\(?\w{1,4}[.)]$|^(?:\(\w{1,4}\))+$")

_DAYS = frozenset(words.split("monday tuesday wednesday thursday friday saturday sunday"))
_MONTHS = frozenset(
    words.split(
        """jan january feb february apr april jun june jul july aug august sep sept september oct october nov november
        dec december"""
    )
)
#: Parts of a date or a time only beside a number.
_ALSO_VERBS = frozenset(words.split("may mar march am pm a.m p.m"))
#: Before the apostrophe, or written without one.
_CONTRACTED = frozenset(
    words.split(
        """ain aren can couldn didn doesn don hadn hasn haven isn mustn needn shouldn wasn weren won wouldn
        arent cant couldnt didnt doesnt dont hadnt hasnt havent isnt ive shouldnt theyre wasnt werent weve wont wouldnt
        youre youve"""
    )
)
#: With a capital within a sentence, as in titles: no part of a name that has no other word.
_SMALL_WORDS = frozenset(
    words.split("The A An As And Of For By In On At To With From Or But If It Its This That These Those More Is Are")
)
_PEOPLES = frozenset(
    words.split(
        """african albanian american arab argentine armenian asian australian austrian belgian bosnian brazilian british
        bulgarian canadian caribbean chilean chinese christian colombian croatian cuban czech danish dutch egyptian
        english ethiopian european filipino finnish french german greek hindu hispanic hungarian icelandic indian
        indonesian iranian iraqi irish islamic israeli italian jamaican japanese jewish kenyan korean latino latvian
        lebanese lithuanian malaysian mexican moroccan muslim nepali nigerian norwegian pakistani peruvian polish
        portuguese roma romanian russian saudi scottish serbian singaporean slovak somali spanish swedish swiss syrian
        taiwanese thai tibetan tunisian turkish ukrainian vietnamese welsh europe asia africa america england scotland
        wales britain london paris berlin rome madrid vienna moscow tokyo beijing delhi mumbai sydney toronto boston
        chicago houston dallas denver seattle atlanta philadelphia detroit usa uk eu texas california florida"""
    )
)
#: Endings that make another form of a word, and what to put in their place.
_ENDINGS = (
    ("s", ""), ("es", ""), ("es", "e"), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ied", "y"), ("ing", ""), ("ing", "e"),
    ("ly", ""), ("er", ""), ("er", "e"), ("est", ""), ("est", "e"),
)  # fmt: skip


class NameWindows:
    """Finds the windows.

    Args:
        common: verbs, adjectives, adverbs and the words that hold sentences together.
        irregular: forms of English words that no ending tells, such as "children".
    """

    def __init__(self, lexicon: Lexicon, common: frozenset[str], irregular: frozenset[str] = frozenset()) -> None:
        self._lexicon = lexicon
        self._common = common
        self._irregular = irregular
        self._places = _PEOPLES | _countries() - common
        self._kinds: dict[str, int] = {}

    def __call__(self, text: str) -> Iterator[tuple[int, int]]:
        """Yields (start, end) of the windows, from word to word, in order, none touching another."""
        chunks = [match.span() for match in _CHUNK.finditer(text)]
        first = end = 0
        for place in self._candidates(text, chunks):
            if place - MARGIN > end:
                if end:
                    yield chunks[first][0], chunks[end - 1][1]
                first = place - MARGIN
            end = min(place + MARGIN + 1, len(chunks))
        if end:
            yield chunks[first][0], chunks[end - 1][1]

    def _candidates(self, text: str, chunks: list[tuple[int, int]]) -> Iterator[int]:
        """Places of the words that can be part of a name."""
        if len(self._kinds) > _REMEMBERED:
            self._kinds.clear()
        for place, (start, end) in enumerate(chunks):
            chunk = text[start:end]
            kind = self._kinds.get(chunk)
            if kind is None:
                kind = self._kinds[chunk] = self._kind(chunk)
            if (
                kind & _ALWAYS
                or kind & _INSIDE_SENTENCE
                and not _begins_sentence(text, chunks, place)
                or kind & _BESIDE_NUMBER
                and _beside_number(text, chunks, place)
            ):
                yield place

    def _kind(self, chunk: str) -> int:
        if _PERCENTAGE.fullmatch(chunk):
            return _NEVER
        if _ALWAYS_FORM.search(chunk):
            return _ALWAYS
        kind = _NEVER
        for match in _WORD.finditer(chunk):
            kind |= self._kind_of_word(match[0])
        return kind

    def _kind_of_word(self, word: str) -> int:
        key = word.casefold().removesuffix("'s").removesuffix("\u2019s")
        if key in _DAYS or key in _MONTHS or key in self._places:
            return _ALWAYS
        kind = _BESIDE_NUMBER if key in _ALSO_VERBS else _NEVER
        if len(key) < 2:
            return kind
        parts = re.split(r"['\u2019-]", key)
        named = any(self._is_name(part) for part in parts if len(part) > 1)
        if any(map(str.isupper, word)):
            return kind | self._kind_of_capital(word, parts, named)
        unknown = not all(len(part) < 3 or self._is_word(part) for part in parts)
        double = len(parts) > 1 and all(map(self._is_name, parts))  # "anderson-young"
        lower = any(self._is_lower_name(part) for part in parts if len(part) > 1)
        proper = lower and len(key) > 3 and not any(part in self._common for part in parts) or double
        return _ALWAYS if unknown or proper else kind

    def _kind_of_capital(self, word: str, parts: list[str], named: bool) -> int:
        if word in _SMALL_WORDS:
            return _NEVER
        shouted = len(word) > 1 and word.isupper()
        if named or shouted or not all(self._is_form(part, self._common) for part in parts):
            return _ALWAYS
        return _INSIDE_SENTENCE

    def _is_lower_name(self, word: str) -> bool:
        """A form of a word, such as "cases", is no family name unless it has a capital."""
        lexicon = self._lexicon
        return lexicon.is_lower_name(word) and (word in lexicon.given or not self._is_word(word))

    def _is_name(self, word: str) -> bool:
        return word in self._lexicon.given or word in self._lexicon.family

    def _is_word(self, word: str) -> bool:
        return word in _CONTRACTED or word in self._irregular or self._is_form(word, self._lexicon.ordinary)

    def _is_form(self, word: str, known: frozenset[str]) -> bool:
        """Whether a word, or what it is a form of, is among those known."""
        if word in known:
            return True
        for ending, other in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) > 2:
                stem = word[: -len(ending)]
                doubled = not other and stem[-1] == stem[-2] and stem[:-1] in known  # "planned"
                if stem + other in known or doubled:
                    return True
        return False


def _begins_sentence(text: str, chunks: list[tuple[int, int]], place: int) -> bool:
    if not place:
        return True
    start, end = chunks[place - 1]
    return "\n" in text[end : chunks[place][0]] or _SENTENCE_END.search(text[start:end]) is not None


def _beside_number(text: str, chunks: list[tuple[int, int]], place: int) -> bool:
    around = chunks[max(0, place - 1) : place] + chunks[place + 1 : place + 2]
    return any(character.isdigit() for start, end in around for character in text[start:end])


def _countries() -> frozenset[str]:
    from faker.providers.address.en import Provider

    return frozenset(word[0].casefold() for name in Provider.countries for word in _WORD.finditer(name))


@functools.lru_cache(maxsize=2)
def load_common(model: Path) -> frozenset[str]:
    """Verbs, adjectives, adverbs and stop words of a spaCy model (its data folder): no word that is only a noun."""
    from spacy.lang.en.stop_words import STOP_WORDS
    from spacy.lookups import Lookups
    from spacy.strings import StringStore

    index: Any = Lookups().from_disk(model / "lemmatizer" / "lookups").get_table("lemma_index")
    key = StringStore().add
    return frozenset(STOP_WORDS).union(*(index[key(part)] for part in ("verb", "adj", "adv")))


@functools.lru_cache(maxsize=2)
def load_irregular(model: Path) -> frozenset[str]:
    """Forms of a spaCy model's words that no ending tells: "seen", "children", "easier"."""
    from spacy.lookups import Lookups
    from spacy.strings import StringStore

    forms: Any = Lookups().from_disk(model / "lemmatizer" / "lookups").get_table("lemma_exc")
    key = StringStore().add
    return frozenset(["women"]).union(*(forms[key(part)] for part in ("verb", "noun", "adj", "adv")))
