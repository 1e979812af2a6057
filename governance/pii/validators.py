"""Has the last word on what a rule's pattern matched: how long the valid beginning is, 0 for none.

Check digits, ranges of numbers that were never given out, and words that make a match something else.
"""

from __future__ import annotations

import ipaddress
import re

from governance.pii import vocabulary as words


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, character in enumerate(reversed(digits)):
        value = int(character) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card(text: str) -> int:
    """Length of the longest beginning, in whole groups, that is a card number of 12 to 19 digits; 0 for none.

    Twelve digits are of Maestro alone; a first digit 1 is of old JCB cards alone.
    """
    for end in sorted((group.end() for group in re.finditer(r"\d+", text)), reverse=True):
        digits = re.sub(r"\D", "", text[:end])
        known = digits[:1] in ("5", "6") if len(digits) == 12 else digits[:1] in tuple("23456")
        if 12 <= len(digits) <= 19 and (known or digits.startswith("1800")) and luhn(digits):
            return end
    return 0


def international(text: str) -> int:
    """Behind a plus, eight to fifteen digits (ITU-T E.164), also where no country has such a number. "+3.1415926" and
    "+12 500 000" are numbers of another kind."""
    if re.fullmatch(r"\+\d+\.\d+|\+\d{1,3}(?: \d{3}){1,3}", text):
        return 0
    return len(text) if 8 <= len(re.sub(r"\D", "", text)) <= 15 else 0


def identifier(text: str) -> int:
    """Three digits at least, in four characters at least."""
    letters = re.sub(r"[^A-Za-z0-9]", "", text)
    return len(text) if len(letters) > 3 and sum(map(str.isdigit, letters)) > 2 else 0


def iban(text: str) -> int:
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


def ip(text: str) -> int:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return 0
    return len(text)


def phone(text: str) -> int:
    """Length of the longest beginning, in whole groups of digits, that is a possible number of its country."""
    import phonenumbers

    if re.fullmatch(r"\+\d{1,3}\.\d{1,7}", text):  # "+51.5073509" is a latitude; registrars write "+1.2125550142"
        return 0
    for end in sorted((group.end() for group in re.finditer(r"\d+", text)), reverse=True):
        try:
            number = phonenumbers.parse(text[:end], None)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return end
    return 0


def ten_digits(text: str) -> int:
    """Ten digits without an extension, or eleven to thirteen with the country's in front."""
    digits = re.sub(r"\D", "", re.split("[xe]", text)[0])
    return len(text) if 10 <= len(digits) <= 13 else 0


def trunk(text: str) -> int:
    """A national number behind its leading zero has nine to twelve digits; what begins as a date is none."""
    if re.match(r"\d{2}([./-])\d{2}\1\d{2}", text):
        return 0
    return len(text) if 9 <= len(re.sub(r"\D", "", text)) <= 12 else 0


def spoken_of(text: str) -> int:
    """Behind a word such as "call": seven to fifteen digits (ITU-T E.164) that are no date."""
    if re.match(r"\d{1,4}([./-])\d{1,2}\1\d{2,4}(?!\d|[./-]\d)", text):
        return 0
    return len(text) if 7 <= len(re.sub(r"\D", "", text)) <= 15 else 0


def without_full_stop(text: str) -> int:
    return len(text.rstrip(".,;:!?)]}'\""))


def name(text: str) -> int:
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


def ssn(text: str) -> int:
    """Nine digits of which no group is all zero; those of a tax payer number are left to its rule."""
    digits = re.sub(r"\D", "", text)
    empty = digits[:3] == "000" or digits[3:5] == "00" or digits[5:] == "0000"
    return 0 if empty or _is_itin(digits) else len(text)


def itin(text: str) -> int:
    return len(text) if _is_itin(re.sub(r"\D", "", text)) else 0


def _is_itin(digits: str) -> bool:
    """9xx, and 50-65, 70-88, 90-92 or 94-99 as the fourth and fifth digit (IRS Publication 1915)."""
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 99 and group != 93)


