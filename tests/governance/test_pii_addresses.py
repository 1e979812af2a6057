"""Streets, postal codes and towns as many countries write them, and as people mention them."""

from __future__ import annotations

import pytest

from governance.pii import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.create()


STREETS = [
    ("Calle 45 # 13-22, Bogotá", "Calle 45 # 13-22"),
    ("House 12, Road 5, Dhaka", "House 12, Road 5"),
    ("He lives at 12/45 Anna Salai, Chennai", "12/45 Anna Salai"),
    ("Your address is now Tannenring 9, Kempten.", "Tannenring 9"),
    ("The survey at Old Mill Cottage, Church Lane, found damp.", "Old Mill Cottage, Church Lane"),
    ("How do I get to 9663 dillon corners?", "9663 dillon corners"),
    ("She lives at 36 quai des belges, thanks.", "36 quai des belges"),
    ("Aleea Rozelor Nr. 21 bl. 4 sc. B ap. 9, Ploiești", "Aleea Rozelor Nr. 21 bl. 4 sc. B ap. 9"),
    ("Storgatan 5 lgh 1102, 413 01 Göteborg", "Storgatan 5 lgh 1102"),
    ("The tenant of 8841 Via Appia Nuova and his wife", "8841 Via Appia Nuova"),
    ("Landlord: Morro Leão, 8, Siqueira", "Morro Leão, 8"),
    ("We met in Rokov perivoj 7. Fine.", "Rokov perivoj 7"),
    ("Home: Bulevardul Nistor. Thanks", "Bulevardul Nistor"),
    ("he moved to bulevardul unirii 10 in may", "bulevardul unirii 10"),
    ("Meet at the corner of Elm utca 39. and Harbour Pass", "the corner of Elm utca 39. and Harbour Pass"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), STREETS)
def test_streets_of_many_countries(detector: Detector, text: str, value: str) -> None:
    found = [text[f.start : f.end] for f in detector.find([text])[0] if f.type == "STREET_ADDRESS"]
    assert value in found, found


CODES = [
    ("PLZ 70173", "70173"),
    ("I moved from 10115 Berlin to 20095 Hamburg.", "20095"),
    ("Customer in Ponte de Lima 4990-067 has no signal.", "4990-067"),
    ("Via Garibaldi 8, 40125 Bologna (Italy)", "40125"),
    ("Av. Corrientes 1234, C1043AAZ Buenos Aires", "C1043AAZ"),
    ("4 Main Street, Ballina, F26 X4K2", "F26 X4K2"),
    ("Her zip is 60614, mine 60657.", "60657"),
    ("The house in Marques 17478612 stands empty.", "17478612"),
    ("The house in Bratislava H-9022 stands empty.", "H-9022"),
    ("{\"postal_code\": \"4802\"}", "4802"),
    ("15 Herzl Street, Haifa 3303139, Israel", "3303139"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), CODES)
def test_postal_codes_beside_a_town_or_a_word(detector: Detector, text: str, value: str) -> None:
    found = [text[f.start : f.end] for f in detector.find([text])[0] if f.type == "ZIP_CODE"]
    assert value in found, found


TOWNS = [
    ("We regret that the delivery to 22569 Llandudno has failed.", "Llandudno"),
    ("Flat 3, 27 Cardigan Road, Bath BA1 5DE", "Bath"),
    ("12 Elm Street, Turkovice u Prelouce", "Turkovice u Prelouce"),
    ("ship it to kossuth utca 61, porto alegre 80377", "porto alegre"),
    ("12 Elm Street, Odense C", "Odense C"),
    ("They deliver to Antrim, Larne and Ballymena.", "Larne"),
    ("Ms Vrana flew to Coles on Sunday.", "Coles"),
    ("It moved from Dolores last year.", "Dolores"),
    ("My parents are from Villanueva de la Serena.", "Villanueva de la Serena"),
    ("The house in Parainen 33671 is empty.", "Parainen"),
    ("i live in tallinn, moved from reykjavik", "reykjavik"),
    ("the mother comes from iceland, we hear", "iceland"),
    ("PLEASE SEND IT TO THE OFFICE IN FLEURYBOEUF NOW", "FLEURYBOEUF"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), TOWNS)
def test_towns_by_what_stands_around_them(detector: Detector, text: str, value: str) -> None:
    found = [text[f.start : f.end] for f in detector.find([text])[0] if f.type == "LOCATION"]
    assert value in found, found


def test_a_date_behind_a_town_is_no_house_number(detector: Detector) -> None:
    text = "It was in Nairobi on 27 April 2004."
    assert "STREET_ADDRESS" not in [f.type for f in detector.find([text])[0]]


def test_a_district_behind_a_postal_code_is_no_street(detector: Detector) -> None:
    text = "Vodičkova 30, 110 00 Praha 1"
    assert ("ZIP_CODE", "110 00") in [(f.type, text[f.start : f.end]) for f in detector.find([text])[0]]


@pytest.mark.parametrize(
    "text", ["It was signed by Baker, Turner and Mason.", "Ask Johnson, Sherman and Grimes for it."]
)
def test_three_surnames_are_no_towns(detector: Detector, text: str) -> None:
    assert "LOCATION" not in [f.type for f in detector.find([text])[0]]


@pytest.mark.parametrize("space", [" ", " " * 60, "\n \n "])
def test_nothing_but_space_before_a_name_is_no_cue(detector: Detector, space: str) -> None:
    text = f"{space}Orla Tanner called."
    assert "Orla Tanner" in [text[f.start : f.end] for f in detector.find([text])[0]]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The complaint came from Mary Jones last week.", "Mary Jones"),
        ("The refund was returned to John Smith on Monday.", "John Smith"),
        ("Where is John Smith now?", "John Smith"),
        ("MESSAGE SENT FROM JOHN SMITH", "JOHN SMITH"),
        ("Delivery to Mary Jones failed.", "Mary Jones"),
        ("She lives near Robert Brown.", "Robert Brown"),
        ("It was shipped to Orla Tanner.", "Orla Tanner"),
        ("He flew to Mary Jones.", "Mary Jones"),
        ("12 rue de Rivoli et Marie Dupont", "Marie Dupont"),
    ],
)
def test_a_person_is_no_town_whatever_stands_before(detector: Detector, text: str, name: str) -> None:
    """A policy may keep towns."""
    assert ("PERSON", name) in [(f.type, text[f.start : f.end]) for f in detector.find([text])[0]]


@pytest.mark.parametrize(
    ("text", "street"),
    [
        ("12 Elm Street no matter what", "12 Elm Street"),
        ("Aleea Rozelor 21 bl. 4 sc. B ap. 9", "Aleea Rozelor 21 bl. 4 sc. B ap. 9"),
        ("12 Elm Street apt 4B, please", "12 Elm Street apt 4B"),
    ],
)
def test_a_street_ends_with_its_unit(detector: Detector, text: str, street: str) -> None:
    assert ("STREET_ADDRESS", street) in [(f.type, text[f.start : f.end]) for f in detector.find([text])[0]]
