"""Spans of entities: what is found, and how it lies in the tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pipelines.tokens
from governance.errors import DataError
from pipelines.spans import EntityFinder
from pipelines.tokenizers import load_encoder
from pipelines.tokens import Tokens, TokenSplit, tokenize
from tests.pipelines.tiny import TinyVersion, letters

TEXT = "Dear Sir, the firm Harper and Boyle Ltd. paid 5,000 dollars on 3 March 2021 to the Treasury."


@pytest.fixture(scope="module")
def finder() -> EntityFinder:
    return EntityFinder.create()


def test_dates_and_amounts_are_found_whatever_else_is_in_the_batch(finder: EntityFinder) -> None:
    alone = finder.find([TEXT])[0]
    found = {TEXT[start:end] for start, end in alone}
    assert {"3 March 2021", "5,000 dollars"} <= found
    assert finder.find([*letters(3), "", TEXT, "x"])[4] == alone
    long = "\n\n".join([*letters(120), TEXT])  # of several pieces
    assert len(long) > 8000
    assert "3 March 2021" in {long[start:end] for start, end in finder.find([long])[0]}


def version() -> TinyVersion:
    train = [f"{TEXT} {text}" for text in letters(30)]
    return TinyVersion({"train": train, "validation": [TEXT, "", TEXT], "test": []})


def tokenized(storage: Path, texts: TinyVersion | None = None, *, entity_spans: bool = True) -> Tokens:
    return tokenize(texts or version(), kind="bert", vocab_size=250, storage=storage, entity_spans=entity_spans)


def test_spans_of_tokens_spell_the_entities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.tokens, "_BATCH_DOCUMENTS", 7)  # several batches
    tokens = tokenized(tmp_path)
    encoder = load_encoder(tokens.tokenizer_dir)
    train, validation, test = map(tokens.split, ("train", "validation", "test"))
    assert train.spans is not None and validation.spans is not None and test.spans is not None
    spelled = [encoder.decode(train.ids[start:end].tolist()) for start, end in train.spans]
    assert spelled.count("3 march 2021") == 30 <= spelled.count("5,000 dollars")
    assert (train.spans[1:, 0] >= train.spans[:-1, 1]).all()
    first = [(start, end) for start, end in validation.spans.tolist() if end < validation.offsets[1]]
    third = [(start, end) for start, end in validation.spans.tolist() if start >= validation.offsets[2]]
    moved = int(validation.offsets[2])
    assert third == [(start + moved, end + moved) for start, end in first] and first
    assert len(test.spans) == 0


def test_they_are_made_only_when_asked_for_and_change_no_id(tmp_path: Path) -> None:
    plain, with_spans = tokenized(tmp_path, entity_spans=False), tokenized(tmp_path)
    assert plain.split("train").spans is None and plain.spans_fingerprint is None
    assert plain.folder != with_spans.folder and plain.tokenizer == with_spans.tokenizer
    assert with_spans.spans_fingerprint is not None
    np.testing.assert_array_equal(plain.split("train").ids, with_spans.split("train").ids)
    again = version()
    assert tokenized(tmp_path, again) == with_spans and again.reads == 0


def test_a_short_file_is_noticed(tmp_path: Path) -> None:
    path = tokenized(tmp_path).folder / "train.spans"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match="damaged"):
        tokenized(tmp_path).split("train")


def test_tokens_go_on_with_the_span_of_the_one_before() -> None:
    spans = np.array([[1, 4], [4, 6], [8, 9], [10, 13]])
    split = TokenSplit("train", np.zeros(14, np.uint16), np.array([0, 14]), 1, 0, spans=spans)
    whole = [False] * 14
    for place in (2, 3, 5, 11, 12):
        whole[place] = True
    for start in range(14):
        for stop in range(start, 17):
            assert split.joined(start, stop).tolist() == (whole + [False] * 3)[start:stop]
