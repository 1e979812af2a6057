"""Byte-level BPE: the same ids as keras-hub, the same bytes for the same text."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, pre_tokenizers

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import END_OF_TEXT, KINDS, Encoder, load_encoder, open_tokenizer, train_tokenizer
from pipelines.tokenizers.bpe import BytePairEncoder
from tests.pipelines.tiny import TinyVersion, letters, tiny_version


def merging_lines() -> list[str]:
    """Text with many chances for merges that reach from one word into the next."""
    return [f"{'0' * n}{n}  (({'  ' * n}x)'s\n\n{' ' * n}--\u00a0\u2014\u2014 {n}a''t" for n in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    storage = tmp_path_factory.mktemp("storage")
    texts = [*letters(60), *merging_lines()]
    return train_tokenizer(TinyVersion({"train": texts}), kind="bpe", vocab_size=420, storage=storage).folder


@pytest.fixture(scope="module")
def keras_tokenizer(folder: Path) -> object:
    import keras_hub

    return keras_hub.models.GPT2Tokenizer(vocabulary=str(folder / "vocabulary.json"), merges=str(folder / "merges.txt"))


#: The other kinds of byte-level BPE, and keras-hub's class for each.
OTHERS = {
    "ctrl": "GPT2Tokenizer",
    "llama3": "Llama3Tokenizer",
    "roberta": "RobertaTokenizer",
    "bart": "BartTokenizer",
}


@pytest.fixture(scope="module", params=sorted(OTHERS))
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, Any]:
    """An encoder of another kind, and keras-hub's tokenizer on its files."""
    import keras_hub

    kind = request.param
    version = TinyVersion({"train": [*letters(60), *merging_lines()]})
    files = train_tokenizer(version, kind=kind, vocab_size=480, storage=tmp_path_factory.mktemp(kind))
    paths = {name: str(files.folder / f"{name}.{end}") for name, end in (("vocabulary", "json"), ("merges", "txt"))}
    return load_encoder(files.folder), getattr(keras_hub.models, OTHERS[kind])(**paths)


pieces = st.sampled_from(
    [
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u00a0",
        "\u2009",
        "'s",
        "'LL",
        "12",
        "3456",
        "0000",
        "   x",
        "((",
        "(a",
        "''t",
        "--",
        "\u2014",
        "\n\n\n",
        "tax",
        " é",
        "漢字",
        "🙂",
        "§ 1.",
    ]
)


@functools.cache
def cut_by_llama_3(folder: Path) -> Tokenizer:
    """What keras-hub means to do: the same merges, with words cut by its pattern."""
    encoder = cast(BytePairEncoder, load_encoder(folder)).tokenizer
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    encoder.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return encoder


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(), st.lists(pieces).map("".join)).filter(lambda text: END_OF_TEXT not in text))
@example(text="0000")
@example(text="    x ((a ''t .\n\n\n  --")
@example(text="  don't pay $12345.67\r\n\r\n\tby 2024 \u00a0 now")
@example(text="six\u096c६ seven")
def test_same_ids_as_keras_hub(folder: Path, keras_tokenizer: object, text: str) -> None:
    encoder = load_encoder(folder)
    ids = encoder.encode([text])[0]
    assert ids == list(keras_tokenizer(text))  # type: ignore[operator]
    assert ids == cut_by_llama_3(folder).encode(text, add_special_tokens=False).ids
    assert encoder.decode(ids) == text


SPECIAL = {token for kind in OTHERS for token in KINDS[kind].special_tokens}


@settings(max_examples=150, deadline=None)
@given(
    text=st.one_of(st.text(), st.lists(pieces).map("".join)).filter(lambda text: not any(t in text for t in SPECIAL))
)
@example(text="")
@example(text="    x ((a ''t .\n\n\n  --")
@example(text="  don't pay $12345.67\r\n\r\n\tby 2024 \u00a0 now")
@example(text="🙂 \u05e9\u05dc\u05d5\u05dd \x00\x01\r\n\n")
def test_other_kinds_have_the_ids_of_keras_hub(other: tuple[Encoder, Any], text: str) -> None:
    encoder, keras_tokenizer = other
    ids = encoder.encode([text])[0]
    assert ids == list(map(int, keras_tokenizer(text)))
    assert encoder.decode(ids) == text


LONG = ("the tax return of a dependent 漢字\n" * 40_000)[:1_000_000]


def test_a_long_string_has_the_ids_of_keras_hub(folder: Path, keras_tokenizer: Any) -> None:
    assert load_encoder(folder).encode([LONG])[0] == list(keras_tokenizer(LONG))


def test_a_long_string_has_the_ids_of_keras_hub_in_other_kinds(other: tuple[Encoder, Any]) -> None:
    encoder, keras_tokenizer = other
    assert encoder.encode([LONG])[0] == list(map(int, keras_tokenizer(LONG)))


def test_same_texts_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        train_tokenizer(tiny_version(), kind="bpe", vocab_size=330, storage=tmp_path / name)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()} for name in ("a", "b")
    )
    assert first == second


def test_other_splits_have_no_influence(tmp_path: Path) -> None:
    other = TinyVersion({"train": letters(60), "validation": ["zebra " * 50], "test": []})
    first = train_tokenizer(tiny_version(), kind="bpe", vocab_size=330, storage=tmp_path)
    second = train_tokenizer(other, kind="bpe", vocab_size=330, storage=tmp_path)
    assert first.folder != second.folder
    assert first.digest == second.digest


def test_a_second_call_reads_nothing(tmp_path: Path) -> None:
    version = tiny_version()
    first = train_tokenizer(version, kind="bpe", vocab_size=300, storage=tmp_path)
    reads = version.reads
    assert train_tokenizer(version, kind="bpe", vocab_size=300, storage=tmp_path) == first
    assert version.reads == reads


def test_little_text_gives_a_small_vocabulary(tmp_path: Path) -> None:
    files = train_tokenizer(TinyVersion({"train": ["abab"]}), kind="bpe", vocab_size=5000, storage=tmp_path)
    assert 257 <= files.vocab_size < 265
    assert json.loads((files.folder / "meta.json").read_text())["vocab_size"] == files.vocab_size
    assert files.label.to_list() == ["tax"]


@pytest.mark.parametrize(
    ("kind", "vocab_size", "texts", "message"),
    [
        ("wordpiece", 300, ["a"], "wordpiece"),
        ("bpe", 256, ["a"], "cannot hold all bytes"),
        ("bpe", 300, [], "no records"),
    ],
)
def test_what_cannot_be_trained(tmp_path: Path, kind: str, vocab_size: int, texts: list[str], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        train_tokenizer(TinyVersion({"train": texts}), kind=kind, vocab_size=vocab_size, storage=tmp_path)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("name", ["vocabulary.json", "merges.txt", "meta.json"])
def test_a_changed_file_is_noticed(tmp_path: Path, name: str) -> None:
    files = train_tokenizer(tiny_version(), kind="bpe", vocab_size=300, storage=tmp_path)
    path = files.folder / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="damaged"):
        open_tokenizer(files.folder)
