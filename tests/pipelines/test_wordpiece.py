"""WordPiece: the same ids as keras-hub, the same bytes for the same text, words and their bytes."""

from __future__ import annotations

import random
import re
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import open_tokenizer, train_tokenizer
from pipelines.tokenizers.store import load_encoder
from pipelines.tokenizers.wordpiece import SETTINGS, WordPieceEncoder, is_border
from tests.pipelines.tiny import TinyVersion, letters
from tests.support.workspace import bundled_rows

FOREIGN = "漢字 🙂 café naïve ﬀ … ½ ß İ ſ ª ΑΣ שלום مرحبا हिन्दी 한국어 １２３ ﷺ Å don't U.S. $12,345.67"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [*letters(60), *[FOREIGN] * 3]
    version = TinyVersion({"train": texts})
    return train_tokenizer(version, kind="bert", vocab_size=500, storage=tmp_path_factory.mktemp("storage")).folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> WordPieceEncoder:
    return cast(WordPieceEncoder, load_encoder(folder))


@pytest.fixture(scope="module")
def keras_tokenizer(folder: Path) -> object:
    import keras_hub

    return keras_hub.models.BertTokenizer(vocabulary=str(folder / "vocabulary.txt"), **SETTINGS)


pieces = st.sampled_from(
    [
        *(" ", "\n", "\r\n", "\t", "\x00", "\x0b", "\x85", "\u00a0", "\u2028", "\u200d", "\ufeff", "\u3164", "\u0301"),
        *("tax", "Tax", "RETURN", "dependent", "12", "3456", "don't", "--", "((", "[MASK]", "[CLS]", "[UNK]", "##s"),
        *(
            "é",
            "É",
            "ﬁ",
            "…",
            "½",
            "ß",
            "İ",
            "ǅ",
            "Σ",
            "漢",
            "字",
            "한",
            "ㄱ",
            "🙂",
            "שלום",
            "مرحبا",
            "हिन्दी",
            "x" * 40,
        ),
    ]
)
# Python does not know the latest characters of Unicode, keras-hub does.
known = st.text(st.characters(exclude_categories=["Cs", "Cn"]))


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(known, st.lists(pieces).map("".join)))
@example(text="")
@example(text="x" * 100 + " " + "x" * 101)
@example(text="é" * 50 + "́ " + "한" * 33 + " " + "한" * 34 + " " + "ж" * 50 + " " + "ж" * 51)
@example(text="a\u00a0b \u00a0 \ud7fb\u1160\u11a8 \U000e0001x \U000e0150y ＃＃ ﷺ")
@example(text=FOREIGN)
def test_same_ids_as_keras_hub(encoder: WordPieceEncoder, keras_tokenizer: object, text: str) -> None:
    ids = encoder.encode([text])[0]
    assert ids == list(map(int, keras_tokenizer(text)))  # type: ignore[operator]
    special = {encoder.lexicon.ids[token] for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")}
    assert not special & set(ids), "text never becomes a special token"


def test_same_ids_for_a_megabyte(encoder: WordPieceEncoder, keras_tokenizer: object) -> None:
    parts = random.Random(0).choices(["the ", "tax", "é", "漢", " ", "\u00a0", "🙂", ". "], k=400_000)
    for text in ("".join(parts)[:1_000_000], "x" * 1_000_000):
        assert encoder.encode([text])[0] == list(map(int, keras_tokenizer(text)))  # type: ignore[operator]


def test_same_texts_same_bytes(tmp_path: Path) -> None:
    version = TinyVersion({"train": [row["text"] for row in bundled_rows(40)] + letters(20)})
    first, second = (
        train_tokenizer(version, kind="bert", vocab_size=700, storage=tmp_path / name).folder for name in "ab"
    )
    assert (first / "vocabulary.txt").read_bytes() == (second / "vocabulary.txt").read_bytes()


def test_special_tokens_come_first_and_pieces_are_words_of_the_text(folder: Path) -> None:
    lines = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    assert lines[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert {"return", "dependent", "a", "##a", "z", "##z", "9", "##9", "!", "漢"} <= set(lines)
    assert "##!" not in lines and not any(character.isspace() for character in "".join(lines))
    assert len(set(lines)) == len(lines) <= 501  # the last line is empty


def test_bundled_text_has_no_unknown_words(tmp_path: Path) -> None:
    texts = [row["text"] for kind in ("tax/letters", "support/chats") for row in bundled_rows(200, kind=kind)]
    files = train_tokenizer(TinyVersion({"train": texts[::2]}), kind="bert", vocab_size=1000, storage=tmp_path)
    ids = [token for one in load_encoder(files.folder).encode(texts[1::2]) for token in one]
    assert len(ids) > 20_000 and ids.count(1) == 0


def test_many_characters_do_not_fill_the_vocabulary(tmp_path: Path) -> None:
    chinese = "".join(chr(0x4E00 + number) * (3 if number < 100 else 1) for number in range(2000))
    files = train_tokenizer(
        TinyVersion({"train": [chinese, "tax " * 9]}), kind="bert", vocab_size=400, storage=tmp_path
    )
    known = load_encoder(files.folder).lexicon.ids
    assert len(known) <= 400 and "tax" in known
    assert {chr(0x4E00 + number) for number in range(50)} <= set(known), "frequent ones stay"
    assert chr(0x4E00 + 1999) not in known


def test_too_few_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot hold the letters, digits and signs of ASCII; use 109 or more"):
        train_tokenizer(TinyVersion({"train": ["a"]}), kind="bert", vocab_size=108, storage=tmp_path)
    train_tokenizer(TinyVersion({"train": ["a"]}), kind="bert", vocab_size=109, storage=tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data.replace(b"[UNK]", b"[XXX]")])
def test_a_changed_file_is_noticed(tmp_path: Path, damage: object) -> None:
    files = train_tokenizer(TinyVersion({"train": letters(9)}), kind="bert", vocab_size=200, storage=tmp_path)
    path = files.folder / "vocabulary.txt"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match="damaged"):
        open_tokenizer(files.folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The tax return, due (in April).", "the tax return, due (in april)."),
        ("You don't owe $5,000.50 or 10%!", "you don't owe $5,000.50 or 10%!"),
        ("SSN 123-45-6789, (555) 010-4477", "ssn 123-45-6789, (555) 010-4477"),
        ("Write to jo.doe@mail.example.com. Or not.", "write to jo.doe@mail.example.com.or not."),
        ("ask <PERSON_3fa2b1c4> at\n10:30  now", "ask <person_3fa2b1c4> at 10:30 now"),
        ("card ****-** -- 2 2 ...", "card ****-**--2 2..."),
        ("", ""),
    ],
)
def test_ids_become_text_that_people_read(encoder: WordPieceEncoder, text: str, expected: str) -> None:
    assert encoder.decode(encoder.encode([text])[0]) == expected


