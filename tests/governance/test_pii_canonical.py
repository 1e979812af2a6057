"""One person or number, one stand-in, however it is written: in tags, surrogates and the hashes of the leak search."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import governance
from governance.pii import Detector, Finding, PiiFilter, leaked, mentions, pii_hash
from governance.pii import filter as filtering
from governance.pii.canonical import canonical, digits
from governance.pii.entities import ALL_TYPES, STRUCTURED_TYPES
from governance.pii.mentions import with_full_names
from governance.pii.pseudonyms import pseudonym
from governance.pii.surrogates import surrogate
from governance.policy import PiiRules

KEY = b"k" * 32

#: Of each value several spellings, then values of the same type that are others.
SPELLINGS = [
    ("US_SSN", ["219-09-9999", "219 09 9999", "219099999", "219.09.9999", "219\u201309\u20139999"], ["219-09-9998"]),
    ("US_ITIN", ["912-70-1234", "912 70 1234"], ["912-70-1235"]),
    ("US_EIN", ["12-3456789", "123456789"], ["12-3456780"]),
    ("US_PTIN", ["P01234567", "01234567", "P 01234567"], ["P01234568"]),
    ("US_BANK_NUMBER", ["0110-0001-5", "011000015"], ["011000016"]),
    ("CREDIT_CARD", ["4111 1111 1111 1111", "4111111111111111", "4111-1111-1111-1111"], ["4111 1111 1111 1112"]),
    ("IBAN_CODE", ["DE89 3704 0044 0532 0130 00", "DE89370400440532013000", "de89 37040044 0532013000"], ["DE88 3704"]),
    ("UK_NHS", ["401-023-2137", "4010232137", "401 023 2137"], ["401-023-2138"]),
    ("MAC_ADDRESS", ["00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e"], ["00:1A:2B:3C:4D:5F"]),
    ("US_DRIVER_LICENSE", ["D123-4567", "d1234567"], ["D1234568"]),
    ("ZIP_CODE", ["SW1A 1AA", "sw1a1aa"], ["SW1A 1AB"]),
    (
        "PHONE_NUMBER",
        ["(212) 555-0142", "212-555-0142", "212.555.0142", "2125550142", "+1 212 555 0142", "001-212-555-0142"]
        + ["1-212-555-0142", "+1 (212) 555-0142"],
        ["212-555-0143", "555-0142", "212-555-0142 x12", "+44 212 555 0142"],
    ),
    ("PHONE_NUMBER", ["212-555-0142 x123", "+1-212-555-0142, ext. 123"], ["212-555-0142 x124"]),
    (
        "PHONE_NUMBER",
        ["+44 20 7946 0958", "+44 (0)20 7946 0958", "0044 2079460958", "011 44 20 7946 0958"],
        ["020 7946 0958"],
    ),
    ("EMAIL_ADDRESS", ["Ann.Oaks@Example.com", "ann.oaks@example.com", "ann.oaks (at) example (dot) com"], ["a@b.org"]),
    ("URL", ["HTTPS://Example.COM/Path", "https://example.com/Path"], ["https://example.com/path"]),
    ("IP_ADDRESS", ["2001:DB8::1", "2001:db8:0:0::1"], ["2001:db8::2"]),
    ("CRYPTO", ["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"], ["1bvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"]),
    ("LOCATION", ["Bad  Homburg", "BAD\nHOMBURG"], ["Homburg"]),
]
NAMES = [
    (
        ["Maria Delacroix", "Delacroix, Maria", "Mrs. Maria Delacroix", "MARIA DELACROIX", "Delacroix, Mrs. Maria"]
        + ["DELACROIX, MARIA", "Dr Maria Delacroix, MD", "maria\u00a0delacroix", "Maria Delacroix's"],
        ["Mario Delacroix", "Maria", "Delacroix", "Maria J. Delacroix"],
    ),
    (["Seán O\u2019Neil", "Sea\u0301n O'Neil"], ["Sean ONeil"]),
    (["Delacroix, Maria J.", "Maria J. Delacroix"], ["Maria K. Delacroix"]),
    (["Peter Oaks Jr.", "Peter Oaks, Jr"], ["Peter Oaks"]),
]


@pytest.mark.parametrize(("entity", "same", "others"), SPELLINGS + [("PERSON", same, others) for same, others in NAMES])
def test_all_spellings_have_one_tag_and_one_hash(entity: str, same: list[str], others: list[str]) -> None:
    assert len({pseudonym(KEY, entity, value) for value in same}) == 1
    assert len({pii_hash(KEY, entity, value) for value in same}) == 1
    assert not {pseudonym(KEY, entity, value) for value in others} & {pseudonym(KEY, entity, same[0])}


@pytest.mark.parametrize(("entity", "same", "others"), SPELLINGS)
def test_all_spellings_have_one_surrogate_in_their_own_form(entity: str, same: list[str], others: list[str]) -> None:
    made = [surrogate(KEY, entity, value) or "" for value in same]
    assert len({canonical(entity, one) for one in made}) == 1
    assert canonical(entity, same[0]) != canonical(entity, made[0])
    if entity in STRUCTURED_TYPES - {"CRYPTO", "EMAIL_ADDRESS", "IP_ADDRESS", "URL"}:
        assert [re.sub(r"[^\W_]", "x", one) for one in made] == [re.sub(r"[^\W_]", "x", value) for value in same]


def test_what_is_dialled_before_a_number_stays() -> None:
    made = [surrogate(KEY, "PHONE_NUMBER", value) or "" for value in SPELLINGS[13][1]]
    assert made[0].startswith("+44 ") and made[1].startswith("+44 (0)") and made[2].startswith("0044 ")
    assert (surrogate(KEY, "PHONE_NUMBER", "+1 212 555 0142") or "").startswith("+1 ")


@given(st.sampled_from(sorted(ALL_TYPES)), st.text(max_size=20))
def test_a_canonical_form_is_its_own_and_says_something(entity: str, value: str) -> None:
    once = canonical(entity, value)
    assert bool(once) or not value.split()
    assert canonical(entity, value) == once


@given(
    st.from_regex(r"[0-9]{9}", fullmatch=True), st.lists(st.sampled_from(["", "-", " ", "."]), min_size=8, max_size=8)
)
def test_separators_never_count_in_a_number(number: str, separators: list[str]) -> None:
    written = "".join(digit + separator for digit, separator in zip(number, [*separators, ""], strict=True))
    assert canonical("US_SSN", written) == number == digits(written)


def person(text: str, *names: str) -> list[str | None]:
    findings = []
    for name in names:
        found = [match.span() for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
        findings.append(Finding(*found[-1], "PERSON", 1.0))
    return [one.full_name for one in with_full_names(text, findings)]


MENTIONS = [
    ("Maria Delacroix called. Ms. Delacroix is in.", ["Maria Delacroix", "Delacroix"], [None, "maria delacroix"]),
    ("Dear Maria,\nyours, Maria Delacroix", ["Maria Delacroix", "Maria"], [None, "maria delacroix"]),
    ("Delacroix, Maria; M. Delacroix", ["Delacroix, Maria", "M. Delacroix"], [None, "maria delacroix"]),
    ("Maria and Paul Delacroix, Maria Delacroix, Mr Delacroix", ["Maria Delacroix", "Paul Delacroix", "Delacroix"],
     [None, None, None]),
    ("Maria Delacroix, Maria J. Delacroix, Delacroix!", ["Maria Delacroix", "Maria J. Delacroix", "Delacroix"],
     [None, None, "maria delacroix"]),
    ("Peter van Oaks and van Oaks", ["Peter van Oaks", "van Oaks"], [None, "peter van oaks"]),
    ("Peter Oaks and P. Elm", ["Peter Oaks", "P. Elm"], [None, None]),
    ("Peter Oaks and Mary", ["Peter Oaks", "Mary"], [None, None]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names", "owners"), MENTIONS)
def test_a_part_of_a_name_is_its_owners_where_one_alone_is_meant(
    text: str, names: list[str], owners: list[str | None]
) -> None:
    assert person(text, *names) == owners
    assert person(text, *names[::-1]) == owners[::-1]


def test_a_part_of_a_name_has_the_tag_of_the_full_one() -> None:
    rules = PiiRules(default="keep", rules={"PERSON": "pseudonymize"})
    pii_filter = PiiFilter(rules, Detector.create(entities={"PERSON"}), KEY)
    texts = ["Dear Anneke Vandersloot, we wrote to Mrs. Vandersloot.", "Name: Vandersloot, Anneke"]
    texts.append("Dear Mrs. Vandersloot,")
    tags = [re.findall(r"<PERSON_\w{8}>", one.text) for one in pii_filter(texts)]
    assert tags[0] == tags[1] * 2 and len(tags[2]) == 1 and tags[2] != tags[1]
    assert tags == [re.findall(r"<PERSON_\w{8}>", pii_filter([text])[0].text) for text in texts]


LEAKS = [
    ("US_SSN", "219-09-9999", "it said 219 09 9999 again", 1),
    ("US_SSN", "219 09 9999", "it said 219099999 again", 1),
    ("US_SSN", "219-09-9999", "it said 219 09 9998 again", 0),
    ("PHONE_NUMBER", "(212) 555-0142", "or +1 212.555.0142 today", 1),
    ("PHONE_NUMBER", "555-0142", "from 555 to 0142", 0),
    ("PHONE_NUMBER", "555-0142", "lines 55 50142 of it", 0),  # shorter numbers beside each other
    ("CREDIT_CARD", "4111111111111111", "the digits 4111 1111 1111 1111.", 1),
    ("IBAN_CODE", "DE89 3704 0044 0532 0130 00", "to DE89370400440532013000!", 1),
    ("EMAIL_ADDRESS", "Ann@Example.org", "ask ann@example.org.", 1),
    ("PERSON", "Vandersloot, Anneke", "Dear Mrs. Anneke Vandersloot, hello", 1),
    ("PERSON", "Mrs. Vandersloot", "Dear Mrs. Vandersloot, hello", 0),
]


@pytest.mark.parametrize(("entity", "value", "output", "leaks"), LEAKS)
def test_other_separators_hide_no_leak(entity: str, value: str, output: str, leaks: int) -> None:
    detector = Detector.create(entities=STRUCTURED_TYPES | ({entity} & {"PERSON"}))
    known = {pii_hash(KEY, entity, value)}
    assert bool(leaked([output], known, KEY, detector=detector)) == bool(leaks)


FINGERPRINTS = """
import sys
from pathlib import Path
import governance.pii.filter as filtering
from governance.policy import PiiRules
rules = PiiRules(default="keep", rules={"US_SSN": "surrogate"})
print(filtering.filter_fingerprint(rules, bytes(32)))
for name in sys.argv[1:]:
    with (Path(filtering.__file__).parent / f"{name}.py").open("a") as module:
        module.write("# another version\\n")
    print(filtering.filter_fingerprint(rules, bytes(32)))
"""


def test_other_code_of_what_replaces_is_another_filter(tmp_path: Path) -> None:
    """Caches of older code are not used again."""
    shutil.copytree(Path(governance.__file__).parent, tmp_path / "governance")
    modules = ["canonical", "filter", "mentions", "pseudonyms", "surrogates"]
    command = [sys.executable, "-c", FINGERPRINTS, *modules]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment).stdout
    assert len(set(shown.split())) == 1 + len(modules)
    assert set(modules) <= set(filtering._CODE)


def test_many_who_share_a_name_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each mention of it."""
    people = " ".join(
        f"{first}{number} Smith met." for number in range(40) for first in ("Ann", "Bo", "Cy", "Di", "Ed")
    )
    text = people + " Smith spoke." * 400
    names = [match.span() for match in re.finditer(r"(?:[A-Z][a-z]+\d+ )?Smith", text)]
    looks = []
    is_part = mentions._is_part
    monkeypatch.setattr(mentions, "_is_part", lambda *names: looks.append(1) or is_part(*names))
    found = with_full_names(text, [Finding(start, end, "PERSON", 0.9) for start, end in names])
    assert all(one.full_name is None for one in found[200:]) and len(looks) <= 200
