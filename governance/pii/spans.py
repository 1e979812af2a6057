"""What happens to findings after the search: mended at their edges, carried through the text, made disjoint."""

from __future__ import annotations

import bisect
import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from governance.pii import vocabulary
from governance.pii.entities import ALL_TYPES, NER_TYPES, RANK, rank
from governance.pii.jobs import is_credential
from governance.pii.kinds import ALWAYS_PERSON_BEFORE, NAMED, PERSON_BEFORE, TRAVEL_BEFORE, kind_of
from governance.pii.lexicon import Lexicon
from governance.pii.peoples import people_before_body
from governance.pii.places import listed_places


@functools.cache
def tags_of(entities: frozenset[str]) -> re.Pattern[str]:
    """What a filter has written earlier for these types: <PERSON_3fa2b1c4>, <US_SSN>."""
    return re.compile(rf"<(?:{'|'.join(sorted(entities))})(?:_[0-9a-f]{{8}})?>")


TAG = tags_of(ALL_TYPES)

_BEFORE_NAME = re.compile(
    r"[\W_]*(?:(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Dear|Hello|Hi|Thanks|Client|Surname|Patient|Pt|Customer|Mtg|Re|Attn|v"
    r"|vs)\b[.,]?\s*)*"
)
_DATE_SHAPE = re.compile(vocabulary.DATE_SHAPE, re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_PEOPLE = re.compile(rf"(?:{vocabulary.PEOPLES})(?:s|es|mans)?", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_][\w'\u2019-]*")
_LINE = re.compile(r"[^\n]+")
_PART = re.compile(r"(?:(?! vs?\. |: | - )[^\n|/;\t])+")
_JOINT = re.compile(r", | and | from | on | at | as ")
#: A postal code that was taken for a part of a town's name.
_CODE_AT_END = re.compile(
    r",? (?:[A-Z]{1,2}-)?(?:\d{5,8}|\d{4}-\d{3}|\d{2}-\d{3}|\d{3} \d{2}|(?!1[89]|20)\d{4})$|, \d[\d/.-]*$"
)
_STATE_CODES = frozenset({*vocabulary.STATES, "AA", "AE", "AP", "NZ", "D.C"})
_MORE_OF_NAME = re.compile(rf"(?:[ \u00a0](?:{vocabulary.PARTICLES})){{0,2}}[ \u00a0](?P<last>{vocabulary.NAME_WORD})")
_EPONYM = re.compile(vocabulary.EPONYM)
_MEDICAL = re.compile(vocabulary.MEDICAL_ENDING)


@dataclass(frozen=True)
class Finding:
    """Personal data in a text: character offsets, end exclusive, Presidio's entity name.

    `full_name` is set on a part of a name whose owner the text tells (`mentions`); it takes no part in a comparison.
    """

    start: int
    end: int
    type: str
    score: float
    full_name: str | None = field(default=None, compare=False, repr=False)


def cleaned(text: str, findings: Iterable[Finding], lexicon: Lexicon | None) -> Iterator[Finding]:
    """Mends what a small model gets wrong: line breaks, titles, possessives, ordinary words."""
    for finding in findings:
        if finding.type not in NER_TYPES:
            yield finding
            continue
        if lexicon is not None and finding.type in ("ORGANIZATION", "PERSON"):
            places = listed_places(text, finding.start, finding.end, lexicon)
            yield from (Finding(start, end, "LOCATION", finding.score) for start, end in places)
            if places:
                continue
        for start, end in _divided(text, finding, lexicon):
            start, end = _trimmed(text, start, end)
            entity = kind_of(text, start, end, finding.type, lexicon)
            if entity == "PERSON":
                end = _completed(text, start, end, lexicon)
            if end > start and _is_plausible(text, start, end, entity, lexicon):
                yield Finding(start, end, entity, finding.score)


def _divided(text: str, finding: Finding, lexicon: Lexicon | None) -> Iterator[tuple[int, int]]:
    """Parts of what was found as one: lines; for names also cells, speakers, and what follows a person's full name."""
    pattern = _PART if finding.type in NAMED else _LINE
    for match in pattern.finditer(text, finding.start, finding.end):
        start, end = match.span()
        if finding.type == "ORGANIZATION":
            start += people_before_body(text[start:end])
        if finding.type in NAMED and (code := _CODE_AT_END.search(text, start, end)):
            end = code.start()
        while (comma := _JOINT.search(text, start, end)) is not None:
            first = [word.group().casefold() for word in _WORD.finditer(text, start, comma.start())]
            rest = [word.group().casefold() for word in _WORD.finditer(text, comma.end(), end)]
            person = finding.type == "ORGANIZATION" and _are_a_person(first, rest, lexicon)
            if (
                not person
                and not (finding.type == "PERSON" and _are_ordinary(rest, lexicon))
                and comma[0] in (", ", " and ")
            ):
                break
            yield start, comma.start()
            start = comma.end()
        yield start, end


def _are_a_person(words: list[str], behind: list[str], lexicon: Lexicon | None) -> bool:
    """Whether words are a full name, or a given name in front of a firm: "Brittany and Norbert, Oakhurst Partners"."""
    if lexicon is None or not words:
        return False
    firm = bool(behind) and behind[-1] in vocabulary.FIRM_WORDS
    return lexicon.is_full_name(words) or firm and len(words) == 1 and lexicon.is_given(words[0])


def _completed(text: str, start: int, end: int, lexicon: Lexicon | None) -> int:
    """End of a person's name that goes on: capitalised words that name nothing else, particles between them."""
    for _ in range(3):
        match = _MORE_OF_NAME.match(text, end)
        if match is None or text[start:end].isupper() != match["last"].isupper():
            break
        word = match["last"].casefold().removesuffix("'s").removesuffix("\u2019s")
        if word in vocabulary.NOT_NAMES or word in vocabulary.FIRM_WORDS or word in vocabulary.NO_ENTITY:
            break
        if lexicon is not None and (word in lexicon.ordinary or lexicon.is_place(word)) and not lexicon.is_name(word):
            break
        end = match.end() - (len(match["last"]) - len(word))
    return end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    match = _BEFORE_NAME.match(text[start:end])
    start += match.end() if match else 0
    while end > start and not (text[end - 1].isalnum() or text[end - 1] == ")"):
        end -= 1
    if text[start:end].endswith(("'s", "\u2019s", "'S", "\u2019S")):
        end -= 2
    return start, end


def _is_plausible(text: str, start: int, end: int, entity: str, lexicon: Lexicon | None) -> bool:
    value = text[start:end]
    if entity == "DATE_TIME":  # "the taxable year" and "30 days" say nothing about anybody
        return _DATE_SHAPE.search(value) is not None or _YEAR.fullmatch(value) is not None
    letters = sum(map(str.isalpha, value))
    if letters < 2 or sum(map(str.isdigit, value)) > letters:  # "08/18/2019", "Q-28809"
        return False
    words = [word.group().casefold() for word in _WORD.finditer(value)]
    if all(word in vocabulary.NO_ENTITY for word in words):
        return False
    if entity == "NRP" and _PEOPLE.fullmatch(value):
        return True
    at_line_start = not text[:start].rstrip(" ") or text[:start].rstrip(" ")[-1] in "\n:|>"
    if (
        entity == "ORGANIZATION"
        and (at_line_start and len(words) < 2 or value.isupper())
        and _are_ordinary(words, lexicon)
    ):
        return False
    if entity != "ORGANIZATION" and _is_term(text, start, end, words, lexicon):
        return False
    if entity == "ORGANIZATION" and len(words) < 2 and _EPONYM.match(text, end):
        return False
    if entity != "PERSON":
        return not is_credential(text, start, end, lexicon)
    if ALWAYS_PERSON_BEFORE.search(text[max(0, start - 16) : start]) and value[0].isupper():
        return True  # also "Dr. House"
    if any(map(str.isdigit, value)) or all(word in vocabulary.NOT_NAMES for word in words):
        return False
    return not _are_ordinary(words, lexicon)


def _is_term(text: str, start: int, end: int, words: list[str], lexicon: Lexicon | None) -> bool:
    """Whether a word that no list knows as a name is a term: an eponym, an abbreviation, a word in lower case."""
    value = text[start:end]
    before = text[max(0, start - 24) : start]
    if PERSON_BEFORE.search(before) or TRAVEL_BEFORE.search(before) or lexicon is None:
        return False
    known = any(map(lexicon.is_name, words)) or lexicon.is_place(value.casefold()) or value in _STATE_CODES
    if not known and value.islower() and not text.islower():
        return True
    if not known and len(words) == 1 and len(value) < 6 and sum(map(str.isupper, value)) > 1:
        around = text[max(0, start - 40) : end + 40]
        return not around.isupper() or len(value) < 3 and "." not in value
    if not known and any(_MEDICAL.search(word) for word in words):
        return True
    if lexicon.is_full_name(words) and not _EPONYM.search(value):
        return False
    return _EPONYM.search(value) is not None or len(words) < 3 and _is_eponym(text, value)


@functools.lru_cache(maxsize=256)  # a list of names says the same one again and again
def _is_eponym(text: str, value: str) -> bool:
    """Whether a disease or the like is called after this name somewhere in the text."""
    position = text.find(value)
    while position >= 0:
        if _EPONYM.match(text, position + len(value)):
            return True
        position = text.find(value, position + 1)
    return False


def _are_ordinary(words: Iterable[str], lexicon: Lexicon | None) -> bool:
    """Whether no word of these can be a name: "Proof", "Taxpayer Name"."""
    if lexicon is None:
        return False
    return all(map(lexicon.is_ordinary, words))


def propagated(text: str, findings: list[Finding], lexicon: Lexicon | None) -> list[Finding]:
    """A full name that was found once is found wherever it, or a part of it, stands in that text."""
    by_word: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        if finding.type != "PERSON":
            continue
        name = text[finding.start : finding.end].casefold()
        parts = _parts(name, lexicon) if " " in name else []
        for part in [name, *parts]:
            if len(part) > 2 and (first := _WORD.match(part)):
                by_word[first.group()].add(part)
    if not by_word:
        return findings
    return findings + [
        Finding(start, end, "PERSON", 0.5) for start, end in _mentions(text, by_word) if text[start].isupper()
    ]


def _parts(name: str, lexicon: Lexicon | None) -> list[str]:
    """The words of a name that can stand for it alone."""
    words = [word.group() for word in _WORD.finditer(name)]
    ordinary = lexicon.is_ordinary if lexicon else vocabulary.NOT_NAMES.__contains__
    return [word for word in words if word not in vocabulary.NOT_NAMES and not ordinary(word)]


def _mentions(text: str, by_word: dict[str, set[str]]) -> Iterator[tuple[int, int]]:
    for word in _WORD.finditer(text):
        key = word.group().casefold()
        for spelling in {key, key.removesuffix("'s").removesuffix("\u2019s")}:
            for part in by_word.get(spelling, ()):
                end = word.start() + len(part)
                if text[word.start() : end].casefold() == part and not text[end : end + 1].isalnum():
                    yield word.start(), end


def disjoint(text: str, findings: Iterable[Finding], tags: re.Pattern[str] = TAG) -> list[Finding]:
    """Makes findings disjoint, leaves tags of an earlier filtering alone, and sorts by start.

    Of two that overlap, what has a fixed form wins over what is guessed (`RANK`), then the longer one, the
    one with the higher score, the earlier one, and last the type's name: no order of searching decides. What
    sticks out of the loser stays a finding of its own type: nothing that was found is left in the text.
    """
    taken = [match.span() for match in tags.finditer(text)]
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (rank(f.type), f.start - f.end, -f.score, f.start, f.type)):
        for start, end in list(_free(taken, finding.start, finding.end)):
            if (start, end) != (finding.start, finding.end):
                start, end = _rest(text, start, end, finding.type)
            if end > start:
                kept.append(Finding(start, end, finding.type, finding.score))
                bisect.insort(taken, (start, end))
    return sorted(kept, key=lambda f: f.start)


def _free(taken: list[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of [start, end) outside of the intervals taken, which are sorted and disjoint."""
    index = bisect.bisect_left(taken, (start, start))
    if index and taken[index - 1][1] > start:
        start = taken[index - 1][1]
    while index < len(taken) and taken[index][0] < end:
        if start < taken[index][0]:
            yield start, taken[index][0]
        start = taken[index][1]
        index += 1
    if start < end:
        yield start, end


def _rest(text: str, start: int, end: int, entity: str) -> tuple[int, int]:
    """Trims what is left of a finding; empty when it says nothing: "SSN" before the number, a bracket."""
    while start < end and not text[start].isalnum() and text[start] not in "+(":
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    value = text[start:end]
    words = [word.group().casefold() for word in _WORD.finditer(value)]
    silent = all(word in vocabulary.NO_ENTITY or word in vocabulary.NOT_NAMES for word in words)
    guessed = rank(entity) == RANK["PERSON"]
    if sum(map(str.isalnum, value)) < 3 or guessed and (silent or not any(map(str.isupper, value))):
        return start, start
    return start, end