#: Beginnings of employer identification numbers that were given out (IRS, "How EINs are assigned and valid prefixes").
EIN_PREFIXES = frozenset(
    f"{number:02}"
    for first, last in ((1, 6), (10, 16), (20, 27), (30, 48), (50, 68), (71, 77), (80, 88), (90, 95), (98, 99))
    for number in range(first, last + 1)
)


def ein(text: str) -> int:
    """Two digits that the IRS has given out in front of seven others."""
    return len(text) if text[:2] in EIN_PREFIXES else 0


def aba(text: str) -> int:
    """A routing number: its first two digits are of a Federal Reserve district, and its check digit fits (American
    Bankers Association: digits weighted 3, 7, 1 make a multiple of ten)."""
    digits = [int(character) for character in re.sub(r"\D", "", text)]
    district = digits[0] * 10 + digits[1]
    known = district <= 12 or 21 <= district <= 32 or 61 <= district <= 72 or district == 80
    weights = (3, 7, 1) * 3
    fits = sum(weight * digit for weight, digit in zip(weights, digits, strict=True)) % 10 == 0
    return len(text) if known and fits and any(digits) else 0


_NO_STREET = frozenset(words.split("at of the or and percent per days months years to for in any such than"))


def street(text: str) -> int:
    """A number and a street, and not "5 years in any place" or a date before a house number's line."""
    inner = text.casefold().split()[1:-1]
    return 0 if set(inner) & _NO_STREET else len(text)


_NOT_BEFORE_A_HOUSE = frozenset(
    words.split("on in at by since until till from with before after about and or for than")
)
#: A Czech postal code and a district: "110 00 Praha 1".
_DISTRICT = re.compile(r"(?:\d{3} \d{2}|0\d) [^\W\d_]+ \d{1,2}")


def numbered_street(text: str) -> int:
    """A street's name with a number behind it, and not "Section 12" or "December 31"."""
    inner = text.casefold().split()
    if inner[-2:-1] and inner[-2] in _NOT_BEFORE_A_HOUSE or _DISTRICT.fullmatch(text):
        return 0
    return 0 if set(inner) & words.NUMBERED or set(inner) & _NO_STREET - {"of"} and len(inner) < 4 else len(text)


def firm(text: str) -> int:
    """Three names as a firm has them, and not "April, June and September"."""
    return 0 if set(re.findall(r"\w+", text.casefold())) & words.NUMBERED else len(text)


_NO_LOWER_NAME = frozenset(words.split("not the a an on in no so to spelled and but is was pronounced also only still"))


def lower_name(text: str) -> int:
    """Length of the beginning that may be a name in lower case, behind "my name is"; 0 for none."""
    end = 0
    for word in re.finditer(r"\S+", text):
        if word[0].casefold() in words.NOT_NAMES or word[0].casefold() in _NO_LOWER_NAME:
            break
        end = word.end()
    return end


def employer(text: str) -> int:
    """Who somebody works for: capitalised words, up to one that names nobody."""
    end = 0
    for word in re.finditer(r"\S+", text):
        bare = word[0].strip(".,'\u2019").casefold()
        if bare == "and" and end:  # "Birch And Oakley"
            continue
        if bare in words.NOT_NAMES or bare in words.NUMBERED:
            break
        end = word.end()
    return end


def town(text: str) -> int:
    """A town beside a postal code, and not "Section 12345" or "December 2019"."""
    return 0 if set(text.casefold().split()) & words.NUMBERED else len(text)


def town_code(text: str) -> int:
    """A postal code; four digits that may be a year are none."""
    return 0 if re.fullmatch(r"(?:1[89]|20)\d\d", text) else len(text)


def date(text: str) -> int:
    """Refuses words such as "may 5": a month in lower case is no date unless a year follows."""
    if re.fullmatch(r"(?:may|mar|march)\b.*", text) and not re.search(r"\d{4}", text):
        return 0
    return len(text)
