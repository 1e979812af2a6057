"""Postal addresses that stand in lines below each other, in any country's way of writing them.

    >Thyra Nygaard               who, or which firm
    >Nygaard Skov                the same
    >518 ul. Olchowa 37          a street: found by a rule, or a number, words, perhaps a number
    >Apt. 264                    a unit
    >Gdynia                      a town
    >Poland 46218                a country or region, and a postal code

One line alone says little: "518 Olchowa 37" may be anything. Lines that follow each other say what each of them is. A
block counts from its street to the last line that only an address has: a unit, a postal code, a country.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from governance.pii import vocabulary as words
from governance.pii.lexicon import Lexicon

#: (type, start, end) in a text.
Piece = tuple[str, int, int]

#: Marks of quotations and lists at the beginning of a line.
_MARKS = " \t>?*|\u2022-"
_WORD = r"[^\W\d_][\w'\u2019.-]*"
_UNIT = r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Piso|Door)\b\.?[ ]?(?:No\.?[ ]?)?#?[ ]?\w{1,6}\.?"
_IS_UNIT = re.compile(_UNIT, re.IGNORECASE)
_IS_CODE = re.compile(r"(?:[A-Z]{1,2}-)?\d{3,6}(?:[ -]\d{2,4})?|\d{4} ?[A-Z]{2}")
_IS_REGION = re.compile(r",? ?[A-Z]{2,3}\.?")
_IS_TOWN = re.compile(rf"{_WORD}(?:[ ,/-]+\(?{_WORD}\)?){{0,4}}")
_IS_FIRM = re.compile(rf"{words.NAME_WORD}, {words.NAME_WORD} (?:and|&) {words.NAME_WORD}")
_POSTAL = r"(?P<code>(?:[A-Z]{1,2}-)?\d{3,6}(?:[ -]\d{2,4})?)"
_PLACE = rf"(?P<place>{_WORD}(?:[ ,/-]+\(?(?!nan\b){_WORD}\)?){{0,4}})"
#: "nan" is an empty cell that became text.
_IS_TAIL = re.compile(rf"{_PLACE},?[ ](?:nan[ ])?{_POSTAL}")
_IS_CODE_FIRST = re.compile(rf"{_POSTAL}[ ]{_PLACE}")
_IS_STREET = re.compile(
    rf"\d{{1,6}}[A-Za-z]?,?(?:[ ]\d{{1,4}})?(?:[ ]{_WORD}){{1,5}}(?:[ ]\d{{1,5}}[\w./-]{{0,4}})?(?:,?[ ]{_UNIT})?",
    re.IGNORECASE,
)
#: What every line with a street has in it, where it begins or anywhere.
_STREET_LINE = re.compile(r"\d[^\n]*\n")
_MOST_LINES = 7


@dataclass(frozen=True)
class _Line:
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def address_blocks(text: str, streets: Iterable[tuple[int, int]], lexicon: Lexicon) -> Iterator[Piece]:
    """Yields what the lines of address blocks are: streets, units, towns, codes, and who lives there.

    Args:
        streets: (start, end) of what rules have found.
    """
    if "\n" not in text or _STREET_LINE.search(text) is None:
        return
    lines = _lines(text)
    found = sorted(streets)
    quiet = not any(map(str.isupper, text))
    place = 0
    while place < len(lines):
        line = lines[place]
        known = any(line.start <= start < line.end for start, _ in found)
        if not known and not _may_be_street(line.text, quiet):
            place += 1
            continue
        pieces, used = _behind(lines, place + 1, known, lexicon, quiet)
        if pieces:
            yield from _street(line)
            yield from pieces
            yield from _above(lines, place, lexicon, quiet)
        place += 1 + used


def _lines(text: str) -> list[_Line]:
    """Without marks at the beginning, and space and commas at the end."""
    lines, start = [], 0
    for line in text.split("\n"):
        content = line.lstrip(_MARKS)
        lines.append(_Line(start + len(line) - len(content), content.rstrip(" \t,")))
        start += len(line) + 1
    return lines


def _may_be_street(line: str, quiet: bool) -> bool:
    """A number, words, perhaps a number; in capitals, unless nothing in the text is."""
    if not _IS_STREET.fullmatch(line):
        return False
    inner = re.findall(_WORD, line)
    if {word.casefold().strip(".") for word in inner} & words.NUMBERED - {"suite", "apt", "unit", "floor", "box"}:
        return False
    return quiet or any(word[0].isupper() for word in inner)


def _street(line: _Line) -> Iterator[Piece]:
    match = _IS_STREET.match(line.text)
    if match is not None:
        yield "STREET_ADDRESS", line.start + match.start(), line.start + match.end()


def _behind(lines: list[_Line], first: int, known: bool, lexicon: Lexicon, quiet: bool) -> tuple[list[Piece], int]:
    """The pieces of the lines below a street, up to the last one that only an address has, and how many lines.

    Args:
        known: that it is a street; where a number and words may be anything, "Total 4500" below them proves nothing.
    """
    pieces: list[Piece] = []
    sure = used = 0
    blank = False
    for number, line in enumerate(lines[first : first + _MOST_LINES], 1):
        if not line.text:
            if blank:
                break
            blank = True
            continue
        kind = _kinds(line, known or any(kind == "LOCATION" for kind, _, _ in pieces), lexicon, quiet)
        if kind is None:
            break
        blank = False
        certain, of_line = kind
        known = known or certain
        pieces += of_line
        if certain:
            sure, used = len(pieces), number
    return pieces[:sure], used


def _kinds(line: _Line, known: bool, lexicon: Lexicon, quiet: bool) -> tuple[bool, list[Piece]] | None:
    """Whether only an address has such a line, and its pieces; None for a line of another kind.

    Args:
        known: the lines above are an address for sure, or have a town.
    """
    text, start, end = line.text, line.start, line.end
    if _IS_UNIT.fullmatch(text):
        return True, [("STREET_ADDRESS", start, end)]
    if _IS_CODE.fullmatch(text):
        return known, [("ZIP_CODE", start, end)]
    for form in (_IS_TAIL, _IS_CODE_FIRST):
        match = form.fullmatch(text)
        if match is not None and _is_proper(match["place"], quiet):
            spans = {"LOCATION": match.span("place"), "ZIP_CODE": match.span("code")}
            place = match["place"].casefold()
            sure = known or lexicon.is_country(place) or lexicon.is_place(place)
            return sure, [(kind, start + first, start + last) for kind, (first, last) in spans.items()]
    if _IS_REGION.fullmatch(text):
        letters = len(text) - len(text.lstrip(", "))
        return False, [("LOCATION", start + letters, end)]
    if text.casefold() == "nan":  # an empty cell that became text
        return False, []
    if _IS_TOWN.fullmatch(text) and _is_proper(text, quiet):
        return lexicon.is_country(text.casefold()), [("LOCATION", start, end)]
    return None


def _is_proper(text: str, quiet: bool) -> bool:
    """Whether words are written as a name's: the first one with a capital, and no sentence."""
    parts = re.findall(_WORD, text)
    return bool(parts) and (
        quiet or parts[0][0].isupper() and sum(part[0].isupper() for part in parts) * 2 > len(parts)
    )


