"""Telephone numbers by the words beside them, in the forms of several countries."""

from __future__ import annotations

import pytest

from governance.pii import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.create()


FOUND = [
    ("Tél. 01.99.00.12.34", "01.99.00.12.34"),
    ("Contact no: 98765 43210", "98765 43210"),
    ("Telefon 0043 1 5550199", "0043 1 5550199"),
    ("He left 922 67 017 with us.", "922 67 017"),
    ("Our new line is 55 2945-1678.", "55 2945-1678"),
    ("Ask for Orla Tanner on 93599920", "93599920"),
    ("85675060 is my phone", "85675060"),
    ("Orla Tanner (93/534 4326)", "93/534 4326"),
    ("- Rita Kemp, Amstetten, 04758 53670 486\n- Udo Fink, Passau, 41633057\n", "41633057"),
    ("Questions? 64099293. Bye", "64099293"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), FOUND)
def test_a_word_beside_it_tells_a_telephone_number(detector: Detector, text: str, value: str) -> None:
    found = [text[f.start : f.end] for f in detector.find([text])[0] if f.type == "PHONE_NUMBER"]
    assert value in found, found


OTHERS = [
    "Orla Tanner, 1937-10-14",
    "Order number 43748356 is late.",
    "Orla Tanner | 01/15/1930 | Passau",
    "The number of cells was 43748356 in all",
]  # fmt: skip


@pytest.mark.parametrize("text", OTHERS)
def test_other_numbers_are_no_telephone_numbers(detector: Detector, text: str) -> None:
    assert "PHONE_NUMBER" not in [f.type for f in detector.find([text])[0]]
