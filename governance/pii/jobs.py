"""Somebody's job, where its place says whose it is: "nurse" alone is an ordinary word.

Ann Oaks              She works for Vantero as a pipe fitter.
Senior pipe fitter    Ann Oaks, the pipe fitter, said that ...
Vantero Ltd
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from governance.pii import vocabulary as words
from governance.pii.lexicon import Lexicon

#: (type, start, end) in a text.
Piece = tuple[str, int, int]

_MOST_WORDS = 7
_WORD = r"[^\W\d_](?:[^\W\d_]|['\u2019-])*"
#: Words of a job: "Court, municipal and licence clerk".
JOB = rf"{_WORD}(?:,?(?: (?:and|of|&))?[ /]{_WORD}){{0,6}}"
#: What follows a name, up to the end of the line below it, or of the one below that where it is blank.
_BELOW = re.compile(rf"[ \t,]*\n(?:[ \t>*|\u2022-]*\n)?[ \t>*|\u2022-]*(?P<v>{JOB})[ \t,]*(?=\n)", re.IGNORECASE)
_BESIDE = re.compile(rf", (?:the|an|a|our|their|my|his|her) (?P<v>{JOB}?)(?=,|\.|;|\n|$)")
#: How the name of one who does something ends, and words that end so and name nobody.
_DOER = re.compile(
    r"[^\W\d_]*(?:[^\W\d_]{2}(?:er|or)|ist|ian|ant|man|woman|wife)|clerk|nurse|chief|executive|representative|agent|aide"
    r"|guard|pilot|cook|chef|attorney|surgeon|analyst|lead|intern|president|trainee|apprentice|associate|judge|dean"
    r"|advocate|waitress|actress|hostess"
)
_NO_DOER = frozenset(
    words.split(
        """man woman member leader owner player starter closer winner number order letter paper offer computer
    river water other another father mother brother sister daughter center cover over after under summer winter
    color colour error corner folder header footer power tower per sector motor factor minor major floor door
    honor honour labor labour harbor harbour flyer poster chapter register server browser printer scanner
    monitor router newsletter discover filter barrier buffer carrier cancer fever liver ulcer tumor matter
    answer layer marker timer meter metre liter litre fiber fibre tiger whether either neither rather together
    former latter better greater larger smaller lower higher upper inner outer further never ever however vector
    mirror favor favour flavor terror indoor outdoor prior junior senior superior exterior interior anterior
    posterior important significant constant instant relevant distant pregnant plant grant want warrant covenant
    restaurant elephant hydrant list exist consist assist persist resist twist wrist human german roman median
    christian indian asian december november october september sender voucher disorder reminder container
    wrapper charger"""
    )
)


_DEGREES = ("MD", "DO", "MA", "PA")
_CODE_BEHIND = re.compile(r",?\s+\d{5}")
_WORDS_BEFORE = re.compile(r"[^\W\d_]+(?: [^\W\d_]+)?$")


def jobs(text: str, people: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    """Yields the jobs of people as TITLE.

    Args:
        people: (start, end) of their names.
    """
    for start, end in people:
        alone = not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t>*|\u2022-")
        for pattern in (_BELOW, _BESIDE) if alone else (_BESIDE,):
            match = pattern.match(text, end)
            if match is not None and job(match["v"]):
                yield "TITLE", *match.span("v")


def job(text: str) -> int:
    """The whole length where the last word says what somebody does; 0 for none."""
    found = re.findall(r"[^\W\d_]+", text.casefold())
    if not 0 < len(found) <= _MOST_WORDS or found[-1] in _NO_DOER:
        return 0
    return len(text) if _DOER.fullmatch(found[-1]) else 0


def is_credential(text: str, start: int, end: int, lexicon: Lexicon | None) -> bool:
    """Whether two letters behind a name are a degree and no state: "Maren Oakley, MD"."""
    if text[start:end] not in _DEGREES or text[:start][-2:] != ", " or _CODE_BEHIND.match(text, end):
        return False
    before = _WORDS_BEFORE.search(text, max(0, start - 40), start - 2)
    if before is None or lexicon is None:
        return False
    words_before = before.group().casefold().split()
    return lexicon.is_full_name(words_before) or not lexicon.is_place(words_before[-1])