def _above(lines: list[_Line], street: int, lexicon: Lexicon, quiet: bool) -> Iterator[Piece]:
    """Who lives there: names on the lines right above, at most three. Ordinary words are a heading, unless a person
    stands on another line: then they are a firm's name."""
    pieces: list[Piece] = []
    headings: list[Piece] = []
    for line in reversed(lines[max(0, street - 3) : street]):
        parts = re.findall(_WORD, line.text)
        if _IS_FIRM.fullmatch(line.text):
            pieces.append(("ORGANIZATION", line.start, line.end))
            continue
        if not _IS_TOWN.fullmatch(line.text) or len(parts) > 4 or not (quiet or all(p[0].isupper() for p in parts)):
            break
        keys = [part.casefold().strip(".") for part in parts]
        if all(key in words.NOT_NAMES or key in words.NO_ENTITY for key in keys):
            break
        named = any(map(lexicon.is_name, keys))
        may_be = named or not any(map(lexicon.is_ordinary, keys))
        person = len(parts) > 1 and may_be and not set(keys) & words.FIRM_WORDS
        heading = not named and all(map(lexicon.is_ordinary, keys))
        (headings if heading else pieces).append(("PERSON" if person else "ORGANIZATION", line.start, line.end))
    yield from pieces
    if any(kind == "PERSON" for kind, _, _ in pieces):
        yield from headings
