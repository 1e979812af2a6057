"""Operators, stability of pseudonyms, idempotence; the search for leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pytest
from faker import Faker
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import DetectorError, PiiRules
from governance.pii import Detector, PiiFilter, entities_to_find, filter_fingerprint, leaked, pii_hash
from governance.pii.entities import STRUCTURED_TYPES
from governance.pii.spans import TAG

KEY = b"k" * 32
RULES = PiiRules(
    default="redact",
    rules={
        "PERSON": "pseudonymize",
        "EMAIL_ADDRESS": "mask",
        "US_EIN": "keep",
        "ORGANIZATION": "keep",
        "TITLE": "keep",
    },
)
TEXT = "Dear Ms. Anneke Vandersloot,\nyour SSN 219-09-9999 and anneke@example.org for EIN 12-3456789."


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.create()


@pytest.fixture(scope="module")
def filter_(detector: Detector) -> PiiFilter:
    return PiiFilter(RULES, detector, KEY)


def test_each_operator_does_its_work(filter_: PiiFilter) -> None:
    filtered = filter_([TEXT])[0]
    tag = filtered.text.split("Ms. ")[1].split(",")[0]
    assert filtered.text == f"Dear Ms. {tag},\nyour SSN <US_SSN> and ******@*******.*** for EIN 12-3456789."
    assert tag.startswith("<PERSON_") and len(tag) == len("<PERSON_3fa2b1c4>")
    assert [TEXT[f.start : f.end] for f in filtered.findings] == [
        "Anneke Vandersloot", "219-09-9999", "anneke@example.org",
    ]  # fmt: skip


def test_a_person_has_one_tag_in_a_domain_and_another_elsewhere(detector: Detector, filter_: PiiFilter) -> None:
    one, two = (f.text for f in filter_(["Dear Anneke Vandersloot,", "Name: ANNEKE  VANDERSLOOT".replace("  ", " ")]))
    tag = one.removeprefix("Dear ").removesuffix(",")
    assert two == f"Name: {tag}"
    other = PiiFilter(RULES, detector, b"o" * 32)(["Dear Anneke Vandersloot,"])[0].text
    assert other != one and other.startswith("Dear <PERSON_")


def test_filtering_twice_changes_no_form_and_no_tag(filter_: PiiFilter) -> None:
    """What the model guesses may differ when its surroundings are filtered; forms and tags do not."""
    forms = PiiFilter(_only(STRUCTURED_TYPES), Detector.create(entities=STRUCTURED_TYPES), KEY)
    fake = Faker(["en_US", "de_DE", "pl_PL", "es_MX"])
    Faker.seed(5)
    texts = [
        f"Dear {fake.name()},\n{fake.email()} {fake.phone_number()} {fake.address()}\n{fake.date()} {fake.company()}"
        for _ in range(60)
    ]
    once = [f.text for f in forms(texts)]
    assert [f.text for f in forms(once)] == once
    tagged = [f.text for f in filter_(texts)]
    for before, after in zip(tagged, filter_(tagged), strict=True):
        assert not Counter(TAG.findall(before)) - Counter(TAG.findall(after.text))


def _only(entities: Collection[str]) -> PiiRules:
    return PiiRules(default="keep", rules=dict.fromkeys(entities, "pseudonymize"))


@pytest.mark.parametrize("text", ["<ERNA_BEISPIEL> wrote", "<erna@example.org> wrote", "<PERSON_ERNA> wrote"])
def test_only_a_type_in_angle_brackets_is_a_tag(text: str) -> None:
    assert not TAG.search(text)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["<PERSON_3fa2b1c4>", "<US_SSN>", "<EMAIL_ADDRESS>", "and", ",", "\n"]), max_size=8))
def test_tags_are_left_alone(parts: list[str]) -> None:
    detector = Detector.create(entities=STRUCTURED_TYPES | {"PERSON"})
    text = " ".join(parts)
    assert PiiFilter(PiiRules(default="keep", rules={"PERSON": "redact"}), detector, KEY)([text])[0].text == text


def test_a_kept_type_shields_nothing(detector: Detector) -> None:
    rules = PiiRules(default="keep", rules={"EMAIL_ADDRESS": "redact"})
    text = "https://example.com/?user=ann@example.org"
    assert "ann@" not in PiiFilter(rules, detector, KEY)([text])[0].text


def test_a_detector_that_finds_too_little_is_refused() -> None:
    with pytest.raises(DetectorError, match="does not look for"):
        PiiFilter(RULES, Detector.create(entities={"US_SSN"}), KEY)


def test_the_fingerprint_follows_rules_and_key() -> None:
    prints = {
        filter_fingerprint(RULES, KEY),
        filter_fingerprint(RULES, b"x" * 32),
        filter_fingerprint(PiiRules(default="mask"), KEY),
    }
    assert len(prints) == 3 and filter_fingerprint(RULES, KEY) in prints
    assert "US_EIN" not in entities_to_find(RULES)


def test_leaks_are_found_by_form_and_by_full_name_only(detector: Detector) -> None:
    values = ["219-09-9999", "Anneke Vandersloot", "Vandersloot", "4111 1111 1111 1111"]
    values += ["62704", "December 31, 1986", "12/31/1986", "United States"]  # hit by chance, or nobody's
    known = {pii_hash(KEY, "LOCATION", value) for value in values}  # a type whose strings are compared as they stand
    outputs = [
        "nothing here",
        "it said (219-09-9999), twice",
        "Dear Anneke Vandersloot, hello",
        "Dear Vandersloot, hello",
        "the digits 4111  1111 1111 1111.",
        "219-09-9998",
        "In the United States, on December 31, 1986 (12/31/1986), Springfield, IL 62704",
    ]
    assert sorted({leak.text for leak in leaked(outputs, known, KEY, detector=detector)}) == [1, 2, 4]
    assert leaked(outputs, known, b"another key" * 3, detector=detector) == []
    assert pii_hash(KEY, "PERSON", "Anneke  VANDERSLOOT") == pii_hash(KEY, "PERSON", "anneke vandersloot")
    assert len(pii_hash(KEY, "PERSON", "x")) == 16
