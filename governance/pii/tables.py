"""What a table's head, or the word before a colon, says of what stands below or behind it.

    Full name | Age | City        name,phone,zip        City: Gdynia
    Ann Oaks | 45 | Gdynia        Ann Oaks,...          Employer: Vantero

A cell says little by itself; its column does. Only lines right below a head of known words, with as many cells as it
has, are read as a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from governance.pii import validators as valid
from governance.pii import vocabulary as words
from governance.pii.lexicon import Lexicon

#: (type, start, end) in a text.
Piece = tuple[str, int, int]

_HEADS = {
    name: entity
    for entity, names in {
        "PERSON": "name|full name|first name|last name|given name|middle name|surname|customer|customer name|client"
        "|client name|patient|patient name|employee|employee name|account holder|cardholder|taxpayer|spouse|contact"
        "|contact person|owner|recipient|sender|witness|applicant|beneficiary",
        "PHONE_NUMBER": "phone|phone number|telephone number|mobile number|cell phone|phone no|contact number|landline"
        "|work phone|home phone|msisdn|tel|telephone|mobile|cell|fax",
        "ZIP_CODE": "zip|zip code|zipcode|postal code|postcode|pin code|post code|postal|plz",
        "LOCATION": "city|town|country|place of birth|birthplace|home town|hometown|city of birth|country of birth"
        "|county|province",
        "ORGANIZATION": "employer|company|company name|organization|organisation|firm",
        "AGE": "age",
        "STREET_ADDRESS": "address|street|street address|home address|mailing address|postal address",
        "DATE_OF_BIRTH": "dob|date of birth|birth date|birthdate|birthday|born",
        "NRP": "nationality|ethnicity|religion|citizenship",
    }.items()
    for name in names.split("|")
}
#: Heads of columns that other rules read, or that are nobody's.
_OTHER_HEADS = frozenset(
    ("id", "email", "e-mail", "mail", "ssn", "iban", "date", "title", "url", "website", "ip", "state", "region", "role",
     "department", "position", "job", "gender", "sex", "account", "account number", "amount", "notes", "no", "nr", "#")
)  # fmt: skip
_ANY_HEAD = frozenset(_HEADS) | _OTHER_HEADS
_LINE = re.compile(r"[^\n]+")
_MARKS = "|\t;,"
_KEYED = re.compile(
    r"(?:^|\n)[ \t>*\u2022-]*\"?(?P<key>[A-Za-z][A-Za-z -]{1,20}?)\"?[ ]?:[ \t]*"
    r"(?P<v>[^\n \t][^\n]{0,59}?)[ \t]*(?=\n|$)"
)
#: Data that became text: {"postal_code": "4802"}, <phone>43748356</phone>, phone=43748356.
_PAIR = re.compile(
    r"(?:\"|<|(?<![\w-]))(?P<key>[A-Za-z][A-Za-z_]{1,20}(?: [A-Za-z]{2,12})?)(?:\"[ ]?:[ ]?\"|>[ ]?|=[ ]?\"?)"
    r"(?P<v>[^\"\n<>=&;|]{1,60}?)(?=\"|</|[&;|\n]|,? [A-Za-z_]{2,20}=|$)"
)
_MAY_BE_PAIR = re.compile(r"\" ?: ?\"|</|\w=")
#: "- Ann Oaks, Gdynia, 43748356" in a list.
_LISTED_PHONE = re.compile(
    r"(?:^|\n)[ >]*[-*\u2022][ ]?[^\W\d_][^\n\d,;:|@$]{3,40}(?:[,;|][ ]?[^\n\d,;:|@$]{2,30})?[,;:|][ ]?"
    r"(?P<v>\+?\(?\d(?:[ ()/.-]{0,3}\d){6,14})(?=[ ]*(?:$|\n|[,;|]))"
)
_SHAPES = {
    "PERSON": r"[^\W\d_][^\d@:;/|()]{1,48}",
    "PHONE_NUMBER": r"[+(]?\d[\d ()./+-]{5,20}(?:x\d{1,6})?",
    "ZIP_CODE": r"(?=[^\d]*\d)[A-Za-z0-9][A-Za-z0-9 -]{2,10}",
    "LOCATION": r"[^\W\d_][^\d@:;/|]{1,48}",
    "ORGANIZATION": r"[^\W_][^@:;|]{1,58}",
    "AGE": r"\d{1,3}",
    "STREET_ADDRESS": r"(?=[^\d]*\d)[^\W_][^@:|]{3,58}",
    "DATE_OF_BIRTH": words.DATE,
    "NRP": r"[^\W\d_]{3,20}",
}
_FITS = {entity: re.compile(shape, re.IGNORECASE) for entity, shape in _SHAPES.items()}
_NOTHING = frozenset(("n/a", "none", "unknown", "null", "nan", "same", "see below", "yes", "no", "tbd", "other"))


def tables(text: str, lexicon: Lexicon) -> Iterator[Piece]:
    """Yields what heads of columns, keys of data, and words before a colon, say."""
    pairs = _PAIR.finditer(text) if _MAY_BE_PAIR.search(text) else ()
    for match in (*_KEYED.finditer(text), *pairs):
        entity = _HEADS.get(_head_name(match["key"]))
        if entity is not None and _fits(entity, match["v"], lexicon):
            yield entity, match.start("v"), match.start("v") + len(_own_part(entity, match["v"]))
    for match in _LISTED_PHONE.finditer(text):
        if valid.spoken_of(match["v"]):
            yield "PHONE_NUMBER", *match.span("v")
    columns: list[str | None] = []
    mark = ""
    for line in _LINE.finditer(text):
        if columns and (cells := _cells(line, mark)) and len(cells) == len(columns):
            for entity, (start, end) in zip(columns, cells, strict=True):
                if entity is not None and _fits(entity, text[start:end], lexicon):
                    yield entity, start, end
        else:
            columns, mark = _head(line)


def _head_name(head: str) -> str:
    """A head as it is looked up: "postal_code", "postalCode" and " Postal code" are one."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", head.strip(' "*')).replace("_", " ").casefold()


