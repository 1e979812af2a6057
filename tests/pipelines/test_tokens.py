"""Token files: what they hold, that they are made once and whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pipelines.tokens
from governance.errors import DataError
from pipelines.arrays import id_dtype
from pipelines.tokenizers import END_OF_TEXT, load_encoder
from pipelines.tokens import Tokens, tokenize
from tests.pipelines.tiny import TinyVersion, letters, tiny_version


def tokenized(storage: Path, version: TinyVersion | None = None) -> Tokens:
    return tokenize(version or tiny_version(), kind="bpe", vocab_size=300, storage=storage)


def test_the_ids_spell_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.tokens, "_BATCH_DOCUMENTS", 7)  # several batches, the last one short
    version = tiny_version()
    tokens = tokenized(tmp_path, version)
    encoder = load_encoder(tokens.tokenizer_dir)
    for name, texts in version.splits.items():
        split = tokens.split(name)
        assert split.ids.dtype == np.uint16
        assert split.bytes == sum(len(text.encode()) for text in texts)
        assert split.documents == len(texts)
        for index, text in enumerate(texts):
            document = split.ids[split.offsets[index] : split.offsets[index + 1]].tolist()
            assert document[-1] == tokens.eos_id
            assert encoder.decode(document[:-1]) == text
        assert split.offsets[-1] == len(split)


def test_text_never_becomes_the_special_token(tmp_path: Path) -> None:
    evil = [f"before {END_OF_TEXT} after", END_OF_TEXT * 3]
    version = TinyVersion({"train": letters(20) + evil * 20, "validation": evil, "test": []})
    split = tokenized(tmp_path, version).split("validation")
    assert (split.ids == 0).sum() == len(evil)


def test_wide_ids_for_large_vocabularies() -> None:
    assert id_dtype(65_536) == np.uint16
    assert id_dtype(65_537) == np.uint32


def test_a_second_call_does_no_work(tmp_path: Path) -> None:
    version = tiny_version()
    first = tokenized(tmp_path, version)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    reads = version.reads
    assert tokenized(tmp_path, version) == first
    assert version.reads == reads
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_interrupted_call_leaves_nothing_to_be_mistaken(tmp_path: Path) -> None:
    class Breaks(TinyVersion):
        def texts(self, split: str) -> Iterator[tuple[str, str]]:
            yield from super().texts(split)
            if split == "validation":
                raise KeyboardInterrupt

    broken = Breaks(tiny_version().splits)
    with pytest.raises(KeyboardInterrupt):
        tokenized(tmp_path, broken)
    assert list((tmp_path / "tokens").iterdir()) == []
    assert len(tokenized(tmp_path).split("train")) > 0


def test_empty_split(tmp_path: Path) -> None:
    split = tokenized(tmp_path, TinyVersion({"train": letters(9), "validation": [], "test": []})).split("test")
    assert (len(split), split.documents, split.bytes) == (0, 0, 0)


@pytest.mark.parametrize("name", ["train.ids", "train.offsets", "meta.json"])
def test_a_short_file_is_noticed(tmp_path: Path, name: str) -> None:
    tokens = tokenized(tmp_path)
    path = tokens.folder / name
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match="damaged"):
        tokenized(tmp_path).split("train")


def test_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train, validation, test"):
        tokenized(tmp_path).split("dev")


def test_progress_counts_documents(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    tokenize(
        tiny_version(),
        kind="bpe",
        vocab_size=300,
        storage=tmp_path,
        progress=lambda split, documents: seen.append((split, documents)),
    )
    assert seen == [("train", 60), ("validation", 8), ("test", 4)]
