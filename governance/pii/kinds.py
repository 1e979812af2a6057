"""What a name is of: a small model mixes up people, places, firms and peoples. Known names, and the words before and
behind, decide.
"""

from __future__ import annotations

import re

from governance.pii import vocabulary
from governance.pii.lexicon import Lexicon
from governance.pii.names import has_town_form
from governance.pii.places import is_placed

#: Types that the model mixes up.
NAMED = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "NRP"})

_WORD = re.compile(r"[^\W\d_][\w'\u2019-]*")
_STATES = f"{'|'.join(vocabulary.STATES)}|(?i:{'|'.join(vocabulary.STATES.values())})"
_STATE_AFTER = re.compile(rf", (?:{_STATES})$")
_STATE = re.compile(rf" (?:{_STATES})$")
_ZIP_AFTER = re.compile(r",?\s+\d{5}")
_PLACE_BEFORE = re.compile(
    r"\b(?:in|near|into|around|outside|across|visit|[Cc]ity|[Tt]own|[Cc]ountry|(?:old|is|are|was|were|people|someone"
    r"|student"
    r"|man|woman|arrived|back|home) from|(?:mov|travel|fl[iye]|back|sent|shipp|driv)\w* to):? $"
)
TRAVEL_BEFORE = re.compile(
    r"\b(?:(?:moved|move|moving|travel|travels|traveled|travelled|flight|fly|flew|drive|trip|train|bus|return(?:ed)?)"
    r"(?: here)? (?:to|from)"
    r"|originally from|arrived at|(?:home )?(?:city|town)|[Ww]here:|place of birth|order sent to"
    r"|(?:born|lives?|lived|living|arrived?|stay(?:ed|ing)?|based|offices?|office|raised"
    r"|grew up|are you|im|i'm|I'm) in|years old, from) $"
)
PERSON_BEFORE = re.compile(
    r"\b(?:belongs to|spoke (?:to|with)|talk(?:ed|ing)? (?:to|with)|[Tt]ell|told|ask|asked|met|met with|with|[Nn]amed"
    r"|called|brought in by|written by|signed by|married(?: to)?|[Hh]ey|[Hh]ey its|[Yy]o|[Tt]hx|[Tt]hanks|lol|omg"
    r"|[Dd]ear|name is|[Hh]ello|[Hh]i|[Ss]pouse|wife|husband|son|daughter|brother|sister|mother|father|[Cc]lient"
    r"|[Cc]ustomer|[Pp]atient|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|[Aa]s|that|starring|shouted at|gender of|[Ll]ove,"
    r"|[Aa]ccording to|[Tt]hank you),? $"
)
ALWAYS_PERSON_BEFORE = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Dr|Miss|Prof|MR|MRS|MS|DR)\.?[ \u00a0]$|\b(?:[Ll]ast|[Ff]irst|[Ss]ur)[ -]?name\?[ \n]$"
)
_PERSON_AFTER = re.compile(
    r" (?:said|says|wrote|writes|asked|asks|called|told|thinks|replied|lives|lived|moved|works|married|turned|was born"
    r"|spent|has given|had given|shouted|is from|remembers|knows|died|arrived|joined|resigned|v\. )"
    r"|['\u2019]s (?:wife|husband|son|parents|mother|father|account|number|kids?|killer|address|phone|birthday)"
)
_SPEAKER_BEFORE = re.compile(r"(?:^|\n|\] ?)[ >-]*$")
_SPEAKER_AFTER = re.compile(r" ?:(?!\d)")


def kind_of(text: str, start: int, end: int, entity: str, lexicon: Lexicon | None) -> str:
    """A small model mixes up people, places, firms and peoples: known names and the words around decide."""
    value = text[start:end].casefold()
    words = [word.group() for word in _WORD.finditer(value)]
    if lexicon is None or entity not in NAMED or not words or any(map(str.isdigit, value)):
        return entity
    if "&" in value or words[-1] in vocabulary.FIRM_WORDS and len(words) > 1:
        return entity if entity == "PERSON" else "ORGANIZATION"  # a firm that is kept hides no person in its name
    if _STATE_AFTER.search(text[start:end]) or _STATE.search(text[start:end]) and _ZIP_AFTER.match(text, end):
        return "LOCATION"
    titled = ALWAYS_PERSON_BEFORE.search(text[max(0, start - 16) : start]) is not None
    if not titled and is_placed(text, (start, end), entity, words, lexicon):
        return "LOCATION"
    return _by_context(text, start, end, entity, words, lexicon)


def _by_context(text: str, start: int, end: int, entity: str, words: list[str], lexicon: Lexicon) -> str:
    """The type that the lists and the words before and behind give."""
    value = text[start:end].casefold()
    place, name = lexicon.is_place(value), all(map(lexicon.is_name, words))
    before, after = text[max(0, start - 24) : start], text[end : end + 12]
    if not name and has_town_form(text[start:end], lexicon) and not PERSON_BEFORE.search(before):
        return "LOCATION"
    if lexicon.is_full_name(words) and not place:
        return "PERSON"
    if _SPEAKER_BEFORE.search(before) and _SPEAKER_AFTER.match(after) and len(words) == 1 and not place:
        return "PERSON"
    if entity == "ORGANIZATION" and any(word in vocabulary.FIRM_WORDS for word in words):
        return entity
    if ALWAYS_PERSON_BEFORE.search(before):
        return "PERSON"
    if PERSON_BEFORE.search(before) or _PERSON_AFTER.match(after) and not _PLACE_BEFORE.search(before):
        return "LOCATION" if place and not name else "PERSON"
    if place and entity != "LOCATION" and (not name or _PLACE_BEFORE.search(before)):
        return "LOCATION" if entity != "NRP" else entity
    if entity in ("PERSON", "ORGANIZATION") and not name and len(words) < 3 and TRAVEL_BEFORE.search(before):
        return "LOCATION"
    if entity == "PERSON":
        return "LOCATION" if _PLACE_BEFORE.search(before) and not name and len(words) < 3 else entity
    if len(words) == 1 and lexicon.is_given(words[0]) and not place and not _PLACE_BEFORE.search(before):
        return "PERSON"
    if entity == "ORGANIZATION" and _may_be_a_person(text[start:end], words, lexicon):
        return "PERSON"
    return entity


def _may_be_a_person(value: str, words: list[str], lexicon: Lexicon) -> bool:
    """Whether nothing says that this is a firm: a surname, or words that are a name or nothing. A policy that keeps
    firms would keep the person."""
    parts = value.split()
    if len(words) > 3 or value.isupper() or not all(part[0].isupper() for part in parts):
        return False
    if len(parts) > 1 and (parts[-1].isupper() or parts[-1].count(".") > 1):  # "Brevik Turbin AS", "Dvorna s.r.o."
        return False
    if len(words) == 1:
        return lexicon.is_name(words[0])
    if len(words) == 2 and words[0] in lexicon.given and words[1] in lexicon.family:
        return True
    return not any(word in lexicon.ordinary or word in vocabulary.NOT_NAMES for word in words)
