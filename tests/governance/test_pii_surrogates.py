"""Type-true stand-ins: consistent in a domain, unlinkable outside, never the value, as rarely shared as tags."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.pii import Detector, Finding, PiiFilter, filter_fingerprint
from governance.pii import surrogates as module
from governance.pii.entities import ALL_TYPES, STRUCTURED_TYPES
from governance.pii.predefined import wallet
from governance.pii.surrogates import surrogate
from governance.pii.validators import luhn
from governance.policy import PiiRules

KEY, OTHER = b"k" * 32, b"o" * 32

VALUES = {
    "AGE": "45",
    "CREDIT_CARD": "4111 1111 1111 1111",
    "CRYPTO": "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "DATE_OF_BIRTH": "03/14/1975",
    "DATE_TIME": "12 March 2020",
    "EMAIL_ADDRESS": "ann@example.com",
    "IBAN_CODE": "DE89 3704 0044 0532 0130 00",
    "ID_NUMBER": "XK-99213-A",
    "IP_ADDRESS": "192.0.2.17",
    "LOCATION": "Springfield",
    "MAC_ADDRESS": "00:1a:2b:3c:4d:5e",
    "MEDICAL_LICENSE": "BB1388568",
    "NRP": "Dutch",
    "ORGANIZATION": "Halden Group",
    "PERSON": "Maria J. van Delacroix",
    "PHONE_NUMBER": "+44 20 7946 0958",
    "STREET_ADDRESS": "12 Elm Street",
    "TITLE": "Mrs.",
    "UK_NHS": "401-023-2137",
    "URL": "https://example.com/a",
    "US_BANK_NUMBER": "000123456789",
    "US_DRIVER_LICENSE": "D1234567",
    "US_EIN": "12-3456789",
    "US_ITIN": "912-70-1234",
    "US_PASSPORT": "512345678",
    "US_PTIN": "P01234567",
    "US_SSN": "219-09-9999",
    "UUID": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "ZIP_CODE": "62704",
}


def of(entity: str, value: str, key: bytes = KEY) -> str:
    made = surrogate(key, entity, value)
    assert made is not None
    return made


def test_each_type_has_a_stand_in() -> None:
    assert set(VALUES) == ALL_TYPES


@pytest.mark.parametrize("entity", sorted(VALUES))
@settings(max_examples=5, deadline=None)
@given(key=st.binary(min_size=32, max_size=32))
def test_a_stand_in_is_stable_and_never_the_value(entity: str, key: bytes) -> None:
    made = of(entity, VALUES[entity], key)
    assert made == of(entity, VALUES[entity], key)
    assert made.casefold() != VALUES[entity].casefold()


def test_domains_cannot_be_joined() -> None:
    assert of("PERSON", "Maria Delacroix") != of("PERSON", "Maria Delacroix", OTHER)
    assert of("EMAIL_ADDRESS", "ann@example.com") != of("EMAIL_ADDRESS", "ann@example.com", OTHER)


def test_each_word_of_a_name_is_replaced_alone() -> None:
    first, last = of("PERSON", "Maria Delacroix").split()
    assert of("PERSON", "Delacroix") == last and of("PERSON", "MARIA DELACROIX") == f"{first} {last}".upper()
    assert of("PERSON", "Delacroix, Maria") == f"{last}, {first}"
    assert of("PERSON", "Maria van Delacroix").split() == [first, "van", last]


def test_a_job_becomes_another_job_and_a_title_another_title() -> None:
    assert of("TITLE", "Mrs.").rstrip(".") in module._TITLES and of("TITLE", "Mrs.").endswith(".")
    assert of("TITLE", "bridge inspector") in module._JOBS
    assert of("TITLE", "Bridge inspector").lower() in module._JOBS and of("TITLE", "Bridge inspector")[0].isupper()


def test_two_persons_share_a_stand_in_as_rarely_as_a_tag() -> None:
    room = len(module.stems()) * (len(module._ONSETS) * len(module._VOWELS)) ** 2 * len(module._ENDINGS)
    assert room >= 2**32
    assert len({of("PERSON", f"Name{chr(97 + n % 26)}{n // 26 * 'x'}") for n in range(2000)}) == 2000


FORMS = [
    "CREDIT_CARD",
    "CRYPTO",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "MEDICAL_LICENSE",
    "STREET_ADDRESS",
    "URL",
    "US_EIN",
    "US_ITIN",
    "US_SSN",
    "UUID",
]


def test_a_form_stays_a_form() -> None:
    forms = [entity for entity in FORMS for _ in range(9)]
    made = [of(entity, VALUES[entity], bytes([number]) * 32) for number, entity in enumerate(forms)]
    for entity, text, findings in zip(forms, made, Detector.create(entities=STRUCTURED_TYPES).find(made), strict=True):
        assert findings == [Finding(0, len(text), entity, findings[0].score)]


@pytest.mark.parametrize("value", ["bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"])
def test_an_address_of_each_kind_becomes_one_of_its_kind(value: str) -> None:
    made = of("CRYPTO", value)
    assert made[0] == value[0] and wallet(made) == len(made)


def test_what_could_reach_somebody_is_nobodys() -> None:
    assert luhn(of("CREDIT_CARD", VALUES["CREDIT_CARD"]).replace(" ", ""))
    assert ipaddress.ip_address(of("IP_ADDRESS", "203.0.113.9")).is_private
    assert of("EMAIL_ADDRESS", "a@b.example").endswith("@example.org")
    assert of("US_SSN", "219-09-9999").startswith("9")
    assert of("UK_NHS", "401-023-2137").startswith("999-") and of("MAC_ADDRESS", "00-1A-2B-3C-4D-5E").startswith("02-")
    assert of("PHONE_NUMBER", "+44 20 7946 0958").startswith("+44 ")


def test_the_filter_writes_stand_ins_and_its_fingerprint_says_so() -> None:
    rules = PiiRules(default="keep", rules={"US_SSN": "surrogate", "EMAIL_ADDRESS": "surrogate"})
    detector = Detector.create(entities={"US_SSN", "EMAIL_ADDRESS"})
    texts = ["SSN 219-09-9999, ann@example.com", "again ann@example.com"]
    one, two = (filtered.text for filtered in PiiFilter(rules, detector, KEY)(texts))
    assert "219-09-9999" not in one and one.split(", ")[1] == two.removeprefix("again ") != "ann@example.com"
    tags = PiiRules(default="keep", rules=dict.fromkeys(rules.rules, "pseudonymize"))
    assert filter_fingerprint(rules, KEY) != filter_fingerprint(tags, KEY)


def test_a_name_without_words_to_replace_gets_a_tag() -> None:
    assert surrogate(KEY, "PERSON", "van der") is None
    rules = PiiRules(default="keep", rules={"US_SSN": "surrogate", "PERSON": "keep"})
    no_digits = PiiFilter(rules, Detector.create(entities={"US_SSN"}), KEY).replacement(
        Finding(0, 3, "US_SSN", 1.0), "---"
    )
    assert no_digits.startswith("<US_SSN_")
