"""Type-true stand-ins: a name for a name, a street for a street, a card number with a right check digit for another.

Everything follows from HMAC-SHA256 (RFC 2104) over type and canonical value (`canonical`) with the domain's key: the
same value has the same stand-in in all documents and builds of a domain, and another one in another domain; separators
and case are those of the place where it stands. Each word of a person's name is replaced alone, so "Maria Delacroix"
and "Delacroix" share the stand-in of "Delacroix"; "Maria" alone is any Maria's.

Names are a family name from Faker's lists and two syllables more, since Faker's alone are so few that two persons would
soon have one in common: there are at least 2**32, as many as tags. Numbers keep their form and length, so a short one
(a postal code, an age) has fewer stand-ins than a tag. What points at a machine or person outside stays in ranges that
are nobody's: example.org (RFC 2606), 10.0.0.0/8 (RFC 1918), 2001:db8::/32 (RFC 3849), area 9xx of social security
numbers, range 999 of NHS numbers, hardware addresses that no maker gives. A stand-in looks like what it stands for, so
a second filtering replaces it again.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from governance.pii import vocabulary
from governance.pii.bitcoin import base58_address, segwit_address
from governance.pii.canonical import EXTENSION, TRUNK, canonical, digits, phone_digits
from governance.pii.predefined import DEA_LETTERS, dea, nhs
from governance.pii.validators import EIN_PREFIXES, luhn

_LOCALES = ("cs_CZ", "da_DK", "de_DE", "en_GB", "en_US", "es_ES", "fi_FI", "fr_FR", "hr_HR", "it_IT", "nl_NL", "pl_PL",
            "pt_BR", "ro_RO", "sv_SE")  # fmt: skip
_ONSETS = ("b", "br", "c", "ch", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pr", "qu",
           "r", "s", "sh", "st", "t", "th", "tr", "v", "w", "z")  # fmt: skip
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ia", "io", "ou"]
_ENDINGS = ["l", "ld", "m", "n", "nd", "r", "rd", "rn", "s", "st", "t", "x"]
_STREETS = ("Street", "Road", "Avenue", "Lane", "Drive", "Court")
_TOWNS = ("ville", "burg", "ham", "field")
_FIRMS = ("Group", "Ltd", "Inc", "Partners", "Holdings", "GmbH")
_PEOPLES = ("Austrian", "Belgian", "Chilean", "Danish", "Egyptian", "Finnish", "Ghanaian", "Hungarian", "Irish",
            "Jamaican", "Kenyan", "Latvian", "Maltese", "Nigerian", "Peruvian", "Swedish")  # fmt: skip
_JOBS = ("archivist", "auditor", "baker", "carpenter", "clerk", "dispatcher", "editor", "gardener", "inspector",
         "librarian", "machinist", "nurse", "planner", "surveyor", "teacher", "welder")  # fmt: skip
_TITLES = ("Mr", "Ms", "Mx", "Dr", "Prof")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH = re.compile(rf"\b(?:{'|'.join(f'{month[:3]}(?:{month[3:]}|t)?' for month in _MONTHS)})\b", re.IGNORECASE)
_DAY = re.compile(rf"\b(?:{'|'.join(_DAYS)})\b", re.IGNORECASE)
_HONORIFIC = re.compile(rf"(?:{vocabulary.HONORIFICS})\.?", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_PARTICLES = frozenset(vocabulary.PARTICLES.split("|"))


@dataclass
class _Stream:
    """Numbers that follow from a digest, as many as are asked for."""

    key: bytes
    seed: bytes
    block: int = 0
    left: int = 0

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1; its bias is below 2**-64 for limits up to 2**64."""
        if self.left < limit << 64:
            digest = hmac.new(self.key, self.seed + self.block.to_bytes(4, "big"), hashlib.sha256).digest()
            self.left, self.block = int.from_bytes(digest, "big"), self.block + 1
        self.left, number = divmod(self.left, limit)
        return number

    def choice(self, options: Sequence[str]) -> str:
        return options[self.below(len(options))]


def surrogate(key: bytes, entity: str, value: str) -> str | None:
    """What stands for a value of this type in one domain; never the value itself. None where nothing else fits.

    Args:
        key: of the domain's pseudonyms, 32 bytes.
    """
    if entity == "PERSON":
        name = _WORD.sub(lambda match: _name_word(key, match.group()), value)
        return name if name.casefold() != value.casefold() else None
    return _first_other(key, entity, value, _MAKERS.get(entity, _same_form))


def _first_other(key: bytes, entity: str, value: str, make: Callable[[_Stream, str], str]) -> str | None:
    """The first of a few tries that is not the value again, in whatever spelling: all have the same stand-in."""
    own = canonical(entity, value)
    for attempt in range(16):
        made = make(_Stream(key, f"{entity}\0{own}\0{attempt}\0".encode()), value)
        if canonical(entity, made).casefold() != own.casefold():
            return made
    return None


