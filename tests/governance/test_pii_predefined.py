"""What Presidio's registry finds by default is found here, too: the same types, and of each the same spans."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.pii import Detector, available_entities
from governance.pii.entities import STRUCTURED_TYPES
from governance.pii.recognizers import rule_set

ADDED = ("CRYPTO", "MAC_ADDRESS", "MEDICAL_LICENSE", "UK_NHS", "UUID")


@functools.cache
def presidio() -> dict[str, Any]:
    """Presidio's own recognizers, by what they find."""
    from presidio_analyzer import RecognizerRegistry

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    return {entity: one for one in registry.recognizers for entity in one.supported_entities}


def test_each_default_type_of_presidio_is_a_type_here() -> None:
    assert set(presidio()) <= available_entities()


#: Made up, or from standards and manuals: valid ones, and each with something wrong.
FORMS = [
    ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", True),
    ("CRYPTO", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", True),
    ("CRYPTO", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", True),  # BIP 173
    ("CRYPTO", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", True),  # BIP 350
    ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", False),
    ("CRYPTO", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp", False),
    ("CRYPTO", "BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ", False),  # right, but not to Presidio
    ("MAC_ADDRESS", "00:1A:2b:3C:4D:5E", True),
    ("MAC_ADDRESS", "00-1A-2B-3C-4D-5E", True),
    ("MAC_ADDRESS", "0012.3456.789a", True),
    ("MAC_ADDRESS", "00:1A-2B:3C:4D:5E", False),
    ("MAC_ADDRESS", "ff:ff:ff:ff:ff:ff", False),
    ("MAC_ADDRESS", "0000.0000.0000", False),
    ("MEDICAL_LICENSE", "BB1388568", True),
    ("MEDICAL_LICENSE", "m91234563", True),
    ("MEDICAL_LICENSE", "BB1388569", False),
    ("MEDICAL_LICENSE", "ZB1388568", False),
    ("UK_NHS", "401-023-2137", True),
    ("UK_NHS", "401 0232137", True),
    ("UK_NHS", "401-023-2138", False),
    ("UUID", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", True),  # RFC 9562
    ("UUID", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", True),
    ("UUID", "00000000-0000-0000-0000-000000000000", False),
    ("UUID", "f81d4fae-7dec-91d0-a765-00a0c91e6bf6", False),
    ("UUID", "f81d4fae-7dec-11d0-c765-00a0c91e6bf6", False),
]


@pytest.mark.parametrize(("entity", "value", "valid"), FORMS)
def test_a_form_counts_where_its_check_holds(entity: str, value: str, valid: bool) -> None:
    text = f"It is {value}, she said."
    found = Detector.create(entities={entity}).find([text])[0]
    assert [text[one.start : one.end] for one in found] == ([value] if valid else [])


PIECES = st.sampled_from(
    [value for _, value, _ in FORMS]
    + ["NHS", "DEA", "wallet", "-", ":", ".", " ", "\n", "1", "3", "bc1", "a0", "0", "9", "\u017f", "\u212a", "\u0131"]
    + ["\u0130", "１", "٣", "b\u0660123456", "é", "_", "12-34-56-78-9a-bc", "4010232137", "K91234563", "AB1234563"]
)


#: Presidio's engine has another idea of the ends of words than ours at characters such as "¼".
CHARACTERS = st.characters().filter(lambda c: bool(re.match(r"\w", c)) == bool(regex.match(r"\w", c)))


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES | st.text(CHARACTERS, max_size=2), max_size=6).map("".join))
def test_spans_are_those_of_presidios_own_recognizers(text: str) -> None:
    for entity in ADDED:
        own = {(start, end) for _, start, end, _ in rule_set(frozenset({entity}))(text)}
        assert own == {(one.start, one.end) for one in presidio()[entity].analyze(text, [entity])}, entity


OVERLAPS = [
    ("call 401-023-2137 today", "PHONE_NUMBER", "401-023-2137"),  # the checksum holds by chance
    ("NHS number: 401-023-2137", "UK_NHS", "401-023-2137"),
    ("medical license BB1388568", "MEDICAL_LICENSE", "BB1388568"),
    ("driver's license number BB1388568", "US_DRIVER_LICENSE", "BB1388568"),
    ("https://example.org/f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "URL", None),
    ("PTIN P91234567", "US_PTIN", "P91234567"),
]


@pytest.mark.parametrize(("text", "entity", "value"), OVERLAPS)
def test_what_has_two_forms_is_what_is_said_of_it(text: str, entity: str, value: str | None) -> None:
    found = Detector.create(entities=STRUCTURED_TYPES).find([text])[0]
    assert (entity, value or text) in [(one.type, text[one.start : one.end]) for one in found]
