"""Whether a name is a place's, by what stands around it and in it.

She flew to Sydney.        in Quinta de Noor 3610-114        Southern Tunisia        They deliver to Antrim and Larne.
"""

from __future__ import annotations

import re

from governance.pii import vocabulary
from governance.pii.lexicon import Lexicon

_WORD = re.compile(r"[^\W\d_][\w'\u2019-]*")
_PEOPLE = re.compile(rf"(?:{vocabulary.PEOPLES})(?:s|es|mans)?", re.IGNORECASE)
_LIST_JOINT = re.compile(r",? (?:and|or|&) |, ", re.IGNORECASE)
#: What is said of places alone, also where the word may be a person's name: "flew to Sydney", "grew up in Florence".
_FIRMLY_PLACE_BEFORE = re.compile(
    r"\b(?:(?:fl(?:y|ies|ew|ying|ights?)|trains?|bus|buses|ferry|drove|drive|driving|trips?|travel\w*|commut\w+|moved?"
    r"|moves"
    r"|moving|relocat\w+|emigrated|journey|road|route)(?: (?:here|back|there|home|over"
    r"|out))?"
    r" (?:to|from|via|through)|originally from|arrived? (?:in|at)|(?:grew up|raised|liv(?:e|es|ed|ing)|born|based"
    r"|resident|domiciled"
    r"|resid(?:e|es|ed|ing)|weather|clinic|hospital|offices?|branch|shop|store|warehouse|school|studi(?:ed|es)|study"
    r"|died|buried"
    r"|hotel|flat|house|apartment|property|court|hearing|holidays?|vacation|still|now|currently|here|back|staying"
    r"|stayed|stay"
    r"|live now|i'm|im|am|are you|team|airport|university|college|meeting|conference|trip|weekend|christmas|customers?"
    r"|somewhere"
    r"|settled|worked|job) in|(?:clinic|hotel|somewhere|place|anywhere|parking) near"
    r"|(?:home ?town|home city|place of birth|birthplace)(?: is| was|:)?|(?:city|town|village|county|province"
    r"|district) of"
    r"|business trip to|years? old,? from|(?:someone|woman|man|people|student) from|late of|outside) $",
    re.IGNORECASE,
)
#: What is said of people as well: it decides about what the model takes for a firm, which a policy may keep.
_OFTEN_PLACE_BEFORE = re.compile(
    r"\b(?:(?:return(?:s|ed|ing)?|tickets?)(?: (?:here|back|there|home|over|out))? (?:to|from|via)|(?:used|seen) in"
    r"|(?:is|are|live|lives|lived) near|where(?: is| was|:)?|(?:mother|father|parents?|family|friend|comes?|came|letter"
    r"|sent|writing|calling|shipped) from|(?:deliver|ship)(?:s|y|ped|ing)? (?:to|in)) $",
    re.IGNORECASE,
)
#: What `_FIRMLY_PLACE_BEFORE` and `_IN_BEFORE` end in: most names have none of these before them.
_LAST_WORDS = frozenset(
    vocabulary.split("in from to near via through at of outside is was town city hometown birth birthplace where")
)
_DIRECTIONS = frozenset(("northern", "southern", "eastern", "western", "central", "north", "south", "east", "west"))
#: Particles inside of a town's name, and hardly inside of a firm's.
_TOWN_PARTICLES = frozenset(
    ("de", "del", "la", "da", "do", "di", "u", "nad", "pod", "sur", "upon", "am", "bij", "sous", "los")
)
_IN_BEFORE = re.compile(r"\b(?:in|near|from|to|via|at|of) $", re.IGNORECASE)
_IN_ALONE_BEFORE = re.compile(r"\bin $", re.IGNORECASE)
_CODE_AFTER = re.compile(
    rf",? (?:(?:[A-Z]{{1,2}}-)?(?:\d{{5,8}}|\d{{5}}-\d{{3,4}}|\d{{4}}-\d{{3}}|\d{{2}}-\d{{3}}|\d{{3}} \d{{2}}"
    rf"|\d{{4}} ?[A-Z]{{2}})"
    rf"|{vocabulary.LETTERED_CODE})(?![\w-]|[.,]\d)"
)
_CELL_BEFORE = re.compile(r"(?:, | ?[|;\t] ?)$")
_NUMBER_AFTER = re.compile(r" ?[,|;] ?[+(]?\d")
_CELL_AFTER = re.compile(r" ?(?:[,;.|\t\n]|$)| \(| - ")


