"""What lines below each other say of one another: address blocks; heads of tables and words before a colon."""

from __future__ import annotations

import pytest

from governance.pii import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.create()


def found(detector: Detector, text: str) -> set[tuple[str, str]]:
    return {(one.type, text[one.start : one.end]) for one in detector.find([text])[0]}


def test_the_lines_of_a_block_are_told_by_each_other(detector: Detector) -> None:
    block = "> Thyra Nygaard\n> Skovlund\n> 518 Aqqalu 37\n> Apt. 264\n> Qimmeq\n> Poland 46218\n"
    expected = {
        ("PERSON", "Thyra Nygaard"), ("ORGANIZATION", "Skovlund"), ("STREET_ADDRESS", "518 Aqqalu 37"),
        ("STREET_ADDRESS", "Apt. 264"), ("LOCATION", "Qimmeq"), ("LOCATION", "Poland"), ("ZIP_CODE", "46218"),
    }  # fmt: skip
    assert found(detector, f"Please send it to\n{block}Thanks") >= expected
    alone = "518 Aqqalu 37"
    assert ("STREET_ADDRESS", alone) not in found(detector, f"We counted\n{alone[:10]}\nof them.")


@pytest.mark.parametrize(
    "text",
    [
        "Inventory\n12 Widgets large\n4500\nTotal 9000",
        "12 Widgets large\nTotal 4500",
        "Section 12\n401 Retirement plans\nSubsection 4",
        "2019 Annual report\nRevenue 45000",
        "Teeth 11 of 21 Scoliosis 9 of 22",
    ],
)
def test_numbers_and_words_in_lines_are_no_address(detector: Detector, text: str) -> None:
    assert not {kind for kind, _ in found(detector, text)} & {"STREET_ADDRESS", "ZIP_CODE"}


@pytest.mark.parametrize("mark", [" | ", ",", "\t", ";"])
def test_a_column_is_what_its_head_says(detector: Detector, mark: str) -> None:
    rows = ["name", "age", "city", "employer", "zip"], ["Xochitl Vantero", "35", "Qimmeq", "Skovlund", "4802"]
    text = "\n".join(mark.join(row) for row in rows)
    expected = {("PERSON", "Xochitl Vantero"), ("AGE", "35"), ("LOCATION", "Qimmeq"), ("ORGANIZATION", "Skovlund")}
    assert found(detector, text) >= {*expected, ("ZIP_CODE", "4802")}
    other = found(detector, text.replace("employer", "colour").replace("Xochitl Vantero", "x"))
    assert ("LOCATION", "Qimmeq") not in other, "a head of other words is none"


def test_an_empty_cell_ends_no_table(detector: Detector) -> None:
    text = "name,age,city\n,,\nXochitl Vantero,,Qimmeq\n"
    assert found(detector, text) >= {("PERSON", "Xochitl Vantero"), ("LOCATION", "Qimmeq")}


def test_a_word_before_a_colon_says_what_stands_behind_it(detector: Detector) -> None:
    lines = "Employer: Skovlund", "Place of birth: Qimmeq", "Postal code: 4802", "Address: 12 Aqqalu, Qimmeq"
    text = "\n".join([*lines, "Age: n/a", "Name: none"])
    assert found(detector, text) >= {
        ("ORGANIZATION", "Skovlund"), ("LOCATION", "Qimmeq"), ("ZIP_CODE", "4802"), ("STREET_ADDRESS", "12 Aqqalu"),
    }  # fmt: skip
    assert not {kind for kind, _ in found(detector, text)} & {"AGE", "PERSON"}


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("I read that Sweden has changed its rules", "LOCATION", "Sweden"),
        ("We moved here from TURKU", "LOCATION", "TURKU"),
        ("Dear Livia Palermo, thanks", "PERSON", "Livia Palermo"),
        ("Have you seen Tarvix G. Oblemko there?", "PERSON", "Tarvix G. Oblemko"),
        ("Vinko: are you there?\nTamsin: yes", "PERSON", "Vinko"),
        ("They invited Amy, Peter, Vinkoslav and Donald", "PERSON", "Vinkoslav"),
        ("my name is ilka jorvenic, thanks", "PERSON", "ilka jorvenic"),
        ("Dexter moved to the hill", "PERSON", "Dexter"),
        ("I work for Vantero now", "ORGANIZATION", "Vantero"),
        ("Vantero is a regional bank", "ORGANIZATION", "Vantero"),
        ("it stands on the Vantero website", "ORGANIZATION", "Vantero"),
        ("she is cambodian and lives here", "NRP", "cambodian"),
        ("They were proud Paraguayans", "NRP", "Paraguayans"),
        ("nobody is answering at 88 571363", "PHONE_NUMBER", "88 571363"),
        ("Phone:\n62 627 44 86\nE-mail: none", "PHONE_NUMBER", "62 627 44 86"),
        ("527 71 048 office", "PHONE_NUMBER", "527 71 048"),
        ("- Anne Simonsen, 92660556", "PHONE_NUMBER", "92660556"),
        ("Next week I turn 41.", "AGE", "41"),
        ("he painted it when he was 62.", "AGE", "62"),
        ("It is at 3614 Lindholmweg 27 Suite 305", "STREET_ADDRESS", "3614 Lindholmweg 27 Suite 305"),
        ("she lives at 347 tornbyvej 29, thanks", "STREET_ADDRESS", "347 tornbyvej 29"),
        (
            "meet me at the corner of Elmgade 12 and Harbour Close.",
            "STREET_ADDRESS",
            "the corner of Elmgade 12 and Harbour Close",
        ),
        ("My zip code is 770", "ZIP_CODE", "770"),
        ("the office in Montefalco 5062 in May", "ZIP_CODE", "5062"),
    ],
)
def test_what_people_write_in_many_ways(detector: Detector, text: str, entity: str, value: str) -> None:
    assert (entity, value) in found(detector, text)
