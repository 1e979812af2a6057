"""SentencePiece's unigram model: any text comes back, the same ids as keras-hub, the same bytes for the same text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import KINDS, Encoder, load_encoder, train_tokenizer, unigram
from pipelines.tokenizers.kinds import SENTINELS
from tests.pipelines.tiny import TinyVersion, letters, tiny_version

SMALLEST = 256 + len(KINDS["t5"].special_tokens)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    storage = tmp_path_factory.mktemp("storage")
    lines = (f"{n}  (({'  ' * n}x)'s\n\n{' ' * n}--\u00a0\u2014\u2014 {n}a''t \u2581" for n in range(40))
    version = TinyVersion({"train": [*letters(60), *lines]})
    return train_tokenizer(version, kind="t5", vocab_size=600, storage=storage).folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(folder)


@pytest.fixture(scope="module")
def keras_tokenizer(folder: Path) -> Any:
    import keras_hub

    return keras_hub.models.T5Tokenizer((folder / "vocabulary.spm").read_bytes())


LEFT_TO_RIGHT = "the tax \u202e\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0636\u0631\u064a\u0628\u0629"
pieces = st.sampled_from(
    [
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u00a0",
        "\u2581",
        "\u2585",
        "\0",
        "12",
        "tax",
        " é",
        "漢字",
        "🙂",
        "<0x0A>",
        "</s>",
    ]
)


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(), st.lists(pieces).map("".join)))
@example(text="")
@example(text="\u2581\u2581 \u2581tax")
@example(text="  the\n\n tax \r\n")
@example(text="🙂👩‍👩‍👧 \x00\x01\x7f\u2028")
@example(text=LEFT_TO_RIGHT)
def test_any_text_comes_back_with_the_ids_of_keras_hub(encoder: Encoder, keras_tokenizer: Any, text: str) -> None:
    ids = encoder.encode([text])[0]
    assert ids == list(keras_tokenizer(text))
    assert encoder.decode(ids) == text
    words = encoder.lexicon.words
    assert words.bytes[ids].sum() == len(text.encode()) and not words.is_special(ids).any()


def test_a_long_string_in_a_graph(encoder: Encoder, keras_tokenizer: Any) -> None:
    """Inside tf.data keras-hub uses another implementation."""
    import tensorflow as tf

    texts = [("the tax return of a dependent 漢字\n" * 40_000)[:1_000_000], LEFT_TO_RIGHT, "\u2581 \0\n\n", ""]
    found = [list(ids.numpy()) for ids in tf.data.Dataset.from_tensor_slices(texts).map(keras_tokenizer)]
    assert found == encoder.encode(texts)
    assert [encoder.decode(ids) for ids in found] == texts


def test_special_tokens_stand_first_and_are_never_text(encoder: Encoder) -> None:
    ids = encoder.lexicon.ids
    assert [ids[token] for token in ("<pad>", "</s>", "<unk>", "<extra_id_0>", "<extra_id_99>")] == [0, 1, 2, 3, 102]
    spelled = encoder.encode(["".join(KINDS["t5"].special_tokens)])[0]
    assert min(spelled) > 102
    assert encoder.decode([3, ids["a"], 102, 1]) == "<extra_id_0>a<extra_id_99></s>"
    assert [encoder.lexicon.ids[token] for token in encoder.lexicon.kind.sentinels] == list(range(3, 103))


def test_words_of_the_text_become_pieces(encoder: Encoder) -> None:
    """With their space and without; each digit stands alone."""
    texts = letters(20, first=500)
    tokens = sum(map(len, encoder.encode(texts)))
    assert sum(map(len, texts)) / tokens > 2.4
    assert {" return", " dependent", "dependent"} <= set(encoder.lexicon.ids)
    assert not [token for token in encoder.lexicon.ids if sum(map(str.isdigit, token)) > 1 and token[0] != "<"]


def test_words_that_are_always_written_in_the_same_way_become_pieces(tmp_path: Path) -> None:
    """SentencePiece itself would take what it finds in two different words alone."""
    version = TinyVersion({"train": ["Your message of today: it was paid in full."] * 50})
    files = train_tokenizer(version, kind="t5", vocab_size=600, storage=tmp_path)
    assert {" message", " paid", " full", "Your"} <= set(load_encoder(files.folder).lexicon.ids)


TRAIN = (
    "import sys\n"
    "from pathlib import Path\n"
    "from pipelines.tokenizers import train_tokenizer\n"
    "from tests.pipelines.tiny import tiny_version\n"
    "print(train_tokenizer(tiny_version(), kind='t5', vocab_size=500, storage=Path(sys.argv[1])).digest)\n"
)


def test_same_texts_same_bytes_in_any_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRAIN]
    runs = [subprocess.run([*command, str(tmp_path / name)], capture_output=True, text=True) for name in "abc"]
    assert len({run.stdout for run in runs}) == 1 and runs[0].stdout, runs[0].stderr
    assert (
        runs[0].stdout.strip()
        == train_tokenizer(tiny_version(), kind="t5", vocab_size=500, storage=tmp_path / "d").digest
    )


@pytest.mark.parametrize(("texts", "words"), [(["abab"], 3), ([""], 1), (["\t\0\u2585"], 1), (["the tax " * 3000], 8)])
def test_little_text_gives_a_small_vocabulary(tmp_path: Path, texts: list[str], words: int) -> None:
    files = train_tokenizer(TinyVersion({"train": texts}), kind="t5", vocab_size=5000, storage=tmp_path)
    assert SMALLEST < files.vocab_size <= SMALLEST + words + 4
    encoder = load_encoder(files.folder)
    assert encoder.decode(encoder.encode(texts)[0]) == texts[0]


def test_a_small_vocabulary_holds_the_commonest_characters(tmp_path: Path) -> None:
    """An alphabet that is larger than the vocabulary is no error: what is rare becomes bytes."""
    text = "".join(chr(0x4E00 + n) * (400 - n) for n in range(300))
    files = train_tokenizer(TinyVersion({"train": [text]}), kind="t5", vocab_size=SMALLEST + 50, storage=tmp_path)
    assert files.vocab_size <= SMALLEST + 50
    encoder = load_encoder(files.folder)
    assert "\u4e00" in encoder.lexicon.ids and chr(0x4E00 + 299) not in encoder.lexicon.ids
    assert encoder.decode(encoder.encode([text])[0]) == text


def test_too_few_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"vocabulary of {SMALLEST} cannot hold .* use {SMALLEST + 1} or more"):
        train_tokenizer(tiny_version(), kind="t5", vocab_size=SMALLEST, storage=tmp_path)
    assert train_tokenizer(tiny_version(), kind="t5", vocab_size=SMALLEST + 1, storage=tmp_path).vocab_size > SMALLEST


def test_no_more_text_is_read_than_is_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unigram, "MOST_CHARACTERS", 500)
    texts = iter(["the tax return of a dependent spouse " * 10] * 3 + ["zebra"])
    unigram.train(texts, 500, KINDS["t5"], tmp_path)
    assert list(texts) == ["the tax return of a dependent spouse " * 10, "zebra"]
    assert "z" not in unigram.open_files(tmp_path, KINDS["t5"]).lexicon.ids


def test_a_file_that_is_no_model(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "meta.json").write_bytes((folder / "meta.json").read_bytes())
    (tmp_path / "vocabulary.spm").write_bytes(b"no model")
    with pytest.raises(DataError, match="damaged"):
        load_encoder(tmp_path)


def test_sentinels_are_those_of_the_paper() -> None:
    assert len(SENTINELS) == 100 and SENTINELS[0] == "<extra_id_0>" and SENTINELS[-1] == "<extra_id_99>"
