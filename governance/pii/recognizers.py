"""Recognizers for what has a fixed form, or stands behind a word that says what follows.

A table of patterns, with Presidio's names for what they find. The part of a match that is personal
data is its group "v"; what stands around it is the cue that makes a number an account number. A
validator has the last word, so that a section or an amount does not pass for a card or an IBAN.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from governance.pii import vocabulary as words
from governance.pii.prefilter import Prefilter


@dataclass(frozen=True)
class Rule:
    """A pattern for one entity type. `trim` shortens a match to the part that is valid, or refuses it."""

    entity: str
    pattern: re.Pattern[str]
    score: float = 0.9
    trim: Callable[[str], int] = field(default=len)


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, character in enumerate(reversed(digits)):
        value = int(character) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _card(text: str) -> int:
    """Length of the longest beginning that is a card number of 12 to 19 digits; 0 for none.

    Twelve digits are of Maestro alone; a first digit 1 is of old JCB cards alone.
    """
    for end in range(len(text), 11, -1):
        digits = re.sub(r"\D", "", text[:end])
        known = digits[:1] in ("5", "6") if len(digits) == 12 else digits[:1] in tuple("23456")
        if text[end - 1].isdigit() and len(digits) <= 19 and (known or digits.startswith("1800")) and luhn(digits):
            return end
    return 0


def _iban(text: str) -> int:
    """Length of the beginning that is as long as its country's and whose check digits fit (ISO 13616); 0 for none."""
    length = words.IBAN_LENGTHS.get(text[:2].upper())
    for end in range(len(text), 14, -1):
        compact = re.sub(r"[^0-9A-Za-z]", "", text[:end]).upper()
        if not text[end - 1].isalnum() or len(compact) != length:
            continue
        rearranged = compact[4:] + compact[:4]
        if int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1:
            return end
    return 0


def _ip(text: str) -> int:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return 0
    return len(text)


def _phone(text: str) -> int:
    """Length of the longest beginning, in whole groups of digits, that is a possible number of its country."""
    import phonenumbers

    for end in sorted((group.end() for group in re.finditer(r"\d+", text)), reverse=True):
        try:
            number = phonenumbers.parse(text[:end], None)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return end
    return 0


def _ten_digits(text: str) -> int:
    """Ten digits without an extension, or eleven to thirteen with the country's in front."""
    digits = re.sub(r"\D", "", re.split("[xe]", text)[0])
    return len(text) if 10 <= len(digits) <= 13 else 0


def _trunk(text: str) -> int:
    """A national number behind its leading zero has nine to twelve digits; what begins as a date is none."""
    if re.match(r"\d{2}([./-])\d{2}\1\d{2}", text):
        return 0
    return len(text) if 9 <= len(re.sub(r"\D", "", text)) <= 12 else 0


def _spoken_of(text: str) -> int:
    """Behind a word such as "call": seven to fifteen digits (ITU-T E.164) that are no date."""
    if re.match(r"\d{1,4}([./-])\d{1,2}\1\d{2,4}(?!\d)", text):
        return 0
    return len(text) if 7 <= len(re.sub(r"\D", "", text)) <= 15 else 0


def _without_full_stop(text: str) -> int:
    return len(text.rstrip(".,;:!?)]}'\""))


def _name(text: str) -> int:
    """Length of the beginning that is a name: capitalised words, particles, initials; 0 for none."""
    end = 0
    for word in re.finditer(r"[^\s,]+", text):
        bare = word[0].strip(".'\u2019-").casefold()
        if bare in words.NOT_NAMES and bare != "may":
            break
        if word[0][0].isupper():
            end = word.end()
        elif not re.fullmatch(words.PARTICLES, word[0]):
            break
    return end


def _ssn(text: str) -> int:
    """Nine digits of which no group is all zero; those of a tax payer number are left to its rule."""
    digits = re.sub(r"\D", "", text)
    empty = digits[:3] == "000" or digits[3:5] == "00" or digits[5:] == "0000"
    return 0 if empty or _is_itin(digits) else len(text)


def _itin(text: str) -> int:
    return len(text) if _is_itin(re.sub(r"\D", "", text)) else 0


def _is_itin(digits: str) -> bool:
    """9xx, and 50-65, 70-88, 90-92 or 94-99 as the fourth and fifth digit (IRS Publication 1915)."""
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 99 and group != 93)


