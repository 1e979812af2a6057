"""One form for all spellings of a value, by its type: what a person's or a number's stand-ins follow from.

`219-09-9999`, `219 09 9999` and `219099999` are one number; "Maria Delacroix", "Delacroix, Maria" and "Mrs. Maria
Delacroix" one person.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable

from governance.pii import vocabulary

_TITLE = re.compile(rf"(?:{vocabulary.TITLES})\.?", re.IGNORECASE)
#: Behind a name, with a comma before it or none; generations are a part of the name, degrees are not.
_GENERATION = frozenset({"jr", "sr", "ii", "iii", "iv"})
_DEGREE = frozenset({"md", "phd", "esq", "cpa", "mba", "dds", "rn"})
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'", "`": "'"})
#: An extension, with its word: "x123", ", ext. 4".
EXTENSION = re.compile(r",? *(?:extension|ext\.?|x) *(?P<number>\d{1,6})$", re.IGNORECASE)
#: A trunk zero that is dialled inside of the country alone: "+44 (0)20 …".
TRUNK = r"\(0\)"
_AT = re.compile(r"\s*[(\[]at[)\]]\s*")
_DOT = re.compile(r"\s*[(\[]dot[)\]]\s*|\s*\.\s*")
_HOST = re.compile(r"(?:[a-z]+://)?[^/?#]*", re.IGNORECASE)
#: National numbers of the United States: the country code 1 and ten digits.
_CODE, _NATIONAL = "1", 10


def canonical(entity: str, value: str) -> str:
    """The same string for all spellings of a value of this type; never an empty one for a value with characters."""
    plain = unicodedata.normalize("NFKC", value)
    return _FORMS.get(entity, normalised)(plain) or normalised(plain)


def normalised(value: str) -> str:
    """In one case, with single spaces."""
    return " ".join(value.casefold().split())


def digits(value: str) -> str:
    """The digits alone, in whatever script they are written."""
    return "".join(str(unicodedata.decimal(character)) for character in value if character.isdecimal())


def phone_digits(value: str) -> str:
    """The digits of the number itself: without the home country's code, what is dialled to leave a country, a trunk
    zero in brackets, and an extension. Another country's code stays, behind a plus."""
    main = re.sub(TRUNK, "", EXTENSION.sub("", value))
    found = digits(main)
    exit_code = next((code for code in ("00", "011") if found.startswith(code) and len(found) > 10), "")
    abroad = "+" in main or bool(exit_code)
    found = found.removeprefix(exit_code)
    if found.startswith(_CODE) and len(found) == len(_CODE) + _NATIONAL:
        return found.removeprefix(_CODE)
    return f"+{found}" if abroad and found else found


def name_words(value: str) -> list[str]:
    """The words of a person's name in the order in which they are said, in lower case, without titles and degrees."""
    plain = unicodedata.normalize("NFKC", value).translate(_APOSTROPHES)
    first, *others = (part.split() for part in plain.split(","))
    parts = [_bare_words(first, least=1), *(_bare_words(part, least=0) for part in others)]
    if len(parts) > 1 and parts[0] and not set(parts[1]) <= _GENERATION:
        parts[:2] = parts[1::-1]
    return [word for part in parts for word in part]


def _bare_words(words: list[str], *, least: int) -> list[str]:
    """Without titles in front, of which one is the name where fewer than `least` words would be left."""
    while len(words) > least and _TITLE.fullmatch(words[0]):
        del words[0]
    names = [word.casefold().removesuffix("'s") for word in words]
    bare = (part.strip("'-") for word in names if word.replace(".", "") not in _DEGREE for part in word.split("."))
    return [word for word in bare if word]


def _phone(value: str) -> str:
    extension = EXTENSION.search(value)
    return phone_digits(value) + (f"x{digits(extension['number'])}" if extension else "")


def _compact(value: str) -> str:
    return "".join(filter(str.isalnum, value)).upper()


def _email(value: str) -> str:
    return _DOT.sub(".", _AT.sub("@", value.casefold().strip()))


def _url(value: str) -> str:
    """Whose path is left as it is: there, case counts."""
    return _HOST.sub(lambda match: match.group().casefold(), value.strip(), count=1)


def _ip(value: str) -> str:
    try:
        return ipaddress.ip_address(value.strip()).compressed
    except ValueError:
        return normalised(value)


_FORMS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("CREDIT_CARD", "UK_NHS", "US_BANK_NUMBER", "US_EIN", "US_ITIN", "US_PTIN", "US_SSN"), digits),
    **dict.fromkeys(("IBAN_CODE", "MAC_ADDRESS", "MEDICAL_LICENSE", "UUID"), _compact),
    **dict.fromkeys(("ID_NUMBER", "US_DRIVER_LICENSE", "US_PASSPORT", "ZIP_CODE"), _compact),
    "CRYPTO": str.strip,  # case is a part of an address
    "EMAIL_ADDRESS": _email,
    "IP_ADDRESS": _ip,
    "PERSON": lambda value: " ".join(name_words(value)),
    "PHONE_NUMBER": _phone,
    "URL": _url,
}
