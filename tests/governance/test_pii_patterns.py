"""Patterns on text that is made to be slow: no record may stop a build."""

from __future__ import annotations

import itertools

import pytest

from governance.pii import Detector

#: Of what the patterns begin with, go on with and are divided by.
_WORDS = ("born", "Ab", "12", "tel", "in", "Rua", "Street", "zip code", "1990", "John")
_JOINTS = (" ", "-", ", ", "\n", "/", ".", " - ")


@pytest.fixture(scope="module")
def detector() -> Detector:
    found = Detector.create()
    found.find(["Dear Ms. Example"])  # what is loaded or compiled when it is first asked for
    return found


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "Codons " + "-".join(["ATG", "CCA", "GTT"] * 12) + " at Kerkhof 12, Gent",
        "https://x.example/born-" + "-".join(["ab", "cd"] * 20) + " issued 01/02/2003",
        "born-" + "in-" * 60,
        "in " + "Ab-" * 150 + " 12345x",
        "12 Elm Street, " + "Ab-" * 300,
        "12 elm street, " + "ab-" * 300,
        "city:" + " " * 3_000 + "x" * 70,
        "Is it a phone? " + "yes, " * 300 + "call",
        "address is " + "at the " * 300,
        "corner of " + "a b " * 300,
        "d. o. b." * 300,
        "(" * 2_000,
        "0 " * 2_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_text_that_is_made_to_be_slow_takes_no_minute(text: str, detector: Detector) -> None:
    detector.find([text])


@pytest.mark.timeout(240)
def test_nor_do_repetitions_of_what_the_patterns_look_for(detector: Detector) -> None:
    for first, second in itertools.combinations(_WORDS, 2):
        detector.find([joint.join([first, second] * 100) for joint in _JOINTS])
