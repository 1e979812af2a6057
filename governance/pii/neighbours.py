"""What stands beside a finding: the age or the phone behind a name, the town behind a street, the code behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from governance.pii import validators as valid
from governance.pii import vocabulary
from governance.pii.spans import Finding

_HOUSE_BEFORE = re.compile(r"(?:^|(?<=[\s>]))(?P<v>\d{1,6}[A-Za-z]?,?) $")
_UNIT_BEFORE = re.compile(r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|Box|No)\.? ?$", re.IGNORECASE)
_AGE_AFTER_NAME = re.compile(r"(?:, | \()(\d{1,3})(?=[,);\n]|\.(?!\d)|$)")
_PHONE_AFTER_NAME = re.compile(r"(?:, | ?[:|-] | \()(\+?\(?\d(?:[ ()/-]{0,2}\d){6,13})(?=\s*(?:[,;.|)]|\n|$))")
_OTHER_PHONE = re.compile(r"(?: or |; ?| / )(?P<v>\+?\(?\d(?:[ ()/.-]{0,2}\d){6,13})(?![\w-]|[.,]\d)")
_AGE_IN_TABLE = re.compile(r" ?[|;\t,] ?(\d{1,3})(?= ?[|;\t,])")
_AGE_WORD = re.compile(r"\bage\b", re.IGNORECASE)
_CODE_AFTER_TOWN = re.compile(
    r",? (?!(?:1[89]|20)\d\d\b)(\d{4,5}|\d{3} \d{2}|\d{2}-\d{3})(?=[,.;!?\n]|$| (?:in|and|for|to|on|is|was)\b)"
    r"(?![.,]\d)"
)
#: Longer or with a letter: it needs nothing behind it.
_LONG_CODE_AFTER_TOWN = re.compile(
    rf",?[ ]((?:[A-Z]{{1,2}}-\d{{4,5}}|\d{{5}}-\d{{3,4}}|\d{{4}}-\d{{3}}|\d{{2}}-\d{{3}}|\d{{3}} \d{{2}}"
    rf"|\d{{4}} ?[A-Z]{{2}}|\d{{5,8}}"
    rf"|{vocabulary.LETTERED_CODE}))(?![\w-]|[.,]\d| ?%)"
)
_IN_BEFORE = re.compile(r"\b(?:in|from|near|to|at|of|via) $", re.IGNORECASE)
_CODE_BEFORE_TOWN = re.compile(
    r"(?:^|[\n,;(] ?|\b(?:in|from|near|to|at|of) |\d[a-z]?,? )"
    r"(?P<v>(?:[A-Z]{1,2}-)?(?:\d{5}(?:-\d{3})?|\d{3} \d{2}|\d{2}-\d{3}|\d{4}-\d{3}|\d{4} ?[A-Z]{2}|\d{6}|\d{8}|"
    r"(?!1[89]|20)\d{4})) $",
    re.IGNORECASE,
)
_TOWN = (
    rf"{vocabulary.NAME_WORD}(?:[ ](?:(?:{vocabulary.PARTICLES}|u|v|am|an|sur|nad|pod|los|las|upon"
    rf"|bij) )?{vocabulary.NAME_WORD}){{0,3}}(?: [A-Z](?![\w.]))?"
)
_TOWN_AFTER_STREET = re.compile(
    rf"(?:, ?|[ ]?\n[ ]*)((?:(?:da|de|do|du) )?{_TOWN})(?=[.,;?!)(]|[ ]?\n|$| (?:to|on|is|and|before|until|from)\b| - )"
)
_QUIET_TOWN_AFTER_STREET = re.compile(r", ?([^\W\d_]{3,}(?:[ -][^\W\d_]+){0,2})(?=[.,;?!)]|[ ]?\n|$)")
_TOWN_AND_CODE = re.compile(
    rf",? ((?:(?:da|de|do|du) )?{_TOWN}),? ((?:[A-Z]{{1,2}}-)?(?:\d{{4,8}}|\d{{5}}-\d{{3,4}}|\d{{4}}-\d{{3}}"
    rf"|\d{{2}}-\d{{3}}|\d{{3}} \d{{2}}"
    rf"|\d{{4}} ?[A-Z]{{2}}|{vocabulary.LETTERED_CODE}))(?![\w-]|[.,]\d)"
)
_QUIET_TOWN_AND_CODE = re.compile(
    r", ?([^\W\d_]{3,}(?:[ -][^\W\d_]+){0,2}),? ((?:[a-z]{1,2}-)?(?:\d{4,8}|\d{4}-\d{3}|\d{2}-\d{3}|\d{3} \d{2}))"
    r"(?![\w-]|[.,]\d)"
)
_CODE = r"(?:[A-Z]{1,2}-)?(?:\d{5}-\d{3,4}|\d{3} \d{2}|\d{2}-\d{3}|\d{4}-\d{3}|\d{4} ?[A-Z]{2}|\d{4,6}|\d{8})"
_CODE_AND_TOWN = re.compile(rf",?[ ]?[ \n][ ]*({_CODE})[ \n]({_TOWN})")
_QUIET_CODE_AND_TOWN = re.compile(
    rf",?[ ]?[ \n][ ]*((?i:{_CODE}))[ \n]([^\W\d_]{{3,}}(?:[ -][^\W\d_]+){{0,2}})(?=[.,;?!)]|[ ]?\n|$)"
)
_DATE_IN_BRACKETS = re.compile(rf" \((?P<v>{vocabulary.DATE})\)", re.IGNORECASE)
_DATE_BEHIND = re.compile(rf",? (?P<v>{vocabulary.DATE})(?=[,.;)\n]|$)", re.IGNORECASE)
#: Before a name in the head of a letter or of a file: the date behind the name is the person's.
_ABOUT = re.compile(
    r"(?:^|[\n.;] ?)(?:Re|RE|re|Regarding|Patient|Pt|pt|Client|Claimant|Insured|Applicant|Dependent|Spouse|Child"
    r"|Referral"
    r"|Name|Member|Beneficiary|Subject|Concerning|PATIENT|CLIENT|CLAIMANT)\b[.:]?[ ]"
    rf"(?:(?:{vocabulary.HONORIFICS})\.? )?$"
)
_HAS_YEAR = re.compile(r"(?:18|19|20)\d\d")
#: What stands behind a house number: staircase, floor, flat, in the words of several countries.
_UNIT_AFTER = re.compile(
    r"(?:,? ?(?:bl|bloc|sc|ap|apt|apto|edif|depto|dpto|interior|int|piso|esc|escalera|puerta|pta|kv|lgh|kat|daire"
    r"|stiege|t[üu]r|nr)\b[.:]? ?(?:\d{1,4}[A-Z]?|[A-Z])(?!\w)"
    r"|,? ?(?:et|top|no|hs|th|tv|mf)\b[.:]? ?\d{1,4}[A-Z]?(?!\w)"
    r"|,? \d{1,2}\. ?(?:tv|th|mf|sal|em|krs)\b\.?|,? \d{1,2}[.]?[º°ª]"
    r" ?(?:[A-Z]\b|(?:Esq|Dir|Dcha|Izq)\b\.?)?| m\. ?\d{1,4}\b| D: ?\d{1,4}\b)+",
    re.IGNORECASE,
)


def with_neighbours(text: str, findings: list[Finding]) -> list[Finding]:
    """Adds what its place says: the age behind a name ("Ann Oaks (45)", "Ann Oaks, 45,"), the town behind a street."""
    table = _AGE_WORD.search(text) is not None
    quiet = not any(map(str.isupper, text))
    findings = [_with_unit(text, one) for one in findings]
    added: list[Finding] = []
    for finding in findings:
        if finding.type == "PERSON":
            added += _beside_person(text, finding, table)
        elif finding.type == "STREET_ADDRESS":
            added += _behind_street(text, finding, quiet)
        elif finding.type == "LOCATION":
            added += _beside_town(text, finding)
        elif finding.type == "PHONE_NUMBER":
            added += _beside_phone(text, finding)
    return [_with_house_number(text, one) for one in findings + added]


def _beside_person(text: str, person: Finding, table: bool) -> Iterator[Finding]:
    """The age, the telephone or the birth date behind a name.

    Args:
        table: the text has the word "age", so that a number in the next cell may be one.
    """
    end = person.end
    match = _AGE_AFTER_NAME.match(text, end) or table and _AGE_IN_TABLE.match(text, end) or None
    if match is not None and int(match[1]) < 120:
        yield Finding(*match.span(1), "AGE", 0.5)
    elif (phone := _PHONE_AFTER_NAME.match(text, end)) and valid.spoken_of(phone[1]):
        yield Finding(*phone.span(1), "PHONE_NUMBER", 0.5)
    elif date := _DATE_IN_BRACKETS.match(text, end) or _DATE_BEHIND.match(text, end):
        about = date.re is _DATE_IN_BRACKETS or _ABOUT.search(text, max(0, person.start - 24), person.start)
        if about and _HAS_YEAR.search(date["v"]):
            yield Finding(*date.span("v"), "DATE_OF_BIRTH", 0.5)


def _beside_phone(text: str, phone: Finding) -> Iterator[Finding]:
    """The second of two numbers: "0161 496 0000 or 06-4/695 9385"."""
    other = _OTHER_PHONE.match(text, phone.end)
    if other is not None and valid.spoken_of(other["v"]):
        yield Finding(*other.span("v"), "PHONE_NUMBER", 0.5)


def _behind_street(text: str, street: Finding, quiet: bool) -> Iterator[Finding]:
    """The town behind a street, and its postal code."""
    match = (_QUIET_TOWN_AND_CODE if quiet else _TOWN_AND_CODE).match(text, street.end)
    if match is not None and not _is_other(match[1]):
        yield Finding(*match.span(1), "LOCATION", 0.9)
        yield Finding(*match.span(2), "ZIP_CODE", 0.7)
        return
    match = (_QUIET_CODE_AND_TOWN if quiet else _CODE_AND_TOWN).match(text, street.end)
    if match is not None and not _is_other(match[2]):
        yield Finding(*match.span(1), "ZIP_CODE", 0.7)
        yield Finding(*match.span(2), "LOCATION", 0.9)
        return
    match = (_QUIET_TOWN_AFTER_STREET if quiet else _TOWN_AFTER_STREET).match(text, street.end)
    if match is not None and not _is_other(match[1]):
        yield Finding(*match.span(1), "LOCATION", 0.9)


def _is_other(name: str) -> bool:
    """Whether words behind a street are no town: "please", "Tel", "March"."""
    words = name.casefold().split()
    return any(
        word in vocabulary.NOT_NAMES or word in vocabulary.NO_ENTITY or word in vocabulary.NUMBERED for word in words
    )


def _beside_town(text: str, town: Finding) -> Iterator[Finding]:
    """The postal code behind a town that stands in a sentence, or before a town."""
    if _IN_BEFORE.search(text, max(0, town.start - 6), town.start):
        match = _LONG_CODE_AFTER_TOWN.match(text, town.end) or _CODE_AFTER_TOWN.match(text, town.end)
        if match is not None:
            yield Finding(*match.span(1), "ZIP_CODE", 0.5)
    before = _CODE_BEFORE_TOWN.search(text, max(0, town.start - 16), town.start)
    if before is not None:
        yield Finding(*before.span("v"), "ZIP_CODE", 0.5)


def _with_unit(text: str, finding: Finding) -> Finding:
    """A street with the staircase, floor and flat behind its number: "Aleea Rozelor 21 bl. 4 sc. B ap. 9"."""
    if finding.type != "STREET_ADDRESS":
        return finding
    match = _UNIT_AFTER.match(text, finding.end)
    return finding if match is None else replace(finding, end=match.end())


def _with_house_number(text: str, finding: Finding) -> Finding:
    """A street with the number that stands before it, also where it has one behind: "40217 Rua do Cedro 58"."""
    if finding.type != "STREET_ADDRESS":
        return finding
    match = _HOUSE_BEFORE.search(text, max(0, finding.start - 8), finding.start)
    unit = match is not None and _UNIT_BEFORE.search(text, max(0, match.start() - 8), match.start())
    return finding if match is None or unit else replace(finding, start=match.start("v"))
