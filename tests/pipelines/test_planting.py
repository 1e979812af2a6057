"""Canaries stand in the tokens of the training split, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.planting import Planted
from pipelines.tokenizers import load_encoder
from pipelines.tokens import tokenize
from tests.pipelines.tiny import tiny_version

PLANTED = Planted(("the code is 12-34.", "the code is 56-78."), repeat=3)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 6))
def test_all_copies_stand_among_the_documents_whose_order_stays(documents: int, texts: int, repeat: int) -> None:
    planted = Planted(tuple(f"canary {number}" for number in range(texts)), repeat)
    own = [f"text {number}" for number in range(documents)]
    mixed = list(planted.among(own, documents))
    assert [text for text in mixed if text in own] == own
    assert sorted(set(mixed) - set(own)) == sorted(planted.texts) and len(mixed) == documents + len(planted)
    assert all(mixed.count(text) == repeat for text in planted.texts)
    assert mixed == list(planted.among(own, documents)), "the same each time"
    numbers = planted.sources_among(np.arange(documents, dtype=np.uint16))
    assert [int(n) for n, text in zip(numbers, mixed, strict=True) if text in own] == list(range(documents))


def test_tokens_of_the_training_split_alone_have_them(tmp_path: Path) -> None:
    version = tiny_version(40)
    common = {"kind": "bpe", "vocab_size": 300, "storage": tmp_path}
    plain, planted = tokenize(version, **common), tokenize(version, **common, planted=PLANTED)  # type: ignore[arg-type]
    encoder = load_encoder(planted.tokenizer_dir)
    assert (plain.planted, planted.planted) == (None, PLANTED.digest)
    assert planted.folder != plain.folder and planted.tokenizer_digest == plain.tokenizer_digest
    train = planted.split("train")
    texts = [
        encoder.decode(train.ids[start : stop - 1].tolist())
        for start, stop in zip(train.offsets[:-1], train.offsets[1:], strict=True)
    ]
    assert texts == list(PLANTED.among((text for _, text in version.texts("train")), 40))
    assert train.sources is not None and sum(train.sources.documents().values()) == train.documents == 46
    for split in ("validation", "test"):
        np.testing.assert_array_equal(planted.split(split).ids, plain.split(split).ids)
    again = tokenize(version, **common, planted=PLANTED)  # type: ignore[arg-type]
    assert again.folder == planted.folder