def is_placed(text: str, span: tuple[int, int], entity: str, words: list[str], lexicon: Lexicon) -> bool:
    """Whether what stands around a name, or in it, is said of places alone.

    A policy that keeps firms would keep the town that is taken for one.
    """
    start, end = span
    value = text[start:end]
    key = value.casefold()
    before = text[max(0, start - 40) : start]
    if _is_other(value, entity, words) or text[end : end + 2] in ("'s", "\u2019s"):
        return False
    place = lexicon.is_place(key)
    if words[0] in _DIRECTIONS and lexicon.is_place(" ".join(words[1:])):
        return True
    if lexicon.is_country(key) and words[0] not in lexicon.given:
        return True
    words_before = before.split()
    if before[-1:] == " " and words_before and words_before[-1].strip('(:"').casefold() in _LAST_WORDS:
        return _is_behind_preposition(text, span, entity, words, lexicon)
    if not place or not _CELL_BEFORE.search(before) or not _CELL_AFTER.match(text, end):
        return False
    return not any(map(lexicon.is_name, words)) or _NUMBER_AFTER.match(text, end) is not None


def _is_behind_preposition(text: str, span: tuple[int, int], entity: str, words: list[str], lexicon: Lexicon) -> bool:
    """Whether a name behind "in", "from" and the like is a place's."""
    start, end = span
    value = text[start:end]
    place = lexicon.is_place(value.casefold())
    before = text[max(0, start - 40) : start]
    often = entity != "PERSON" and _OFTEN_PLACE_BEFORE.search(before) is not None
    if len(words) < 6 and (often or _FIRMLY_PLACE_BEFORE.search(before)):
        named = len(words) > 1 and any(map(lexicon.is_name, words))
        other = named or _is_acronym(value) or all(map(lexicon.is_ordinary, words)) or value.islower()
        if place and not lexicon.is_full_name(words) or not other:
            return True
    if _IN_BEFORE.search(before) and _CODE_AFTER.match(text, end):
        return True
    if _IN_BEFORE.search(before) and not _TOWN_PARTICLES.isdisjoint(words[1:-1]) and words[0] not in lexicon.given:
        return True
    if _IN_ALONE_BEFORE.search(before):
        named = lexicon.is_full_name(words)
        if lexicon.is_place(words[0]) and (not named or place):
            return True
        return entity in ("ORGANIZATION", "NRP") and not named and _is_plain(value, words, lexicon)
    return False


def _is_other(value: str, entity: str, words: list[str]) -> bool:
    """Whether the words themselves say that it is no place: a firm's form, a people, "Tuesday"."""
    if entity == "NRP" and _PEOPLE.fullmatch(value):
        return True
    return not vocabulary.FIRM_WORDS.isdisjoint(words) or value.casefold() in vocabulary.NOT_NAMES


def _is_acronym(value: str) -> bool:
    return len(value) < 5 and value.isupper()


def _is_plain(value: str, words: list[str], lexicon: Lexicon) -> bool:
    """Whether a name is written as towns are: no digits, no capitals inside, no ordinary words."""
    plain = all(part[:1].isupper() and part[1:].islower() for part in re.split(r"[ -]", value)) or value.isupper()
    return (
        plain
        and len(words) < 4
        and len(value) > 3
        and not any(map(lexicon.is_ordinary, words))
        and not _is_acronym(value)
    )


def listed_places(text: str, start: int, end: int, lexicon: Lexicon) -> list[tuple[int, int]]:
    """(start, end) of the towns of "Antrim, Larne and Ballymena" behind "deliver to", or half of which are known; empty
    for anything else, as "Hobart, Keene and Lyle".
    """
    items, position = [], start
    for joint in (*_LIST_JOINT.finditer(text, start, end), None):
        last = joint.start() if joint is not None else end
        items.append((position, last))
        position = joint.end() if joint is not None else end
    if len(items) < 2 or not all(a < b and text[a].isupper() for a, b in items):
        return []
    keys = [text[a:b].casefold() for a, b in items]
    known = sum(lexicon.is_place(key) and not lexicon.is_name(key) for key in keys)  # three surnames are a firm's
    before = text[max(0, start - 40) : start]
    named = any(map(lexicon.is_name, _WORD.findall(text[start:end].casefold())))
    firmly = _FIRMLY_PLACE_BEFORE.search(before) is not None and not named
    words = {word.group() for word in _WORD.finditer(text[start:end].casefold())}
    if not vocabulary.FIRM_WORDS.isdisjoint(words) or "&" in text[start:end]:
        return []
    return items if firmly or known * 2 >= len(items) and known > 1 else []