_NO_STREET = frozenset(words.split("of the or and percent per days months years to for in any such than"))


def _street(text: str) -> int:
    """A number and a street, and not "5 years in any place" or a date before a house number's line."""
    inner = text.casefold().split()[1:-1]
    return 0 if set(inner) & _NO_STREET else len(text)


def _numbered(text: str) -> int:
    """A street's name with a number behind it, and not "Section 12" or "December 31"."""
    inner = text.casefold().split()
    return 0 if set(inner) & words.NUMBERED or set(inner) & _NO_STREET - {"of"} and len(inner) < 4 else len(text)


def _firm(text: str) -> int:
    """Three names as a firm has them, and not "April, June and September"."""
    return 0 if set(re.findall(r"\w+", text.casefold())) & words.NUMBERED else len(text)


def _town(text: str) -> int:
    """A town beside a postal code, and not "Section 12345" or "December 2019"."""
    return 0 if set(text.casefold().split()) & words.NUMBERED else len(text)


def _town_code(text: str) -> int:
    """A postal code; four digits that may be a year are none."""
    return 0 if re.fullmatch(r"(?:1[89]|20)\d\d", text) else len(text)


def _date(text: str) -> int:
    """Refuses words such as "may 5": a month in lower case is no date unless a year follows."""
    if re.fullmatch(r"(?:may|mar|march)\b.*", text) and not re.search(r"\d{4}", text):
        return 0
    return len(text)


def _rule(entity: str, pattern: str, trim: Callable[[str], int] = len, *, flags: int = 0, score: float = 0.9) -> Rule:
    return Rule(entity, re.compile(pattern, flags), score, trim)


_I = re.IGNORECASE
_GAP = r"(?:[^\n\d]|\n(?!\n)){0,40}?"  # between a cue and its number, in the same paragraph
_NINE = r"(?<![\d-])(?P<v>\d{3}[- .\u2010-\u2015]\d{2}[- .\u2010-\u2015]\d{4})(?![\d-])"
_NAME = words.NAME
_CLOSING = rf"(?:{words.CLOSINGS})[,.!]?[ ]*\n+[ ]*"
_TITLE = rf"\b(?:{words.TITLES}|Officer|Agent)\b\.?[ \u00a0]+"
_STATE = "|".join(sorted([*words.STATES.keys(), *words.STATES.values()], key=len, reverse=True))
_LONG_STATE = "|".join(words.STATES.values())
_SUFFIX = "|".join(words.STREET_SUFFIXES)
_WORDS = rf"(?:{words.NAME_WORD} ){{0,2}}"
_HOUSE = words.HOUSE
_FRENCH = (
    "[Rr]ue|[Aa]v(?:enue|\\.)|[Bb](?:oulevar)?d\\.?|[Pp]lace|[Cc]hemin|[Qq]uai|[Aa]llée|[Ii]mpasse|[Rr]oute|[Cc]ours"
    "|[Ss]quare|[Pp]assage"
)
_ADDRESS_CUE = (
    "[Aa]ddress(?: (?:to|is|with|at|as))?:?|ADDRESS:?|[Ll]iv(?:es?|ed|ing) (?:at|on)|[Ll]ocated (?:at|on)"
    "|resid(?:es?|ing|ence) (?:at|on)|[Mm]oved to|[Ss]hip(?:ped|s)? to:?|sent to|[Dd]eliver(?:ed|y)? (?:it |them )?to"
    "|[Ss]treet:?|STREET:?|[Vv]isit|at|near|lease of"
)
_TOWN = (
    rf"{words.NAME_WORD}(?:[ -](?:{words.NAME_WORD}|{words.PARTICLES}|los|las|os|am|an|sur|en|sous|upon|on)\b){{0,3}}"
)
_DIGITS = r"\+?\(?\d[\d ()./-]{5,18}\d(?:,? ?(?:x|ext\.?) ?\d{1,5})?"
_PHONE_CUE = (
    "phone|tel|telephone|cell|mobile|fax|whatsapp|call(?:ed|back)?|reach(?:ed)?|dial|(?:my|his|her|our|their|your)"
    " number"
    "|under"
)
_UNIT = r"(?:,?\s+(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|No\.|#)\.?\s*#?\s*[\w-]+)?"

