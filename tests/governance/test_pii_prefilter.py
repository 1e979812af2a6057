"""A prefiltered run of the rules finds exactly what a run of all of them does."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipelines
from governance.pii.entities import ALL_TYPES
from governance.pii.prefilter import Prefilter, needs_digit, relaxed
from governance.pii.recognizers import RULES, matches, rule_set

#: Pieces that rules are made of, whole and torn apart, with letters that only Unicode folds or counts as digits.
PIECES = (
    *("219-09-9999", "219", "09", "9999", "12", "7", "60614", "1986", "X1234567", "192.0.2.17", "2001:db8::1", "x99"),
    *(
        "-",
        " ",
        ".",
        ", ",
        ":",
        "\n",
        "\n\n",
        "@",
        "\t",
        "\xa0",
        "\u2013",
        "\ud83d",
        "(212) 555-0142",
        "+49 30 1234567",
    ),
    *("SSN", "\u017focial security", "account", "number", "IBAN", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111"),
    *("mail", "example", ".com", "www.", "https://", "Dear", "Mr. ", "Ms ", "Ann", "Müller", "O\u2019Neil", "de la "),
    *("Elm", "Street", "IL", "Illinois", "born", "DOB", "May", "may 5", "5 pm", "12:30", "aged", "years old", "Bank"),
    *("& Sons", "Ltd", "passport", "driver's license", "K1234567", "PO Box", "Regards,", "wife", "Lindenstraße", "rue"),
    *("١٢٣", "２１９", "ΑΘΗΝΑ", "\u212aent", "\u0130stanbul", "to", "call", "me", "at", "tel"),
)

texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=16).map("".join)


def everything(text: str) -> list[tuple[str, int, int, float]]:
    return [(rule.entity, *found) for rule in RULES for found in matches([rule], text)]


@settings(max_examples=150, deadline=None)
@given(texts)
def test_any_text_has_the_same_findings_with_and_without_the_prefilter(text: str) -> None:
    assert list(rule_set(ALL_TYPES)(text)) == everything(text)


def test_labelled_text_has_the_same_findings_with_and_without_the_prefilter() -> None:
    rows: list[str] = []
    for path in sorted((Path(pipelines.__file__).parent / "catalogue" / "data").rglob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            rows += [json.loads(line)["text"] for line in itertools.islice(file, 8)]
    for text in [*rows, "".join(rows)[:6_000].upper(), "".join(rows)[:6_000].lower()]:
        assert list(rule_set(ALL_TYPES)(text)) == everything(text)


PATTERNS = [
    (r"(?<![\w])a\d+(?!x)", "b a12 c"),
    (r"(?i:straße) \d{1,30}", "STRASSE STRAßE 7"),
    (r"[^\W\d_a-z]{3}", "ÄÖÜ"),
    (r"\bk(?=ing\b)", "a king"),
    (r"(?i)kisſ", "KISS"),
    (r"x(?=y)z*|q", "xy"),
    (r"(?:ab|c(?:d|e)){2,}+", "abce"),
    (r"(a+)-\1", "aa-aa"),  # no regular language: never ruled out
    (r".\s\S", "a\u2003b"),
    (r"\d{13}", "１２３４５６７８９０１２３"),
]


@pytest.mark.parametrize(("pattern", "text"), PATTERNS)
def test_a_pattern_that_matches_is_let_through(pattern: str, text: str) -> None:
    compiled = re.compile(pattern)
    assert compiled.search(text)
    assert list(Prefilter([compiled])(text)) == [0]


def test_most_patterns_are_ruled_out() -> None:
    assert all(relaxed(rule.pattern) for rule in RULES)
    assert len(rule_set(ALL_TYPES)._possible("The card was not there when I came home, so I asked for a new one.")) < 3


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\d", True),
        (r"a[0-9]{2,}", True),
        (r"(?:a|\d)", False),
        (r"(?:a1|\d)", True),
        (r"\d*", False),
        (r"(?:x(?:\d|7))+", True),
        (r"\w(?=\d)", True),
        (r"\w(?!\d)", False),
        (r"(?<=\d)x", True),
        (r"[\d-]", False),
        (r"[^\d]", False),
        (r"7", True),
    ],
)
def test_patterns_that_need_a_digit_are_known(pattern: str, expected: bool) -> None:
    assert needs_digit(re.compile(pattern)) is expected


@settings(max_examples=150, deadline=None)
@given(texts)
def test_what_needs_a_digit_has_no_match_without_one(text: str) -> None:
    bare = re.sub(r"\d", "", text)
    assert not [rule.pattern.pattern for rule in RULES if needs_digit(rule.pattern) and rule.pattern.search(bare)]