def _own_part(entity: str, value: str) -> str:
    """Of an address the street: the town behind the comma is found by itself."""
    street = value.partition(",")[0].rstrip()
    return street if entity == "STREET_ADDRESS" and any(map(str.isdigit, street)) else value


def _head(line: re.Match[str]) -> tuple[list[str | None], str]:
    """The types of the columns if a line is a head, and what divides its cells."""
    text = line.group()
    for mark in _MARKS:
        if _head_name(text.partition(mark)[0]) not in _ANY_HEAD and not text.startswith(mark):
            continue
        cells = [_head_name(line.string[start:end]) for start, end in _cells(line, mark)]
        if len(cells) > 1 and all(cell in _HEADS or cell in _OTHER_HEADS for cell in cells):
            return [_HEADS.get(cell) for cell in cells], mark
    return [], ""


def _cells(line: re.Match[str], mark: str) -> list[tuple[int, int]]:
    """(start, end) of the cells of a line, without the space around them; a cell may be empty."""
    found, position = [], line.start()
    for content in line.group().split(mark):
        start = position + len(content) - len(content.lstrip())
        found.append((start, max(start, position + len(content.rstrip()))))
        position += len(content) + len(mark)
    if mark == "|" and line.group().strip().startswith(mark):  # pipes at the edges begin no cell
        found = found[1:-1] if line.group().rstrip().endswith(mark) else found[1:]
    return found


def _fits(entity: str, value: str, lexicon: Lexicon) -> bool:
    """Whether a value has the form of its column's type, and says something."""
    key = value.casefold().strip(" .\"'")
    if not _FITS[entity].fullmatch(value) or key in _NOTHING or key in _HEADS:
        return False
    if entity not in ("PERSON", "ORGANIZATION", "LOCATION"):
        return entity != "AGE" or int(value) < 120
    parts = re.findall(r"[^\W\d_]+", key)
    if not parts or len(parts) > 6 or "<" in value:
        return False
    ordinary = all(lexicon.is_ordinary(part) or part in words.NOT_NAMES for part in parts)
    return not ordinary or entity == "ORGANIZATION" and value[0].isupper() and len(parts) < 5
