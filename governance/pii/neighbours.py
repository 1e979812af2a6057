"""What stands beside a finding: the age or the phone behind a name, the town behind a street, the code behind it."""

from __future__ import annotations

import re
from dataclasses import replace

from governance.pii import vocabulary
from governance.pii.spans import Finding

_HOUSE_BEFORE = re.compile(r"(?:^|(?<=[\s>]))(?P<v>\d{1,6}[A-Za-z]?,?) $")
_UNIT_BEFORE = re.compile(r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|Box|No)\.? ?$", re.IGNORECASE)
_AGE_AFTER_NAME = re.compile(r"(?:, | \()(\d{1,3})(?=[,);.\n]|$)")
_PHONE_AFTER_NAME = re.compile(r"(?:, | ?[:|-] )(\+?\(?\d(?:[ ()/-]{0,2}\d){6,13})(?=\s*(?:[,;.|)]|\n|$))")
_AGE_IN_TABLE = re.compile(r" ?[|;\t,] ?(\d{1,3})(?= ?[|;\t,])")
_AGE_WORD = re.compile(r"\bage\b", re.IGNORECASE)
_CODE_AFTER_TOWN = re.compile(
    r",? (?!(?:1[89]|20)\d\d\b)(\d{4,5}|\d{3} \d{2}|\d{2}-\d{3})(?=[,.;!?\n]|$| (?:in|and|for|to|on|is|was)\b)"
    r"(?![.,]\d)"
)
_IN_BEFORE = re.compile(r"\b(?:in|from|near|to|at) $")
_TOWN_AFTER_STREET = re.compile(
    rf"(?:, ?|[ ]?\n[ ]*)({vocabulary.NAME_WORD}(?:[ -]{vocabulary.NAME_WORD}){{0,2}})(?=[.,;?!)]|[ ]?\n|$)"
)


def with_neighbours(text: str, findings: list[Finding]) -> list[Finding]:
    """Adds what its place says: the age behind a name ("Ann Oaks (45)", "Ann Oaks, 45,"), the town behind a street."""
    table = _AGE_WORD.search(text) is not None
    added = []
    for finding in findings:
        if finding.type == "PERSON":
            match = _AGE_AFTER_NAME.match(text, finding.end) or table and _AGE_IN_TABLE.match(text, finding.end) or None
            if match is not None and int(match[1]) < 120:
                added.append(Finding(*match.span(1), "AGE", 0.5))
            elif phone := _PHONE_AFTER_NAME.match(text, finding.end):
                added.append(Finding(*phone.span(1), "PHONE_NUMBER", 0.5))
        elif finding.type == "STREET_ADDRESS":
            match = _TOWN_AFTER_STREET.match(text, finding.end)
            if match is not None and match[1].casefold() not in vocabulary.NOT_NAMES:
                added.append(Finding(*match.span(1), "LOCATION", 0.9))
        elif finding.type == "LOCATION":
            match = _CODE_AFTER_TOWN.match(text, finding.end)
            if match is not None and _IN_BEFORE.search(text, max(0, finding.start - 6), finding.start):
                added.append(Finding(*match.span(1), "ZIP_CODE", 0.5))
    return [_with_house_number(text, one) for one in findings + added]


def _with_house_number(text: str, finding: Finding) -> Finding:
    """A street with the number that stands before it, also where it has one behind: "40217 Rua do Cedro 58"."""
    if finding.type != "STREET_ADDRESS":
        return finding
    match = _HOUSE_BEFORE.search(text, max(0, finding.start - 8), finding.start)
    unit = match is not None and _UNIT_BEFORE.search(text, max(0, match.start() - 8), match.start())
    return finding if match is None or unit else replace(finding, start=match.start("v"))
