"""What is found, by type and form; that legal text stays readable; that batches do not matter."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from faker import Faker

from governance import DetectorError
from governance.pii import Detector, Finding, available_entities, detect
from governance.pii.entities import ATTRIBUTE_TYPES, NER_TYPES, STRUCTURED_TYPES
from governance.pii.spans import disjoint
from governance.pii.splitting import split


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.create()


@pytest.fixture(scope="module")
def structured() -> Detector:
    return Detector.create(entities=STRUCTURED_TYPES)


@pytest.fixture(scope="module")
def attributes() -> Detector:
    return Detector.create(entities=ATTRIBUTE_TYPES)


FORMS = [  # invented, or from the ranges that are reserved for examples
    ("EMAIL_ADDRESS", "write to ann.o'neil+tax@mail.example.co.uk, please", "ann.o'neil+tax@mail.example.co.uk"),
    ("EMAIL_ADDRESS", "<J_DOE99@EXAMPLE.ORG>", "J_DOE99@EXAMPLE.ORG"),
    ("EMAIL_ADDRESS", "jan (at) example (dot) com", "jan (at) example (dot) com"),
    ("PHONE_NUMBER", "call (212) 555-0142 today", "(212) 555-0142"),
    ("PHONE_NUMBER", "212.555.0142 or later", "212.555.0142"),
    ("PHONE_NUMBER", "+1-212-555-0142 x123", "+1-212-555-0142 x123"),
    ("PHONE_NUMBER", "001-212-555-0142x99", "001-212-555-0142x99"),
    ("PHONE_NUMBER", "at +44 20 7946 0958.", "+44 20 7946 0958"),
    ("PHONE_NUMBER", "at 020 7946 0958.", "020 7946 0958"),
    ("PHONE_NUMBER", "2125550142", "2125550142"),
    ("PHONE_NUMBER", "tel: 555-0142", "555-0142"),
    ("US_SSN", "SSN 219-09-9999.", "219-09-9999"),
    ("US_SSN", "219 09 9999", "219 09 9999"),
    ("US_SSN", "social security number is 219099999", "219099999"),
    ("US_ITIN", "912-70-1234", "912-70-1234"),
    ("US_EIN", "EIN: 12-3456789", "12-3456789"),
    ("US_EIN", "employer identification number 123456789", "123456789"),
    ("CREDIT_CARD", "card 4111 1111 1111 1111 exp", "4111 1111 1111 1111"),
    ("CREDIT_CARD", "378282246310005", "378282246310005"),
    ("IBAN_CODE", "to DE89 3704 0044 0532 0130 00 by noon", "DE89 3704 0044 0532 0130 00"),
    ("IBAN_CODE", "gb29nwbk60161331926819", "gb29nwbk60161331926819"),
    ("US_BANK_NUMBER", "account number 000123456789, please", "000123456789"),
    ("US_BANK_NUMBER", "checking account number 8213956057 at the branch", "8213956057"),
    ("PHONE_NUMBER", "8213956057 is where I am. Ask for me", "8213956057"),
    ("US_BANK_NUMBER", "the account\nnumber 74560887818.", "74560887818"),
    ("US_PASSPORT", "passport no. 512345678", "512345678"),
    ("ID_NUMBER", "MRN: 4471923, seen", "4471923"),
    ("ID_NUMBER", "medical record number 00-44-71-92", "00-44-71-92"),
    ("ID_NUMBER", "Insurance ID: XK-99213-A", "XK-99213-A"),
    ("ID_NUMBER", "her member ID is 8812734.", "8812734"),
    ("ID_NUMBER", "policy no. PN-20391-77", "PN-20391-77"),
    ("ID_NUMBER", "National Insurance QQ 12 34 56 C", "QQ 12 34 56 C"),
    ("ID_NUMBER", "Aadhaar 2341 5567 9012", "2341 5567 9012"),
    ("US_PTIN", "prepared by P01234567 in April", "P01234567"),
    ("US_PTIN", "PTIN: 01234567", "01234567"),
    ("US_EIN", "tax ID 07-1234567", "07-1234567"),
    ("US_BANK_NUMBER", "the bank in Ohio, 011000015, takes it", "011000015"),
    ("US_BANK_NUMBER", "wire it via 0110-0001-5", "0110-0001-5"),
    ("US_DRIVER_LICENSE", "driver's license number D1234567", "D1234567"),
    ("IP_ADDRESS", "from 192.0.2.17:", "192.0.2.17"),
    ("IP_ADDRESS", "from 2001:db8::8a2e:370:7334 at", "2001:db8::8a2e:370:7334"),
    ("URL", "see https://example.com/a?b=c.", "https://example.com/a?b=c"),
    ("URL", "on www.example.org/x, today", "www.example.org/x"),
    ("STREET_ADDRESS", "lives at 12 Elm Street, Apt. 4", "12 Elm Street, Apt. 4"),
    ("STREET_ADDRESS", "12B N. Fernhill Blvd.", "12B N. Fernhill Blvd."),
    ("STREET_ADDRESS", "69550 HENDRIX MOUNTAINS SUITE 136", "69550 HENDRIX MOUNTAINS SUITE 136"),
    ("STREET_ADDRESS", "i live at 1065 stephanie ranch, ok", "1065 stephanie ranch"),
    ("STREET_ADDRESS", "P.O. Box 1234", "P.O. Box 1234"),
    ("STREET_ADDRESS", "Lindenstraße 12a in Berlin", "Lindenstraße 12a"),
    ("ZIP_CODE", "Springfield, IL 62704-1234", "62704-1234"),
    ("ZIP_CODE", "north ada, tx 75001", "75001"),
    ("ZIP_CODE", "zip code: 75001", "75001"),
    ("CREDIT_CARD", "the card 6763 8560 1940 today", "6763 8560 1940"),
    ("US_DRIVER_LICENSE", "License D1234567 was issued", "D1234567"),
    ("PHONE_NUMBER", "wants callback at (0118) 4960 176", "(0118) 4960 176"),
    ("PHONE_NUMBER", "call me at 736 634 226 or later", "736 634 226"),
    ("PHONE_NUMBER", "a@example.org,677.725.9352,20235", "677.725.9352"),
    ("STREET_ADDRESS", "near Kossuth Lajos utca 61. today", "Kossuth Lajos utca 61."),
    ("STREET_ADDRESS", "ul. Piękna 24/3, Gdańsk", "ul. Piękna 24/3"),
    ("STREET_ADDRESS", "RUA DAS FLORES 118, LISBOA", "RUA DAS FLORES 118"),
    ("STREET_ADDRESS", "at Calle de Alcalá 45, Madrid", "Calle de Alcalá 45"),
    ("STREET_ADDRESS", "at 23 Bd de la Liberté, Lille", "23 Bd de la Liberté"),
    ("STREET_ADDRESS", "Skolegade 2, Aarhus", "Skolegade 2"),
    ("STREET_ADDRESS", "she lives at Vesnická 1034, Brno", "Vesnická 1034"),
    ("STREET_ADDRESS", "Flat 3, 27 Elgin Crescent, Leeds", "Flat 3, 27 Elgin Crescent"),
    ("STREET_ADDRESS", "2207 Koivukatu 31 Apt. 572, Oulu", "2207 Koivukatu 31 Apt. 572"),
    ("ZIP_CODE", "My postcode is SW1A 1AA.", "SW1A 1AA"),
    ("ZIP_CODE", "12 Elm Street\nHalifax, B3J 2K9", "B3J 2K9"),
    ("ZIP_CODE", "Strandvejen 84\n711 81 Lund\n", "711 81"),
    ("ZIP_CODE", "in what is, Lyon 69002\nFrance", "69002"),
]

ATTRIBUTES = [
    ("AGE", "a 45-year-old woman", "45"),
    ("AGE", "Pt, 73yo, seen", "73"),
    ("AGE", "AGE: 90", "90"),
    ("AGE", "he turned 8 on Monday", "8"),
    ("TITLE", "Dear Mrs. Okonkwo,", "Mrs."),
    ("TITLE", "ask dr. house", "dr."),
    ("TITLE", "I saw PROF. OBRIEN", "PROF."),
    ("DATE_OF_BIRTH", "date of\nbirth: 04.08.1935", "04.08.1935"),
]


@pytest.mark.parametrize(("entity", "text", "value"), ATTRIBUTES)
def test_ages_titles_and_birthdays(attributes: Detector, entity: str, text: str, value: str) -> None:
    assert [(f.type, text[f.start : f.end]) for f in attributes.find([text])[0]] == [(entity, value)]


@pytest.mark.parametrize(("entity", "text", "value"), FORMS)
def test_a_sane_form_is_found_whole(structured: Detector, entity: str, text: str, value: str) -> None:
    covered = [(f.type, text[f.start : f.end]) for f in structured.find([text])[0]]
    assert (entity, value) in covered


LEGAL = [
    "as defined in section 1031(a)(3) and Pub. L. 94-455, Oct. 4, 1976, 90 Stat. 1520",
    "Over $36,900 but not over $89,150, $5,535, plus 28% of the excess over $36,900.",
    "Treas. Reg. § 1.401-2 and subparagraph (B)(ii)(II) of paragraph 12",
    "an amount of 1,234,567 or 10000 shares in 12345 parcels, 5 percent of the estate",
    "within 60 days of the court's order, and 10 years after the place in service date",
    "Form 1040, line 12; Schedule K-1; 2001-2 C.B. 130; 26 U.S.C. 7701(a)(14)",
    "order 123-45-678, version 10.2.3, ratio 12/345, case Q-28809",
]


@pytest.mark.parametrize("text", LEGAL)
def test_numbers_of_a_law_are_no_personal_data(structured: Detector, text: str) -> None:
    assert structured.find([text]) == [[]]


@pytest.mark.parametrize("digits", ["4111 1111 1111 1112", "DE89 3704 0044 0532 0130 01"])
def test_a_wrong_check_digit_is_neither_card_nor_iban(digits: str) -> None:
    assert Detector.create(entities={"CREDIT_CARD", "IBAN_CODE"}).find([digits]) == [[]]


NAMES = [
    ("Dear Mrs. Okonkwo-Brandt,\nthank you", "Okonkwo-Brandt"),
    ("my name is Žofie Janda and I moved", "Žofie Janda"),
    ("Kind regards,\nMikołaj Tutka", "Mikołaj Tutka"),
    ("TAXPAYER NAME: BOGDÁN, IMRE", "BOGDÁN, IMRE"),
    ("adélaïde ajewole and i want a card", "adélaïde ajewole"),
    ("Officer: Hekmet Hançer", "Hekmet Hançer"),
    ("We met with Siobhan O'Keeffe on Monday.", "Siobhan O'Keeffe"),
    ("hey its Mirjana from the bank", "Mirjana"),
    ("[10:30] Magdalena: no, still at home", "Magdalena"),
    ("- Tigran J. Krasniqi, +1 212 555 0142", "Tigran J. Krasniqi"),
    ("have you heard from ilona nowak lately? she was ill", "ilona nowak"),
]


@pytest.mark.parametrize(("text", "name"), NAMES)
def test_names_that_the_small_model_misses(detector: Detector, text: str, name: str) -> None:
    people = [f for f in detector.find([text])[0] if f.type == "PERSON"]
    covered = sum(min(f.end, text.index(name) + len(name)) - max(f.start, text.index(name)) for f in people)
    assert 2 * covered >= len(name)


TERMS = [
    "Patients with Parkinson's disease shake. Parkinson is rare before fifty.",
    "Splenomegaly and arthralgia are signs of the Joubert syndrome.",
]


@pytest.mark.parametrize("text", TERMS)
def test_terms_of_medicine_are_nobodys_names(detector: Detector, text: str) -> None:
    assert detector.find([text], {"PERSON", "LOCATION"}) == [[]]


def test_a_name_is_found_whole_and_a_person_is_no_place(detector: Detector) -> None:
    text = "Mrs. Parkinson wrote.\n\nMaria Delacroix moved to Bologna with Xavier van der Heyden."
    found = [(f.type, text[f.start : f.end]) for f in detector.find([text], {"PERSON", "LOCATION"})[0]]
    people = ["Parkinson", "Maria Delacroix", "Xavier van der Heyden"]
    assert sorted(found) == sorted([("LOCATION", "Bologna"), *(("PERSON", person) for person in people)])


def test_an_age_follows_a_name_and_a_town_a_street(detector: Detector) -> None:
    text = "Maria Delacroix (72) of Skolegade 2, Grenaa."
    found = {(f.type, text[f.start : f.end]) for f in detector.find([text])[0]}
    assert {("AGE", "72"), ("LOCATION", "Grenaa")} <= found


def test_a_name_found_once_is_found_again_where_a_part_of_it_stands(detector: Detector) -> None:
    text = "Dear Ms. Anneke Vandersloot,\n\nWe wrote to Vandersloot twice."
    findings = detector.find([text], {"PERSON"})[0]
    assert [text[f.start : f.end] for f in findings] == ["Anneke Vandersloot", "Vandersloot"]


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("the taxable year, 30 days, 3 years, annually", 0),
        ("on December 31, 1986 and 05/06/2020 at 10:30", 3),
        ("you may 5 times march 10 miles", 0),
    ],
)
def test_dates_but_no_durations(text: str, dates: int) -> None:
    assert len(Detector.create(entities={"DATE_TIME"}).find([text])[0]) == dates


def test_findings_do_not_depend_on_the_batch(detector: Detector) -> None:
    fake = Faker("en_US")
    fake.seed_instance(7)
    texts = [
        "\n\n".join(f"{fake.name()} of {fake.company()} lives in {fake.city()}. {fake.paragraph(8)}" for _ in range(n))
        for n in (1, 20, 3, 0, 9, 2, 14)
    ]
    together = detector.find(texts)
    assert together == [detector.find([text])[0] for text in texts]
    order = random.Random(1).sample(range(len(texts)), len(texts))
    assert [together[i] for i in order] == detector.find([texts[i] for i in order])


def test_findings_are_sorted_disjoint_and_inside(detector: Detector) -> None:
    text = " ".join(text for _, text, _ in FORMS) * 5
    findings = detector.find([text])[0]
    edges = [edge for f in findings for edge in (f.start, f.end)]
    assert edges == sorted(edges)
    assert findings and edges[-1] <= len(text)


def test_a_number_is_not_torn_apart_where_a_long_text_is_cut(structured: Detector) -> None:
    for shift in range(0, 24):
        text = "x" * shift + " word" * 790 + " nr 219 09 9999" * 12 + " word" * 900
        assert len(structured.find([text])[0]) == 12


def test_cuts_cover_the_text_and_keep_the_limit() -> None:
    for text in ("", "a", "ab\n\ncd " * 500, "x" * 999, "one two. Three four " * 99, " \n" * 400):
        parts = list(split(text, 100))
        assert "".join(text[a:b] for a, b in parts) == text
        assert all(0 < b - a <= 100 for a, b in parts)


def test_a_form_wins_over_a_guess_and_the_longer_over_the_shorter() -> None:
    ssn = Finding(4, 15, "US_SSN", 0.5)
    organization = Finding(0, 30, "ORGANIZATION", 0.85)
    short, long = Finding(40, 44, "PERSON", 0.9), Finding(40, 50, "LOCATION", 0.1)
    text = "SSN 219-09-9999 Brandt & Sons".ljust(40) + "Ann Oaks X"
    rest = Finding(16, 29, "ORGANIZATION", 0.85)  # what sticks out of the loser is not left in the text
    for findings in ([organization, ssn, short, long], [long, short, ssn, organization]):
        assert disjoint(text, findings) == [ssn, rest, long]


def test_a_phone_number_before_a_house_number_is_not_left_standing(structured: Detector) -> None:
    text = "+49(0)8625416514 12 Elm Street"
    assert [f.type for f in structured.find([text])[0]] == ["PHONE_NUMBER", "STREET_ADDRESS"]


def test_only_asked_types_take_part_in_overlaps(detector: Detector) -> None:
    text = "Siobhan Fitzgerald Holdings Ltd"
    assert [f.type for f in detector.find([text], {"ORGANIZATION"})[0]] == ["ORGANIZATION"]
    assert [f.type for f in detector.find([text], {"PERSON"})[0]] == ["PERSON"]
    assert detector.find([text], []) == [[]]


def test_an_unknown_type_is_refused_with_a_suggestion() -> None:
    with pytest.raises(DetectorError, match=r'finds US_SNN \(did you mean "US_SSN"\?\).*CREDIT_CARD'):
        Detector.create(entities={"US_SNN"})


def test_fingerprints_tell_detectors_apart() -> None:
    names = Detector.create(entities={"PERSON"}).fingerprint
    assert names == Detector.create(entities={"PERSON"}).fingerprint
    assert names != Detector.create(entities={"US_SSN"}).fingerprint
    assert available_entities() >= NER_TYPES | STRUCTURED_TYPES


def test_each_module_that_decides_what_is_found_is_in_the_fingerprint() -> None:
    others = {"__init__", "describe", "evaluate", "filter", "floors", "leaks", "models", "phrases", "surrogates"}
    others |= {"bitcoin", "canonical", "mentions", "operators", "own_code", "pseudonyms"}
    modules = {path.stem for path in Path(detect.__file__).parent.glob("*.py")}
    assert set(detect._CODE) == modules - others


def test_the_documentation_names_each_type() -> None:
    page = (Path(__file__).parents[2] / "docs" / "workspace.md").read_text(encoding="utf-8")
    table = page[page.index("| found by |") :]
    assert set(re.findall(r"`([A-Z_]{3,})`", table[: table.index("\n\n")])) == available_entities()
