"""Tokenizers from elsewhere: the ids that they give there, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from governance.errors import DataError
from governance.labels import Label
from pipelines.tokenizers import KINDS, adopt_tokenizer, bpe, load_encoder, train_tokenizer
from tests.pipelines.tiny import letters, tiny_version
from zoo.exchange.tokenizer_files import find_tokenizer, write_tokenizer

TEXTS = ["In 2019 and 2020, they've paid 1234567 dollars.", "  two\n\n\nlines  ", "", "é 漢字 👍", "isn't IT'S"]
END = {"gpt2": "<|endoftext|>", "llama3": "<|end_of_text|>"}
LLAMA = ["<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]


def published(split: str, special: list[str]) -> Tokenizer:
    """A byte-level BPE as transformers has it, with merges that our own way to cut would not make."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=split == "llama3"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split == "gpt2")
    tokenizer.pre_tokenizer = byte_level
    if split == "llama3":
        cut = pre_tokenizers.Split(Regex(bpe.SPLITS["llama3"]), behavior="isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=special if split == "gpt2" else [],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*letters(40), *["In 2019, they've 1234567, isn't"] * 50], trainer)
    if split == "llama3":  # its special tokens come after the others, beside the vocabulary
        tokenizer.add_special_tokens(special)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(tokenizer.to_str())
    content["model"] |= changes.pop("model", {})
    (folder / "tokenizer.json").write_text(json.dumps(content | changes))
    return folder


@pytest.mark.parametrize(
    ("split", "kind", "special", "expected"),
    [
        ("gpt2", "bpe", ["<|endoftext|>"], "bpe-published"),
        ("gpt2", "roberta", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "roberta-published"),
        ("llama3", "llama3", LLAMA, "llama3-published"),
    ],
)
def test_published_tokenizers_keep_their_ids(
    split: str, kind: str, special: list[str], expected: str, tmp_path: Path
) -> None:
    tokenizer = published(split, special)
    folder = save(tokenizer, tmp_path / "in")
    found = find_tokenizer(folder, kind)
    assert found.kind == expected
    label = Label.of("public")
    files = adopt_tokenizer(found.write, kind=found.kind, label=label, origin="0" * 64, storage=tmp_path)
    encoder = load_encoder(files.folder)
    theirs = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    assert encoder.encode(TEXTS) == theirs
    assert encoder.encode(["1234567"]) != [[encoder.lexicon.ids[digit] for digit in "1234567"]]
    assert [encoder.decode(ids) for ids in theirs] == TEXTS
    assert (files.label, files.vocab_size) == (label, tokenizer.get_vocab_size())
    assert adopt_tokenizer(found.write, kind=found.kind, label=label, origin="1" * 64, storage=tmp_path) == files
    other = adopt_tokenizer(found.write, kind=found.kind, label=Label.of("tax"), origin="0" * 64, storage=tmp_path)
    assert other.digest == files.digest and other.folder != files.folder

    (tmp_path / "out").mkdir()
    write_tokenizer(files.folder, tmp_path / "out", context=64)
    again = find_tokenizer(tmp_path / "out", kind)
    assert again.kind == expected
    assert adopt_tokenizer(again.write, kind=again.kind, label=label, origin="0" * 64, storage=tmp_path) == files


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.published])
def test_each_kind_of_ours_goes_out_and_comes_back(kind: str, tmp_path: Path) -> None:
    files = train_tokenizer(tiny_version(), kind=kind, vocab_size=500, storage=tmp_path)
    encoder = load_encoder(files.folder)
    out = tmp_path / "out"
    out.mkdir()
    write_tokenizer(files.folder, out, context=64)
    (out / "model.safetensors").write_bytes(b"not of the tokenizer")
    theirs = Tokenizer.from_file(str(out / "tokenizer.json"))
    texts = ["the tax return of 1234 spouses, isn't it?", "", "  two\n\n lines — and $5,000.00", "é 漢字 👍"]
    for text, ids in zip(texts, encoder.encode(texts), strict=True):
        assert theirs.encode(text, add_special_tokens=False).ids == ids
    around = theirs.encode("the tax").ids
    assert around[-1] == encoder.frame.end_id or encoder.lexicon.kind.first is None
    found = find_tokenizer(out, kind, own=kind)
    again = adopt_tokenizer(
        found.write, kind=found.kind, label=files.label, origin=files.dataset_digest, storage=tmp_path
    )
    assert (again.kind, again.digest, again.vocab_size) == (kind, files.digest, files.vocab_size)
    assert {path.name for path in again.folder.iterdir()} == {path.name for path in files.folder.iterdir()}


def test_the_files_of_gpt2_without_tokenizer_json(tmp_path: Path) -> None:
    tokenizer = published("gpt2", ["<|endoftext|>"])
    tokenizer.model.save(str(tmp_path))
    found = find_tokenizer(tmp_path, "bpe")
    files = adopt_tokenizer(found.write, kind=found.kind, label=Label.of("public"), origin="0" * 64, storage=tmp_path)
    assert load_encoder(files.folder).encode(TEXTS) == [tokenizer.encode(text).ids for text in TEXTS]


LOWER = {"type": "Lowercase"}
SPACES = {"type": "Whitespace"}
PREFIX = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"type": "WordLevel"}}, "algorithm is WordLevel"),
        ({"model": {"byte_fallback": True}}, "byte_fallback is True"),
        ({"model": {"ignore_merges": True}}, "ignore_merges is True"),
        ({"normalizer": LOWER}, "changes texts first: Lowercase"),
        ({"pre_tokenizer": SPACES}, "pre_tokenizer is none that is known"),
        ({"pre_tokenizer": PREFIX}, "pre_tokenizer is none that is known"),
        ({"pre_tokenizer": None}, "pre_tokenizer is none that is known"),
        ({"model": {"vocab": {"a": 0, "b": 7, "<|endoftext|>": 1}}}, "ids are not 0 to"),
    ],
)
def test_what_would_give_other_ids_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = save(published("gpt2", ["<|endoftext|>"]), tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        find_tokenizer(folder, "bpe")


def test_a_tokenizer_of_another_family_is_refused(tmp_path: Path) -> None:
    folder = save(published("gpt2", ["<|endoftext|>"]), tmp_path)
    with pytest.raises(DataError, match="the tokenizer has no <s>"):
        find_tokenizer(folder, "roberta")
    with pytest.raises(DataError, match="llama3 tokenizer with the pieces of gpt2 is not known"):
        find_tokenizer(folder, "llama3")
    for damaged in ("{", "[]", "{}", '{"model": {"type": "BPE", "vocab": []}}'):
        (folder / "tokenizer.json").write_text(damaged)
        with pytest.raises(DataError, match="damaged|pre_tokenizer"):
            find_tokenizer(folder, "bpe")


def test_files_that_are_no_tokenizer_are_not_adopted(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        (folder / "vocabulary.json").write_text('{"a": 0}')
        (folder / "merges.txt").write_text("")

    with pytest.raises(DataError, match="files of a bpe tokenizer cannot be taken over"):
        adopt_tokenizer(broken, kind="bpe", label=Label.of("public"), origin="0" * 64, storage=tmp_path)
    assert list((tmp_path / "tokenizers").iterdir()) == []
