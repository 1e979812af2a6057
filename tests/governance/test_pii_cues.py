"""What stands beside a word says what it is: jobs, lists of people, a firm that may be a person."""

from __future__ import annotations

import pytest

from governance.pii import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.create()


FOUND = [
    ("TITLE", "Maren Oakley\n\nSenior pipe fitter\n\nPhone: 212 555 0142\n", "Senior pipe fitter"),
    ("TITLE", "> Maren Oakley\n> Planning and permit clerk\n> Vantero Ltd\n", "Planning and permit clerk"),
    ("TITLE", "He has worked for Vantero as loom mender since May.", "loom mender"),
    ("TITLE", "Maren Oakley\nX-ray technician\nVantero Ltd\n", "X-ray technician"),
    ("TITLE", "She works at Vantero as a bridge inspector.", "bridge inspector"),
    ("TITLE", "Maren Oakley, the welder, said so.", "welder"),
    ("PERSON", "Witnesses: Ostrova, Lindqvist and Maro. They met.", "Ostrova"),
    ("PERSON", "When the mill burned, Ostrova and Johnson were away.", "Ostrova"),
    ("PERSON", "Zbyrka was really stubborn about the fence.", "Zbyrka"),
    ("PERSON", "Nobody knows why. Why was Zbyrka so moody?", "Zbyrka"),
    ("PERSON", "Zbyrka Dunwall will be speaking on Friday", "Zbyrka Dunwall"),
    ("PERSON", "I spoke to Mrs. Verona on the phone.", "Verona"),
    ("PERSON", ">Zbyrka Dunmor\n>Vantero Ltd\n>3378 17 Lovage Lane\n>Suite 680\n>Poland 46218\n", "Zbyrka Dunmor"),
    ("PERSON", "Mrs. Delacroix called, and Mr. Ng paid.", "Delacroix"),
    ("PERSON", "Mrs. Delacroix called, and Mr. Ng paid.", "Ng"),
    ("PERSON", "Lab report for Will Price, who left.", "Will Price"),
    ("PERSON", "Kind regards, Grace Field", "Grace Field"),
    ("PERSON", "the number of Smith, Rose is in the file", "Smith, Rose"),
    ("PERSON", "the number of Ivanova, Wei is in the file", "Ivanova, Wei"),
    ("PHONE_NUMBER", "Call +44 20 7309239 4116 now", "+44 20 7309239 4116"),
    ("LOCATION", "12 Elm Street Apt. 4\nDUNVEGAN nan 4412\n", "DUNVEGAN"),
    ("ZIP_CODE", "Maren Oakley\n2207 Koivukatu 31 Apt. 572\nHARJAVALTA nan 4412\n", "4412"),
]  # fmt: skip


@pytest.mark.parametrize(("entity", "text", "value"), FOUND)
def test_a_cue_says_what_it_is(detector: Detector, entity: str, text: str, value: str) -> None:
    found = [(f.type, text[f.start : f.end]) for f in detector.find([text])[0]]
    assert (entity, value) in found, found


NOT_FOUND = [
    ("ID_NUMBER", "Customer no. 1 among 20 firms in 2019; employee number 5 said so, and policy no. 3 of 2021 too."),
    ("PHONE_NUMBER", "z = +999.1234567, lat +51.5073509 today"),
    ("CREDIT_CARD", "Order 411111111111111177 and line +44 20 7946 0958 9030."),
    ("PERSON", "A Foley catheter was placed, and a Baker cyst was seen. What will price increases do?"),
    ("LOCATION", "Signed: Maren Oakley, MD"),
    ("ORGANIZATION", "It was Kaposi sarcoma or Bell's palsy."),
    ("TITLE", "The kidney works as a filter, and the liver as a buffer."),
    ("TITLE", "Maren Oakley\nOrder number\n4412"),
    ("TITLE", "Maren Oakley\nDecember\n2019"),
    ("TITLE", "He works for us as of Monday."),
    ("PERSON", "The pump is very reliable at night."),
    ("PERSON", "Apples and oranges were cheap. Monday and Tuesday are free."),
]


@pytest.mark.parametrize(("entity", "text"), NOT_FOUND)
def test_ordinary_words_stay(detector: Detector, entity: str, text: str) -> None:
    found = [(f.type, text[f.start : f.end]) for f in detector.find([text])[0] if f.type == entity]
    assert [value for _, value in found if value != "Maren Oakley"] == []


def test_a_firm_by_its_form_stays_a_firm(detector: Detector) -> None:
    for text in ("We buy from Brevik Turbin AS in Oslo.", "Grupo Altavista paid."):
        assert "PERSON" not in [f.type for f in detector.find([text])[0]]