def _name_word(key: bytes, word: str) -> str:
    """A word of a person's name; particles ("van") stay, an initial becomes another one."""
    if word in _PARTICLES:
        return word
    make = _initial if len(word) == 1 else lambda stream, _: _name(stream)
    made = _first_other(key, "PERSON", word, make) or _name(_Stream(key, word.encode()))
    if word.isupper():
        return made.upper()
    return made.lower() if word.islower() else made


def _initial(stream: _Stream, _: str) -> str:
    return stream.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _name(stream: _Stream) -> str:
    syllables = "".join(stream.choice(_ONSETS) + stream.choice(_VOWELS) for _ in range(2))
    return stream.choice(stems()) + syllables + stream.choice(_ENDINGS)


@functools.cache
def stems() -> tuple[str, ...]:
    """Family names of Faker's that are written with plain letters, sorted."""
    import importlib

    names: set[str] = set()
    for locale in _LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in ("last_names", "last_names_male", "last_names_female"):
            names |= {str(name) for name in getattr(provider, attribute, ())}
    return tuple(sorted(name for name in names if re.fullmatch(r"[A-Z][a-z]{2,7}", name)))


def _same_form(stream: _Stream, value: str) -> str:
    """Digits for digits and letters for letters; a zero at the beginning stays."""
    beginning = re.search(r"[^\W_]|$", value)

    def other(match: re.Match[str]) -> str:
        character = match.group()
        if character.isdigit():
            first = beginning is not None and match.start() == beginning.start()
            return "0" if character == "0" and first else str(stream.below(10))
        made = stream.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        return made if character.isupper() else made.lower()

    return re.sub(r"[^\W_]", other, value)


def _phone(stream: _Stream, value: str) -> str:
    """The codes of country and trunk stay, and so does an extension's word."""
    extension = EXTENSION.search(value)
    end = extension.start() if extension else len(value)
    number = phone_digits(value)
    made = iter(_other_number(stream, number))
    kept = len(digits(re.sub(TRUNK, "", value[:end]))) - len(number.lstrip("+"))

    def other(match: re.Match[str]) -> str:
        nonlocal kept
        if not match.group().isdecimal():  # a trunk zero in brackets
            return match.group()
        kept -= 1
        return match.group() if kept >= 0 else next(made)

    main = re.sub(rf"{TRUNK}|\d", other, value[:end])
    return main + re.sub(r"\d", lambda _: str(stream.below(10)), value[end:])


def _other_number(stream: _Stream, number: str) -> str:
    """Digits for those of a number: two of another country's code stay, or a trunk zero."""
    head = 3 if number.startswith("+") else int(number.startswith("0"))
    rest = [str(stream.below(8) + 2), *(str(stream.below(10)) for _ in number[head + 1 :])]
    return (number[:head] + "".join(rest)).lstrip("+")


def _card(stream: _Stream, value: str) -> str:
    return _with_digits(value, _checked(value, stream))


def _checked(value: str, stream: _Stream) -> str:
    digits = re.sub(r"\D", "", value)
    body = digits[0] + "".join(str(stream.below(10)) for _ in digits[2:])
    return next(body + str(check) for check in range(10) if luhn(body + str(check)))


def _iban(stream: _Stream, value: str) -> str:
    """The country stays; the check digits (ISO 13616, modulo 97) are right."""
    compact = re.sub(r"[^0-9A-Za-z]", "", value).upper()
    body = _same_form(stream, "x" + compact[4:])[1:].upper()
    number = int("".join(str(int(character, 36)) for character in body + compact[:2] + "00"))
    return _poured(f"{compact[:2]}{98 - number % 97:02}{body}", value)


def _poured(made: str, value: str) -> str:
    """Letters and digits in the places of a value's, with its separators, in small letters where it has no capitals."""
    following = iter(made.lower() if value == value.lower() else made)
    return re.sub(r"[^\W_]", lambda _: next(following, ""), value)


def _ssn(stream: _Stream, value: str) -> str:
    """Area 9xx, which no social security number has, with a group that no ITIN has."""
    return _with_digits(value, f"9{stream.below(100):02}{stream.below(49) + 1:02}{stream.below(9999) + 1:04}")


def _itin(stream: _Stream, value: str) -> str:
    return _with_digits(value, f"9{stream.below(100):02}{stream.below(19) + 70:02}{stream.below(9999) + 1:04}")


def _ein(stream: _Stream, value: str) -> str:
    """With a prefix that was given out, so that it is one again."""
    return _with_digits(value, f"{stream.choice(sorted(EIN_PREFIXES))}{stream.below(10**7):07}")


