"""A date that is a birth date, by what stands around it: a policy that keeps dates keeps no birth date."""

from __future__ import annotations

import pytest

from governance.pii import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.create()


FOUND = [
    ("Re: Orla Tanner, d.o.b. 14/03/1957. Thank you.", "14/03/1957"),
    ("DOB (mm/dd/yyyy): 11/02/1990", "11/02/1990"),
    ("I was born in Trondheim on 4 May 1971 and moved later.", "4 May 1971"),
    ("She was born at home in Kisumu on the 3rd of June 1988.", "3rd of June 1988"),
    ("Date of birth of the insured: 1964-09-30", "1964-09-30"),
    ("Birth date (as in passport) - 07 Oct 1993", "07 Oct 1993"),
    ("His birthday falls on September 17.", "September 17"),
    ("my bday is march 3rd lol", "march 3rd"),
    ("Mirela Doru (b. 12 April 1950) asked for a copy.", "12 April 1950"),
    ("Anselm Brauer, * 03.05.1948, retired", "03.05.1948"),
    ("Geburtsdatum: 03.12.1977", "03.12.1977"),
    ("née le 14 juillet 1985", "14 juillet 1985"),
    ("Fecha de nacimiento: 3 de marzo de 1980", "3 de marzo de 1980"),
    ("D0B: 12/12/1962", "12/12/1962"),
    ("Year of birth: 1957", "1957"),
    ("What is your date of birth?\nCustomer: it's 3 March 1980", "3 March 1980"),
    ("09/20/1939 is my birthday.", "09/20/1939"),
    ("I gave my birth date as 02/28/1976, not 02/23/1976.", "02/23/1976"),
    ("My son (14 Feb 2016) needs a vaccination.", "14 Feb 2016"),
    ("Re: Orla Tanner, 25 October 1961. Thank you.", "25 October 1961"),
    ("Orla Tanner (23.11.1937) phoned.", "23.11.1937"),
    ("DOB:\n  01/02/1990", "01/02/1990"),
    ("**Date of Birth:**\n01/02/1990", "01/02/1990"),
    ("DOB:\n- 01/02/1990", "01/02/1990"),
    ("Date of birth:\n\n\n01/02/1990", "01/02/1990"),
    ("Date of birth\n\n  3 March 1980", "3 March 1980"),
    ("DOB:\r\n01/02/1990", "01/02/1990"),
    ("{\"full_name\": \"Orla Tanner\", \"date_of_birth\": \"1961-10-25\"}", "1961-10-25"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), FOUND)
def test_a_birth_date_is_told_from_other_dates(detector: Detector, text: str, value: str) -> None:
    found = [text[f.start : f.end] for f in detector.find([text])[0] if f.type == "DATE_OF_BIRTH"]
    assert value in found, found


OTHERS = [
    "Born in 1950, she was admitted on 4 May 2001.",
    "My birthday present arrived on 4 May 2001.",
    "Orla Tanner, 4 May 2001",
    "The policy was issued on 4 May 2001; date of birth unknown.",
    "Born at 39 weeks, Apgar 8 9 10.",
]  # fmt: skip


@pytest.mark.parametrize("text", OTHERS)
def test_other_dates_are_no_birth_dates(detector: Detector, text: str) -> None:
    assert "DATE_OF_BIRTH" not in [f.type for f in detector.find([text])[0]]