def test_special_tokens_and_lone_rests_are_written_out(encoder: WordPieceEncoder) -> None:
    ids = encoder.lexicon.ids
    assert encoder.decode([ids["[CLS]"], ids["the"], ids["[MASK]"], ids["[SEP]"]]) == "[CLS] the [MASK] [SEP]"
    assert encoder.decode([ids["##a"]]) == "##a"
    assert encoder.decode([ids["the"], ids["##a"]]) == "thea"


printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


@settings(max_examples=100, deadline=None)
@given(text=printable.filter(lambda text: max(map(len, text.split()), default=0) <= 100))
@example(text="  The tax\t is 5,000.50 dollars.\n\n")
def test_bytes_of_ascii_are_those_that_are_no_white_space(encoder: WordPieceEncoder, text: str) -> None:
    words = encoder.lexicon.words
    assert words.bytes[encoder.encode([text])[0]].sum() == len("".join(text.split()))


def test_bytes_of_other_text_are_those_without_case_and_accents(encoder: WordPieceEncoder) -> None:
    ids = encoder.encode(["CAFÉ 漢字"])[0]
    assert encoder.lexicon.words.bytes[ids].sum() == len("cafe漢字".encode())
    assert encoder.lexicon.words.bytes[encoder.lexicon.ids["[UNK]"]] == 0, "an unknown word is not counted"


@settings(max_examples=100, deadline=None)
@given(
    text=st.lists(st.sampled_from(["dependentspouse", "tax", " ", "  ", "77f9a", ",", "...", "Form-7", "$"])).map(
        "".join
    )
)
def test_words_begin_where_a_reader_sees_them_begin(encoder: WordPieceEncoder, text: str) -> None:
    ids = np.array(encoder.encode([text])[0], np.int64)
    words = encoder.lexicon.words
    starts = words.word_starts(ids)
    expected = re.findall(r"[A-Za-z0-9]+|[^\sA-Za-z0-9]", text)
    assert starts.sum() == len(expected)
    lengths = np.add.reduceat(words.bytes[ids], np.flatnonzero(starts)) if len(ids) else []
    assert list(lengths) == [len(word) for word in expected]


def test_a_cut_off_rest_belongs_to_what_stands_before_it(encoder: WordPieceEncoder) -> None:
    ids = encoder.lexicon.ids
    row = np.array([[ids["[CLS]"], ids["##a"], ids["##a"], ids["the"]]])
    assert encoder.lexicon.words.word_starts(row).tolist() == [[True, False, False, True]]


@settings(max_examples=150, deadline=None)
@given(text=st.lists(pieces).map("".join), data=st.data())
def test_parts_have_the_ids_of_the_whole(encoder: WordPieceEncoder, text: str, data: st.DataObject) -> None:
    count = 2 * data.draw(st.integers(0, 2))
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=count, max_size=count)))
    spans = list(zip(places[::2], places[1::2], strict=True))
    ids, ranges = encoder.encode_parts(text, spans)
    assert ids == encoder.encode([text])[0]
    kept = [span for span in spans if is_border(text, span[0]) and is_border(text, span[1])]
    for (start, end), (first, last) in zip(kept, ranges, strict=True):
        assert ids[first:last] == encoder.encode([text[start:end]])[0]


def test_a_span_inside_a_word_is_left_out(encoder: WordPieceEncoder) -> None:
    text = "the tax return"
    assert encoder.encode_parts(text, [(4, 7), (8, 10)])[1] == [(1, 2)]


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(known, st.lists(pieces).map("".join)))
def test_each_id_has_its_place(encoder: WordPieceEncoder, text: str) -> None:
    ids, places = encoder.encode([text])[0], encoder.places(text)
    assert len(places) == len(ids)
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(one[0] <= two[0] for one, two in pairwise(places))


def test_places_are_those_of_the_characters(encoder: WordPieceEncoder) -> None:
    text = "The CLIENT's café, (No. 1234) é\u0301!"
    tokens = [list(encoder.lexicon.ids)[number] for number in encoder.encode([text])[0]]
    for token, (start, end) in zip(tokens, encoder.places(text), strict=True):
        if token != "[UNK]":
            expected = unicodedata.normalize("NFD", text[start:end].lower())
            assert token.removeprefix("##") == re.sub("[\u0300-\u036f]", "", expected)