RULES: tuple[Rule, ...] = (
    _rule("EMAIL_ADDRESS", r"(?<![A-Za-z0-9])(?P<v>[A-Za-z0-9][\w.%+'-]{0,63}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
          r"\.[A-Za-z]{2,})"),
    _rule("EMAIL_ADDRESS", r"(?<!\w)(?P<v>[\w.%+-]{1,64} ?(?:\(at\)|\[at\]) ?[\w-]+ ?(?:\.|\(dot\)"
          r"|\[dot\]) ?[a-z]{2,})", flags=_I),
    _rule("URL", r"(?P<v>(?:https?://|ftp://|www\.)[^\s<>\"]+)", _without_full_stop, flags=_I),
    _rule("URL", rf"(?<![@\w.-])(?P<v>(?:[a-z0-9-]+\.)+(?:{words.TOP_DOMAINS})(?:/[^\s<>\"]*)?)(?![\w@-])",
          _without_full_stop, flags=_I, score=0.6),
    _rule("IP_ADDRESS", r"(?<![\d.])(?P<v>\d{1,3}(?:\.\d{1,3}){3})(?![\d]|\.\d)", _ip),
    _rule("IP_ADDRESS", r"(?<![\w:])(?P<v>[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?![\w:])", _ip, flags=_I),
    _rule("CREDIT_CARD", r"(?<![\d+-])(?P<v>\d(?:[ -]?\d){12,18})(?!\d)", _card),
    _rule("CREDIT_CARD", rf"\bcard\b{_GAP}(?<![\d+-])(?P<v>\d(?:[ -]?\d){{11}})(?![ -]?\d)", _card, flags=_I),
    _rule("IBAN_CODE", r"(?<![A-Za-z0-9])(?P<v>[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,34})", _iban, flags=_I),
    _rule("US_SSN", _NINE, _ssn),
    _rule("US_ITIN", _NINE, _itin),
    _rule("US_SSN", rf"\b(?:SSN|social[ -]security)\b{_GAP}(?P<v>\d{{9}})(?!\d)", _ssn, flags=_I),
    _rule("US_ITIN", rf"\b(?:ITIN|taxpayer identification)\b{_GAP}(?P<v>\d{{9}})(?!\d)", _itin, flags=_I),
    _rule("US_EIN", r"(?<![\d-])(?P<v>\d{2}-\d{7})(?![\d-])", score=0.95),
    _rule("US_EIN", rf"\b(?:EIN|employer identification)\b{_GAP}(?P<v>\d{{9}})(?!\d)", flags=_I),
    _rule("US_BANK_NUMBER", rf"\b(?:account|acct|a/c|routing|ABA|transit|checking|savings)\b{_GAP}"
          r"(?<![\d$.,/-])(?P<v>\d(?:[ -]?\d){5,16})(?!\d|[,.-]\d)", flags=_I, score=0.92),
    _rule("US_PASSPORT", rf"\bpassport\b{_GAP}(?P<v>[A-Z]?\d{{8,9}})(?!\d)", flags=_I),
    _rule("US_DRIVER_LICENSE", r"\b(?:driver'?s?|driving) licen[cs]e\b(?: (?:number|no\.?|is))*\W{0,5}"
          r"(?P<v>(?=[A-Z0-9-]*\d{3})[A-Z0-9][A-Z0-9-]{4,14})\b", flags=_I),
    _rule("US_DRIVER_LICENSE", r"\blicen[cs]e\b(?: (?:number|no\.?|nr\.?|id|is|plate))*\W{0,3}"
          r"(?P<v>[A-Z]{1,2}\d{6,13})\b", flags=_I, score=0.7),
    _rule("PHONE_NUMBER", r"(?<![\d$./-])(?<!\d,)(?P<v>(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|[2-9]\d{2}[ .-]"
          r"|\d{3}[.-])\d{3}[ .-]\d{4}"
          r"(?:,? *(?:x|ext\.?|extension) *\d{1,6})?)(?![\d-])", score=0.93),
    _rule("PHONE_NUMBER", r"(?<![\w$./-])(?<!\d,)(?P<v>(?:\+1|001[ .-]|[2-9]\d{2}"
          r"(?=[2-9]\d{6}))\(?\d{3}\)?[ .-]?\d{3,4}(?:[ .-]?\d{1,4})?"
          r"(?:,? *(?:x|ext\.?) *\d{1,6})?)(?![\d.,-]*\d)", _ten_digits, score=0.5),
    _rule("PHONE_NUMBER", r"(?<![\w$./-])(?<!\d,)(?P<v>\(?0\d{1,4}\)?[ /.-]?\d{2,8}(?:[ ./-]?\d{2,4}){0,4})"
          r"(?![\d.,/-]*\d)", _trunk, score=0.6),
    _rule("PHONE_NUMBER", r"\b(?:phone|tel|telephone|cell|mobile|fax|whatsapp|call(?: me)?(?: at| on)?)\b[ .:#]{0,3}"
          r"(?:(?:number|no\.?|is)[ :]*){0,2}(?P<v>\+?\(?\d[\d ().-]{5,16}\d)(?![\d,-])", flags=_I, score=0.7),
    _rule("PHONE_NUMBER", r"(?<![\w+])(?P<v>\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5})(?!\d)", _phone),
    _rule("PHONE_NUMBER", r"\b(?:call|phone|tel|telephone|cell|mobile|fax|text|reach|reached|number|dial)\b"
          rf"{_GAP}(?<![\d$./-])(?<!\d,)(?P<v>(?:\+?1)?[2-9]\d{{9}}|\d{{3}}[ .-]\d{{4}})"
          rf"(?![\d-])", flags=_I, score=0.7),
    _rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}}[A-Za-z]?(?:-\d+)? +(?:[NSEW]{{1,2}}\.? +)?"
          rf"(?:[A-Z0-9][\w'.-]* +){{1,4}}(?:{_SUFFIX}|{_SUFFIX.upper()})\b\.?"
          rf"(?: [NSEW]{{1,2}}\b)?{_UNIT})", _street),
    _rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}} (?:[\w'.-]+ ){{1,3}}(?:{words.COMMON_SUFFIXES})\b\.?"
          rf"(?: [nsew]{{1,2}}\b)?{_UNIT})", _street, flags=_I, score=0.6),
    _rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}} (?:[^\W\d_][\w'.-]* ){{1,2}}(?:{_SUFFIX})\b"
          rf"(?:,? (?:apt|suite|ste|unit)\.? \w+|(?=,? (?:[\w'.-]+[ ]){{0,2}}[\w'.-]+,? "
          rf"(?:{_STATE}) \d{{5}})))", _street, flags=_I, score=0.6),
    _rule("STREET_ADDRESS", rf"\b(?:address:?|live[sd]? (?:at|on)|living at|located at|moved to|machine at|ship"
          rf"(?:ped)? to|sent to)"
          rf" (?P<v>\d{{1,6}} (?:[^\W\d_][\w'.-]* ){{1,2}}(?:{_SUFFIX})\b{_UNIT})", _street, flags=_I, score=0.6),
    _rule("PHONE_NUMBER", rf"\b(?:{_PHONE_CUE})\b[^\n\d(+]{{0,25}}?(?P<v>{_DIGITS})(?![\d-])", _spoken_of, flags=_I,
          score=0.6),
    _rule("PHONE_NUMBER", rf"\b(?:{_PHONE_CUE})\b[^\n\d(+]{{0,25}}?{_DIGITS},? (?:or|and|to) (?P<v>{_DIGITS})(?![\d-])",
          _spoken_of, flags=_I, score=0.6),
    _rule("PHONE_NUMBER", r"(?<![\w$./-])(?<!\d,)(?P<v>\d{2}(?: \d{2}){3,4}|\d{3} \d{3} \d{3}|\(\d{2,4}\)"
          r"[ /-]?\d{3}[ -]\d{4})(?![\d.,/-]*\d| \d)", score=0.4),
    _rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>{_WORDS}{words.NAME_WORD}(?:{words.STREET_ENDINGS}) {_HOUSE})"),
    _rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>\w{{2,20}}(?:stra(?:ß|ss)e|straat|gatan|vägen|gade|veien|katu) {_HOUSE})",
          flags=_I, score=0.6),
    _rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>(?:{words.STREET_PREFIXES}|{words.STREET_PREFIXES.upper()}) "
          rf"(?:{words.STREET_WORD} ){{0,4}}"
          rf"{words.STREET_WORD},?"
          rf" (?:n[ºo°r]\.? ?|No\.?:? ?)?{_HOUSE})", _numbered),
    _rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>{words.NAME_WORD}(?: {words.NAME_WORD}){{0,3}} "
          rf"(?:{words.STREET_WORDS_AFTER})"
          rf",? (?:No:? ?)?{_HOUSE}\.?)"),
    _rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>{words.NAME_WORD}(?:ská|cká|ká|ova|ová|ného|ého|ní) {_HOUSE})"),
    _rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>(?:\d{{1,4}},?(?: ?(?:bis|ter))? )(?:{_FRENCH})"
          rf"(?: (?:de la|des|du|de|le|la|aux?))? ?(?:[dl]['\u2019])?{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}})"),
    _rule("STREET_ADDRESS", rf"(?:, |\n)(?P<v>(?:rue|avenue|boulevard|chemin|impasse|allée)"
          rf"(?: (?:de la|des|du|de|le|la))? ?(?:[dl]['\u2019])?{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}})"),
    _rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>(?:(?:Flat|Unit|Studio|Apartment|Suite|H\.? ?No\.?) \w{{1,5}}"
          rf"[,/]?[ \n]+)(?:\d{{1,5}}[A-Za-z]?,? )?(?:{words.NAME_WORD} ){{1,3}}(?:{_SUFFIX}|{_SUFFIX.upper()})\b)"),
    _rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}} (?:{words.NAME_WORD} ){{1,3}}(?:\d{{1,4}} )?(?:Apt|Suite"
          rf"|Unit|APT)"
          rf"\.? #?\w+)", _street),
    _rule("STREET_ADDRESS", rf"\b(?P<v>(?:One|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten) (?:{words.NAME_WORD} )"
          rf"{{1,2}}(?:{_SUFFIX})\b)"),
    _rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>{words.NAME_WORD}-(?:Ring|Damm|Hof|Ufer|Platz|Weg|Allee) {_HOUSE})"),
    _rule("STREET_ADDRESS", rf"\b(?P<v>H\.? ?No\.? ?\d+[,/]? ?(?:{words.NAME_WORD} ?){{1,3}})(?=[,.\n]|$)"),
    _rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,3}} The {words.NAME_WORD})(?=[,\n.])"),
    _rule("STREET_ADDRESS", r"\b(?P<v>(?:RR|HC|Rural Route) \d+,? Box \d+)", flags=_I),
    _rule("STREET_ADDRESS", rf"\b(?:{_ADDRESS_CUE})[ ]*(?P<v>{words.NAME_WORD}(?: {words.STREET_WORD}){{0,4}},?"
          rf" {_HOUSE})", _numbered,
          score=0.7),
    _rule("STREET_ADDRESS", rf"\b(?:{_ADDRESS_CUE})[ ]*(?P<v>\d{{1,5}}[A-Za-z]?,? {words.NAME_WORD}(?:"
          rf" {words.NAME_WORD}){{0,3}})"
          rf"(?=[,.\n])", _street, score=0.7),
    _rule("STREET_ADDRESS", rf"(?:^|\n|, )(?P<v>{words.NAME_WORD}(?: {words.STREET_WORD}){{0,4}},? {_HOUSE})"
          rf"(?=,? ?\n?(?:[A-Z]{{1,2}}-)?(?:\d{{4,5}}|\d{{3}} \d{{2}}|\d{{2}}-\d{{3}})(?: [A-Z]{{2}})?"
          rf" {words.NAME_WORD})", _numbered,
          score=0.7),
    _rule("STREET_ADDRESS", rf"(?:^|\n)[ ]*(?P<v>{words.NAME_WORD}(?: {words.STREET_WORD}){{0,3}} {_HOUSE})"
          rf"(?=\n[^\n]{{0,40}}\d{{3}})", _numbered,
          score=0.5),
    _rule("STREET_ADDRESS", rf"(?:^|\n)[ ]*(?P<v>\d{{1,6}}(?: {words.NAME_WORD}){{1,4}})"
          rf"(?=\n[^\n\d]{{3,30}}\d[\d -]{{2,6}}\d[^\n\d]{{0,3}}(?:\n|$))", _street, score=0.6),
    _rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}}(?: {words.NAME_WORD}){{1,4}})"
          rf"(?=,?[ \n]{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}},? (?:{_STATE}) \d{{5}}\b)", _street),
    _rule("STREET_ADDRESS", r"\b(?P<v>(?:P\.? ?O\.? ?Box|Post Office Box|PSC \d+,? Box"
          r"|Unit \d+,? Box) \d+)", flags=_I),
    _rule("STREET_ADDRESS", r"\b(?P<v>US(?:NS|S|CGC|NV) [A-Z]\w+)(?=,?[ \n]+[AFD]PO\b)"),
    _rule("ZIP_CODE", rf"\b(?:{_LONG_STATE})[ \n]+(?P<v>\d{{5}}(?:-\d{{4}})?)(?![\d-])", flags=_I),
    _rule("ZIP_CODE", rf"[^\W\d_]{{4}}(?:ville|ton|stad|burgh|borough|furt|mouth|view|land|side|port|town|shire"
          rf"|fort|chester)"
          rf" (?:{_STATE}) (?P<v>\d{{5}}(?:-\d{{4}})?)(?![\d-])", flags=_I),
    _rule("ZIP_CODE", rf"\b(?:{_STATE}|A[AEP])\.?,?[ \n]+(?P<v>\d{{5}}(?:-\d{{4}})?)(?![\d-])"),
    _rule("ZIP_CODE", rf"(?:[^\W\d_],|,(?: [^\W\d_]+){{1,3}}) (?:{_STATE}) (?P<v>\d{{5}}(?:-\d{{4}})?)"
          rf"(?![\d-])", flags=_I),
    _rule("ZIP_CODE", r"\b(?:zip|postal)(?: code)?\b\W{0,5}(?:is )?(?P<v>\d{5}(?:-\d{4})?)(?![\d-])", flags=_I),
    _rule("ZIP_CODE", rf"\b(?:(?:zip|postal|post|pin)[ -]?code|zip)\b\W{{0,5}}(?:is |was )?(?P<v>{words.POSTAL_CODE}"
          rf"|{words.LETTERED_CODE})", flags=_I),
    _rule("ZIP_CODE", rf"\b(?:zip|postal|post)[ -]?code of [^\n\d]{{2,40}}?(?P<v>{words.POSTAL_CODE}"
          rf"|{words.LETTERED_CODE})", flags=_I),
    _rule("ZIP_CODE", rf"(?<![\w-])(?P<v>{words.LETTERED_CODE})", score=0.7),
    _rule("ZIP_CODE", rf"(?:\n|, ?)[ ]*(?P<v>{words.POSTAL_CODE})(?= {words.NAME_WORD}(?:[ -]{words.NAME_WORD})"
          rf"{{0,3}}[ ]*(?:$|[\n,.?]))", _town_code, score=0.7),
    _rule("ZIP_CODE", rf"(?:\n|, ?)[ ]*(?:{words.NAME_WORD}[ ,]{{1,2}}){{1,4}}(?P<v>{words.POSTAL_CODE})(?=[ ]*(?:$"
          rf"|[\n,?]|\.(?!\d)))",
          _town_code, score=0.7),
    _rule("DATE_OF_BIRTH", rf"\b(?:born(?: on)?|date\s+of\s+birth|DOB|birth ?date|birthday)\b\W{{0,5}}(?:is |was )?"
          rf"(?P<v>{words.DATE})", flags=_I),
    _rule("LOCATION", rf"\b(?P<v>{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}}),[ \n]+(?:{_STATE})\b(?=[ ,.\n]|$)"),
    _rule("LOCATION", rf"\b(?P<v>{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}}),?[ \n]+"
          rf"(?:{_STATE}),?[ \n]+\d{{5}}(?!\d)"),
    _rule("LOCATION", rf"[^\W\d_],?[ \n]+(?P<v>{_STATE}),?[ \n]+\d{{5}}(?!\d)"),
    _rule("LOCATION", rf"\b(?:[Cc]ity|CITY|[Tt]own|TOWN|[Cc]ountry|COUNTRY|[Pp]lace of birth|[Bb]irthplace"
          rf"|[Cc]itizenship)\"?[ ]*[:=][ ]*\"?"
          rf"(?P<v>{words.NAME_WORD}(?:[ -]{words.NAME_WORD}){{0,3}})", score=0.9),
    _rule("LOCATION", rf"(?:\n|, ?)[ ]*(?P<v>{_TOWN}),?[ ]{words.POSTAL_CODE}(?=[ ]*(?:$|[\n,?]|\."
          rf"(?!\d)))", _town, score=0.9),
    _rule("LOCATION", rf"(?:\n|, ?)[ ]*{words.POSTAL_CODE} (?P<v>{_TOWN})(?=[ ]*(?:$|[\n,.?]))", _town, score=0.9),
    _rule("LOCATION", rf"\b(?:zip|postal|post)[ -]?code of (?P<v>{_TOWN})"),
    _rule("NRP", rf"\b(?:[Nn]ationality|[Ee]thnicity|[Rr]eligion|NATIONALITY)[ ]*[:=][ ]*(?P<v>{words.NAME_WORD})"),
    _rule("TITLE", rf"(?<![\w.])(?P<v>(?i:{words.HONORIFICS})\b\.?)(?=[ \u00a0]{words.NAME_WORD}|[ \u00a0][A-Z]\.)"),
    _rule("TITLE", r"(?<![\w.])(?P<v>(?:mr|mrs|ms|mx|dr|prof)\b\.?)(?= [a-z]{2})"),
    _rule("TITLE", rf"\b[Tt](?:itle|ITLE):[ ]*(?P<v>(?i:{words.HONORIFICS})\b\.?)"),
    _rule("PERSON", rf"{_TITLE}(?P<v>{_NAME})", _name),
    _rule("PERSON", rf"(?:^|\n|[.!?:] )(?:Dear|Hello|Hi|Hey|Good (?:morning|afternoon|evening)),?[ \u00a0]+"
          rf"(?P<v>{_NAME})(?=[,:.! \n-])", _name),
    _rule("PERSON", rf"\b(?:[Mm]y name is|[Nn]ame is|I am|I'm|[Tt]his is|signed(?: by)?|[Cc]ontact|[Aa]sk for"
          rf"|spoke (?:to|with))[ ]+(?P<v>{_NAME})", _name),
    _rule("PERSON", rf"\b(?:[Nn]ame|[Tt]axpayer|[Cc]lient|[Cc]ustomer|[Ss]pouse|[Dd]ependents?"
          rf"|[Aa]ccount holder|[Cc]ardholder|[Pp]atient|[Cc]ontact|[Ff]rom|[Tt]o|[Aa]ttn|ATTN|NAME|TAXPAYER"
          rf"|CLIENT|CUSTOMER|Agent|customer|name|user|client|patient|contact)\"?[ ]*:[ ]*\"?(?P<v>{_NAME}(?:,"
          rf" {_NAME})?)", _name),
    _rule("PERSON", rf"\b(?:{words.RELATIVES})\b,?[ ](?P<v>{_NAME})", _name),
    _rule("PERSON", rf"\b(?:{words.RELATIVES})\b,?[ ]{_NAME} and (?P<v>{_NAME})", _name),
    _rule("PERSON", rf"(?:^|\n)[-*\u2022 ]*(?P<v>{words.NAME_WORD}(?: (?:{words.NAME_WORD}|{words.PARTICLES}"
          rf"|[A-Z]\.?)){{1,3}})"
          rf"(?=, ?[\d(+]|\t| <|,[\w.]+@)", _name, score=0.7),
    _rule("PERSON", rf"(?:^|\n)\[?\d{{1,2}}(?::\d{{2}})?(?: ?[AaPp]\.?[Mm])?\]? (?P<v>{_NAME})(?=:"
          rf" )", _name, score=0.7),
    _rule("PERSON", rf"\b(?:[Hh]ey|[Yy]o|[Tt]hx|[Tt]hanks|[Hh]i|[Oo]mg|[Hh]ello),? (?:its |it's |this is )?"
          rf"(?P<v>{words.NAME_WORD})(?=[ ,.!\n])",
          _name, score=0.6),
    _rule("PERSON", rf"\b(?:belongs to|spoke (?:to|with)|[Tt]ell|told|[Aa]sk|asked|met|[Nn]amed|brought in by|written"
          rf" by|signed by"
          rf"|married(?: to)?|[Ss]till with|[Ss]urname:?|[Ll]ast name:?|[Ff]irst name:?|given name:?) "
          rf"(?P<v>{_NAME})", _name, score=0.7),
    _rule("PERSON", rf"(?:^|\n)To (?P<v>{_NAME})(?=,)", _name),
    _rule("PERSON", rf"{_CLOSING}(?P<v>{_NAME})[ ]*(?=$|\n|[,(]| and )", _name),
    _rule("PERSON", rf"{_CLOSING}{_NAME} and (?P<v>{_NAME})(?=$|\n|[,(])", _name),
    _rule("PERSON", rf"(?:^|\n)[ ]*(?P<v>{_NAME}(?:, {_NAME})?)[ ]*\n[ ]*(?:\d{{1,6}}[A-Za-z]? \w"
          rf"|P\.?O\.? ?Box)", _name),
    _rule("PERSON", rf"(?<![\w-])(?P<v>{words.UPPER_WORD}, {words.UPPER_WORD}(?: {words.UPPER_WORD}"
          rf"| [A-Z]\.?)?)(?![\w-])", _name, score=0.6),
    _rule("LOCATION", rf", (?P<v>[^\W\d_]+(?: [^\W\d_]+){{0,2}}), (?:{_STATE}) \d{{5}}\b", flags=_I, score=0.6),
    _rule("LOCATION", rf"[^\W\d_], (?P<v>{_STATE})(?= \d{{5}}(?:-\d{{4}})?\b)", flags=_I, score=0.6),
    _rule("ORGANIZATION", rf"(?<!\w)(?P<v>(?:{words.NAME_WORD}(?:, | and | & | )){{1,4}}"
          rf"(?:{words.FIRM})\b)", score=0.88),
    _rule("ORGANIZATION", rf"(?<!\w)(?P<v>(?:Bureau|Office|Department|Ministry|University|Bank|Institute|Board) of"
          rf"(?: (?:the |and )?{words.NAME_WORD}){{1,3}})", score=0.88),
    _rule("ORGANIZATION", rf"(?<!\w)(?P<v>{words.NAME_WORD}, {words.NAME_WORD},? (?:and|AND)"
          rf" {words.NAME_WORD})", _firm, score=0.87),
    _rule("DATE_TIME", rf"(?<![\w/.-])(?P<v>{words.DATE})(?![/-]\d)", _date, flags=_I, score=0.8),
    _rule("DATE_TIME", r"(?<![\w:])(?P<v>\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]\.?m\b)?|\d{1,2} ?[ap]\.?m\b)(?![\w:])",
          flags=_I, score=0.7),
    _rule("DATE_TIME", r"\b(?P<v>noon|midnight)\b", flags=_I, score=0.7),
    _rule("AGE", r"(?<![\d.,$-])(?P<v>\d{1,3})(?=[ -]?(?:years?|yrs?|months?|weeks?)(?:[ -]old\b| of"
          r" age\b))", flags=_I),
    _rule("AGE", r"(?<![\d.,$-])(?P<v>\d{1,3})(?= ?(?:yo|y/o|y\.o\.|yrs?)(?![\w/]))", flags=_I),
    _rule("AGE", r"\b(?:aged|age(?: of)?|turned|turning|turns)\b[ ]?[:=]?[ ]?(?P<v>\d{1,3})(?![\d%-]"
          r"|[.,]\d)", flags=_I, score=0.6),
    _rule("AGE", rf"\b(?:I am|I'm|(?:[Ss]he|[Hh]e|{words.NAME_WORD}) is)[ ](?P<v>\d{{1,3}})(?=$|[.,;!]|[ ](?:and|now"
          rf"|but|years?)\b)",
          score=0.6),
)  # fmt: skip


