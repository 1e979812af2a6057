"""Rules for the types that Presidio's registry finds by default in English text and our other rules do not.

The patterns are Presidio's, written for RE2's sets (which know no references to groups), and so is what has the last
word: alone, each type has the spans of Presidio's own recognizer (`tests/governance/test_pii_predefined.py`). To import
Presidio takes a second, so the short checks are repeated here, and Presidio's own is asked about a wallet's address
alone, which is rare. Scores only settle what a string is that has two forms: one UK number in eleven that a checksum
lets through is a phone number.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING

from governance.pii.rule import Rule, rule

if TYPE_CHECKING:
    from presidio_analyzer.predefined_recognizers import CryptoRecognizer

#: What Presidio runs its patterns with; the two others change nothing in these.
_I = re.IGNORECASE
_HEX = "[0-9A-Fa-f]"
_NHS = r"\b[0-9]{3}[- ]?[0-9]{3}[- ]?[0-9]{4}\b"
_NHS_CUE = r"\b(?:NHS|national health service|health authority)\b(?:[^\n\d]|\n(?!\n)){0,40}?"
#: First letters of a DEA number.
DEA_LETTERS = "ABCDEFGHJKLMPRSTUX"
_BASE58 = re.compile("[1-9A-HJ-NP-Za-km-z]+")


def nhs(text: str) -> int:
    """The weighted sum of ten digits is a multiple of eleven (NHS Data Dictionary, "NHS Number")."""
    digits = re.sub("[- ]", "", text)
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 0, -1), strict=True))
    return len(text) if total % 11 == 0 else 0


def dea(text: str) -> int:
    """The last of seven digits is the last of the sum of those at odd places and twice those at even places."""
    digits = [unicodedata.decimal(character) for character in text[2:]]
    return len(text) if (sum(digits[:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6] else 0


def mac(text: str) -> int:
    """An address that is neither empty nor everybody's."""
    return 0 if set(re.sub("[-:.]", "", text).upper()) in ({"0"}, {"F"}) else len(text)


def uuid(text: str) -> int:
    """A version from 1 to 8 and the variant of RFC 9562."""
    return len(text) if text[14] in "12345678" and text[19] in "89abAB" else 0


def wallet(text: str) -> int:
    """The checksum of an address of Bitcoin (base58check, BIP 173 or BIP 350)."""
    plausible = text.isascii() if text.startswith("bc1") else _BASE58.fullmatch(text) is not None
    return len(text) if plausible and crypto_recognizer().validate_result(text) else 0


@functools.cache
def crypto_recognizer() -> CryptoRecognizer:
    """Presidio's, with its checksums."""
    from presidio_analyzer.predefined_recognizers import CryptoRecognizer

    return CryptoRecognizer()


PREDEFINED: tuple[Rule, ...] = (
    # Presidio's `regex` takes a long s, a dotted I and the Kelvin sign for letters, and `re` a dotless i as well.
    rule("CRYPTO", r"(?P<v>(?:[bB][cC]1|[13])[a-zA-Z0-9\u0130\u017f\u212a]{25,59})", wallet),
    rule("MAC_ADDRESS", rf"\b(?P<v>{_HEX}{{2}}(?::{_HEX}{{2}}){{5}}|{_HEX}{{2}}(?:-{_HEX}{{2}}){{5}})\b", mac),
    rule("MAC_ADDRESS", rf"\b(?P<v>{_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}})\b", mac),
    rule("MEDICAL_LICENSE", rf"(?P<v>[{DEA_LETTERS}](?:[A-Z]|9)\d{{7}})", dea, flags=_I, score=0.75),
    rule("UK_NHS", rf"(?P<v>{_NHS})", nhs, score=0.4),
    rule("UK_NHS", rf"{_NHS_CUE}(?P<v>{_NHS})", nhs, flags=_I, score=0.95),
    rule("UUID", rf"\b(?P<v>{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}})\b", uuid),
)  # fmt: skip
