"""The fast recognizer and the windows: the model's own entities, and none of personal data lost."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipelines
from governance.errors import DetectorError
from governance.pii import models
from governance.pii.convolutions import Convolutions
from governance.pii.entities import NER_TYPES
from governance.pii.lexicon import load_lexicon
from governance.pii.ner import EntityRecognizer
from governance.pii.windows import NameWindows, load_common, load_irregular

INFO = models.find_model()
BUNDLED = Path(pipelines.__file__).parent / "catalogue" / "data"

WORDS = (
    *("Maria", "Okonkwo", "McDonald's", "in", "the", "of", "Paris,", "UK", "U.S.", "Inc.", "I'm", "don't", "(Berlin)"),
    *("\n\n", "$5", "Monday", "3pm,", "the.", "London-based", "x", "--", "Žofie", "", "\n", "\t", "12/03/2020", "Acme"),
    *("&", "Co.", "it's", "...", "SMITH,", "JOHN", "e-mail", "a.m.", "St.", "漢字", "Dr."),
)


@pytest.fixture(scope="module")
def spacy_itself() -> Any:
    """The same weights in a pipeline of their own, with spaCy's own loop and matrices."""
    import spacy

    others = ["tagger", "parser", "senter", "attribute_ruler", "lemmatizer", "tok2vec"]
    return spacy.load(INFO.path, exclude=others)


@pytest.fixture(scope="module")
def recognizer() -> EntityRecognizer:
    return EntityRecognizer(models.load(INFO)[0])


@pytest.fixture(scope="module")
def windows() -> NameWindows:
    return NameWindows(load_lexicon(INFO.path), load_common(INFO.path), load_irregular(INFO.path))


def by_spacy(nlp: Any, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in nlp.pipe(texts)]


@pytest.fixture(scope="module")
def labelled() -> list[dict[str, Any]]:
    rows = []
    for path in sorted(BUNDLED.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            rows += [json.loads(line) for line in itertools.islice(file, 12)]
    return rows


def test_entities_are_those_of_spacy(
    spacy_itself: Any, recognizer: EntityRecognizer, labelled: list[dict[str, Any]]
) -> None:
    odd = [
        "",
        " ",
        "\n",
        " Maria",
        "Maria ",
        "Maria\n\n Lopez  of Rome",
        "a",
        "I live in London",
        *(row["text"] for row in labelled[::6]),
    ]
    assert [[tuple(e) for e in of_text] for of_text in recognizer(odd)] == by_spacy(spacy_itself, odd)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), max_size=4))
def test_entities_of_any_words_are_those_of_spacy(
    spacy_itself: Any, recognizer: EntityRecognizer, made_up: list[str]
) -> None:
    assert [[tuple(e) for e in of_text] for of_text in recognizer(made_up)] == by_spacy(spacy_itself, made_up)


def test_windows_lose_no_labelled_name_that_the_model_finds(
    recognizer: EntityRecognizer, windows: NameWindows, labelled: list[dict[str, Any]]
) -> None:
    """By type: as many labelled spans are found in the windows as in the whole text."""
    texts = [row["text"] for row in labelled]
    whole, gated = Counter[str](), Counter[str]()
    for row, found in zip(labelled, recognizer(texts), strict=True):
        parts = list(windows(row["text"]))
        read = recognizer([row["text"][start:end] for start, end in parts])
        in_windows = [
            (start + e.start, start + e.end) for (start, _), of_part in zip(parts, read, strict=True) for e in of_part
        ]
        for span in row["spans"]:
            if span["type"] in NER_TYPES:
                whole[span["type"]] += _half_found(span, [(e.start, e.end) for e in found])
                gated[span["type"]] += _half_found(span, in_windows)
    assert whole.total() > 150
    assert all(gated[entity] >= whole[entity] for entity in whole), (whole, gated)


def _half_found(span: dict[str, Any], places: Sequence[tuple[int, int]]) -> bool:
    covered = sum(max(0, min(end, span["end"]) - max(start, span["start"])) for start, end in places)
    return 2 * covered >= span["end"] - span["start"]


ODD_PLACES = [
    ("hi im ilona, i live in danielsberg near the river", ["ilona", "danielsberg"]),
    ("my card was stopped in france, on monday", ["france", "monday"]),
    ("PAY TO THE ORDER OF GRACE FIELD", ["GRACE", "FIELD"]),
    ("Boston is where it was sent.\nSalem too.", ["Boston", "Salem"]),
    ("Will called. Mark and Page did not.", ["Will", "Mark", "Page"]),
    ("the note of\nNguyễn\nThị was lost", ["Nguyễn", "Thị"]),
    ("it was the Treasury, at 5 pm on may 7", ["Treasury", "pm", "may"]),
    ("European rules and U.S. law, by J.R. and O'Keeffe-Baker", ["European", "U.S.", "J.R.", "O'Keeffe-Baker"]),
    ("send it to hoffman or to williams", ["hoffman", "williams"]),
    ("is it for rose or for grace? The Hague, An Nguyen", ["rose", "grace", "The Hague", "An Nguyen"]),
]


@pytest.mark.parametrize(("text", "names"), ODD_PLACES)
def test_names_in_odd_places_lie_in_a_window(windows: NameWindows, text: str, names: list[str]) -> None:
    before = "\n".join(["we have sent it back to them and it was not there " * 3] * 2) + "\n"
    kept = list(windows(before + text))
    assert kept[0][0] > 0
    for name in names:
        start = len(before) + text.index(name)
        assert any(first <= start and start + len(name) <= end for first, end in kept), name


def test_ordinary_sentences_have_no_window(windows: NameWindows) -> None:
    said = "You may not have returned the card yet. If it was stopped, we are sending a new one to you."
    assert not list(windows(said))
    assert not list(windows("the children have seen 7.5% of the genes, and don't know what More it is"))
    assert not list(windows(""))


def test_another_form_of_the_layers_is_refused_rather_than_computed_wrongly() -> None:
    nlp, _ = models.load(INFO)
    tokens_to_vectors = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[0]
    embed, encode = tokens_to_vectors.layers
    window = encode.layers[0].layers[0].layers[0].layers[0]
    Convolutions(encode)
    window.attrs["window_size"] = 2
    try:
        with pytest.raises(DetectorError, match="unknown form; install en_core_web_sm"):
            Convolutions(encode)
    finally:
        window.attrs["window_size"] = 1
    with pytest.raises(DetectorError, match="unknown form"):
        Convolutions(embed)