def _with_digits(value: str, digits: str) -> str:
    following = iter(digits)
    return re.sub(r"\d", lambda _: next(following), value)


def _ip(stream: _Stream, value: str) -> str:
    if ":" in value:
        return "2001:db8:" + ":".join(f"{stream.below(2**16):x}" for _ in range(6))
    return "10." + ".".join(str(stream.below(256)) for _ in range(3))


def _url(stream: _Stream, value: str) -> str:
    scheme = re.match(r"[a-z]+://|", value, re.IGNORECASE)
    return f"{scheme[0] if scheme else ''}www.example.org/{_name(stream).lower()}"


def _date(stream: _Stream, value: str) -> str:
    """Another date or time in the same form: numbers that are right in any order of day and month."""
    made = _MONTH.sub(lambda match: _as_short(stream.choice(_MONTHS), match.group()), value)
    made = _DAY.sub(lambda _: stream.choice(_DAYS), made)
    made = re.sub(r"noon|midnight", lambda _: stream.choice(("noon", "midnight")), made)
    return re.sub(r"\d+", lambda match: _part_of_date(stream, match.group()), made)


def _as_short(month: str, like: str) -> str:
    return month if len(like) > 3 else month[:3]


def _part_of_date(stream: _Stream, digits: str) -> str:
    if len(digits) == 4:
        return str(1940 + stream.below(90))
    return str(stream.below(12) + 1).zfill(len(digits))


def _title(stream: _Stream, value: str) -> str:
    """Another title before a name, or another job, in capitals where it begins with one."""
    if _HONORIFIC.fullmatch(value):
        return stream.choice(_TITLES) + ("." if value.endswith(".") else "")
    made = stream.choice(_JOBS)
    return made.capitalize() if value[:1].isupper() else made


def _hex(stream: _Stream, count: int) -> str:
    return "".join(stream.choice("0123456789ABCDEF") for _ in range(count))


def _mac(stream: _Stream, value: str) -> str:
    """A locally administered address (IEEE 802): of no maker's device."""
    return _poured(f"02{_hex(stream, 10)}", value)


def _uuid(stream: _Stream, value: str) -> str:
    """Of version 4 and RFC 9562's variant."""
    return _poured(f"{_hex(stream, 12)}4{_hex(stream, 3)}{stream.choice('89AB')}{_hex(stream, 15)}", value)


def _nhs(stream: _Stream, value: str) -> str:
    """Of the range 999, which is kept for tests. A sum that no check digit completes is drawn again."""
    while True:
        body = "999" + "".join(str(stream.below(10)) for _ in range(6))
        for check in "0123456789":
            if nhs(body + check):
                return _with_digits(value, body + check)


def _dea(stream: _Stream, value: str) -> str:
    body = stream.choice(DEA_LETTERS) + ("9" if value[1:2].isdigit() else stream.choice("ABCDEFGHJKLMNP"))
    body += "".join(str(stream.below(10)) for _ in range(6))
    return _poured(next(f"{body}{check}" for check in range(10) if dea(f"{body}{check}")), value)


def _wallet(stream: _Stream, value: str) -> str:
    """An address whose key nobody has: a random hash, with the checksum of its kind."""
    content = bytes(stream.below(256) for _ in range(20))
    if value.startswith("bc1"):
        return segwit_address(content)
    return base58_address(5 if value.startswith("3") else 0, content)


_MAKERS: dict[str, Callable[[_Stream, str], str]] = {
    "AGE": lambda stream, value: re.sub(r"\d+", lambda _: str(18 + stream.below(72)), value),
    "CREDIT_CARD": _card,
    "CRYPTO": _wallet,
    "DATE_OF_BIRTH": _date,
    "DATE_TIME": _date,
    "EMAIL_ADDRESS": lambda stream, _: f"{_name(stream).lower()}@example.org",
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
    "MAC_ADDRESS": _mac,
    "MEDICAL_LICENSE": _dea,
    "LOCATION": lambda stream, _: _name(stream) + stream.choice(_TOWNS),
    "NRP": lambda stream, _: stream.choice(_PEOPLES),
    "ORGANIZATION": lambda stream, _: f"{_name(stream)} {stream.choice(_FIRMS)}",
    "PHONE_NUMBER": _phone,
    "STREET_ADDRESS": lambda stream, _: f"{stream.below(998) + 2} {_name(stream)} {stream.choice(_STREETS)}",
    "TITLE": lambda stream, value: _title(stream, value),
    "UK_NHS": _nhs,
    "URL": _url,
    "US_EIN": _ein,
    "US_PTIN": lambda stream, value: re.sub(r"\d", lambda _: str(stream.below(10)), value),
    "US_ITIN": _itin,
    "US_SSN": _ssn,
    "UUID": _uuid,
}