class RuleSet:
    """The rules for some entity types, of which only those are run that can match (`Prefilter`)."""

    def __init__(self, entities: Collection[str]) -> None:
        self.rules = [rule for rule in RULES if rule.entity in entities]
        self._possible = Prefilter([rule.pattern for rule in self.rules])

    def __call__(self, text: str) -> Iterator[tuple[str, int, int, float]]:
        """Yields (type, start, end, score) of everything in a text that a rule accepts."""
        for number in self._possible(text):
            rule = self.rules[number]
            for start, end, score in matches([rule], text):
                yield rule.entity, start, end, score


@functools.lru_cache(maxsize=16)
def rule_set(entities: frozenset[str]) -> RuleSet:
    """The rules for these types; made once a process."""
    return RuleSet(entities)


def matches(rules: Sequence[Rule], text: str) -> Iterable[tuple[int, int, float]]:
    """Yields (start, end, score) of everything in a text that a rule accepts."""
    for rule in rules:
        for match in rule.pattern.finditer(text):
            start, end = match.span("v")
            length = rule.trim(text[start:end])
            if length and not _is_common(rule.entity, text[start : start + length]):
                yield start, start + length, rule.score


def _is_common(entity: str, value: str) -> bool:
    """Whether a person's name has only words that name nobody, as "Dear Client" has."""
    if entity != "PERSON":
        return False
    return all(word.strip(".,").casefold() in words.NOT_NAMES for word in re.split(r"[\s,]+", value) if word)


def all_entities() -> frozenset[str]:
    return frozenset(rule.entity for rule in RULES)
