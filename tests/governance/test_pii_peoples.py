"""Peoples and faiths of more than one word, and words that are one behind a heading alone."""

from __future__ import annotations

import pytest

from governance.pii import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.create()


FOUND = [
    ("Nationality: Sri Lankan", "Sri Lankan"),
    ("Ethnicity - Hispanic", "Hispanic"),
    ("Religion: Jehovah's Witness", "Jehovah's Witness"),
    ("Citizenship: Swiss", "Swiss"),
    ("The Finnish Border Force held us.", "Finnish"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), FOUND)
def test_what_somebody_is_is_found(detector: Detector, text: str, value: str) -> None:
    found = [text[f.start : f.end] for f in detector.find([text])[0] if f.type == "NRP"]
    assert value in found, found


OTHERS = [
    "The pill is white, the coat is black.",
    "Christian asked for a green card.",
]  # fmt: skip


@pytest.mark.parametrize("text", OTHERS)
def test_colours_and_names_are_no_peoples(detector: Detector, text: str) -> None:
    assert "NRP" not in [f.type for f in detector.find([text])[0]]
