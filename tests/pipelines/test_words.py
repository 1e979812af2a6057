"""What words stand for and where they begin, against the text itself."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.tokenizers import KINDS, Encoder, WordTable, load_encoder, train_tokenizer
from tests.pipelines.tiny import tiny_version


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    storage = tmp_path_factory.mktemp("storage")
    return load_encoder(train_tokenizer(tiny_version(), kind="roberta", vocab_size=400, storage=storage).folder)


@pytest.fixture(scope="module")
def table(encoder: Encoder) -> WordTable:
    return encoder.lexicon.words


@settings(max_examples=50, deadline=None)
@given(text=st.text())
def test_bytes_add_up_to_those_of_the_text(encoder: Encoder, table: WordTable, text: str) -> None:
    assert table.bytes[encoder.encode([text])[0]].sum() == len(text.encode())


pieces = st.sampled_from(["the", "tax", " ", "  ", "\n", "7", "2024", ",", "...", "Form", "-", "return", "é", "$"])


@settings(max_examples=100, deadline=None)
@given(text=st.lists(pieces).map("".join))
def test_words_begin_where_a_reader_sees_them_begin(encoder: Encoder, table: WordTable, text: str) -> None:
    """Runs of letters or digits are one word each, with or without the space before; signs never join one."""
    ids = np.array(encoder.encode([text])[0], np.int64)
    if len(ids) == 0:
        return
    offsets = np.cumsum([0, *table.bytes[ids[:-1]]])
    found = set(offsets[table.word_starts(ids)].tolist())
    for run in re.finditer(r"[a-zA-Zé]+|[0-9]+", text):
        start, end = (len(text[:position].encode()) for position in run.span())
        with_space = start - 1 if text[run.start() - 1 : run.start()] == " " else start
        assert found & {start, with_space}
        assert not found & set(range(start + 1, end))
    for sign in re.finditer(r"(?<=[a-zA-Zé0-9])[^\w\s]", text):
        assert len(text[: sign.start()].encode()) in found


def test_special_tokens_have_no_bytes(encoder: Encoder, table: WordTable) -> None:
    vocabulary = encoder.lexicon.ids
    special = np.array([vocabulary[token] for token in KINDS["roberta"].special_tokens])
    assert (table.bytes[special] == 0).all() and table.is_special(special).all()
    ordinary = np.setdiff1d(np.arange(len(vocabulary)), special)
    assert (table.bytes[ordinary] > 0).all() and not table.is_special(ordinary).any()


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    for kind in (kind for kind in KINDS.values() if not kind.published):
        files = train_tokenizer(tiny_version(), kind=kind.name, vocab_size=420, storage=tmp_path)
        vocabulary = load_encoder(files.folder).lexicon.ids
        assert files.frame.end_id == vocabulary[kind.end]
        assert files.frame.start_id == (None if kind.start is None else vocabulary[kind.start])
        assert [vocabulary[token] for token in kind.special_tokens] == list(range(len(kind.special_tokens)))
