"""Extraction, of models whose memory is known: one that knows its training texts by heart, one that knows phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from governance import ConfigError, DataError
from pipelines.tokenizers import TokenizerFiles, load_encoder, train_tokenizer
from tests.pipelines.tiny import TinyVersion, letters
from tests.zoo.toy import TOY
from zoo import families
from zoo.audit.extraction import measure
from zoo.generate import TextModel
from zoo.load import LoadedModel

FORM = "the tax return of a dependent spouse is due in April unless section 1234 says so"
DATA = TinyVersion(
    {"train": [*letters(30), FORM, "short"], "validation": [*letters(10, 1000), FORM + "!"], "test": letters(4, 2000)}
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFiles:
    return train_tokenizer(DATA, kind="bpe", vocab_size=300, storage=tmp_path_factory.mktemp("storage"))


class Parrot(TextModel):
    """Goes on with what stands in the texts that it knows, where a row of ids stands there."""

    known: list[list[int]]

    def continued(self, rows: Sequence[list[int]], length: int) -> list[list[int]]:
        return [self._after(row, length) for row in rows]

    def _after(self, row: list[int], length: int) -> list[int]:
        for ids in self.known:
            for start in range(len(ids) - len(row) + 1):
                if ids[start : start + len(row)] == row:
                    return ids[start + len(row) :][:length]
        return []


def parrot(files: TokenizerFiles, known: Sequence[str]) -> LoadedModel:
    family, encoder = families.get("gpt"), load_encoder(files.folder)
    model = Parrot(family.build(replace(TOY, context=64), files.vocab_size, seed=1), encoder, context=64)
    model.known = encoder.encode(list(known))
    return LoadedModel(None, files.folder, family, model)


def shares(model: LoadedModel, **changes: Any) -> tuple[float, float, int]:
    data: Any = DATA
    found = measure(model, data, **{"window": 64, "samples": 20, "prefix": 6, "length": 6} | changes)
    return found.train.value, found.validation.value, found.train.samples


def test_the_same_pieces_are_asked_each_time(files: TokenizerFiles) -> None:
    model = parrot(files, DATA.splits["train"][:15])
    assert shares(model) == shares(model) and 0 < shares(model)[0] < 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"prefix": 40, "length": 40}, ConfigError, "learned from windows of 64 tokens; 40 and 40 do not fit into one"),
        ({"samples": 0}, ConfigError, "at least 1"),
        ({"window": 999, "prefix": 200}, DataError, "no record of the train split has 206 tokens"),
    ],
)
def test_mistakes(files: TokenizerFiles, changes: dict[str, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        shares(parrot(files, []), **changes)


def test_rows_are_continued_as_prompts_are(files: TokenizerFiles, tmp_path: Path) -> None:
    family, encoder = families.get("gpt"), load_encoder(files.folder)
    model = TextModel(family.build(replace(TOY, context=64), files.vocab_size, seed=1), encoder, context=64)
    [ids] = encoder.encode(["the tax return"])
    [written] = model.continued([[model.frame.prompt_id, *ids]], 8)
    assert encoder.decode(written) == LoadedModel(None, tmp_path, family, model).generate(
        "the tax return", max_tokens=8
    )
    with pytest.raises(ConfigError, match="exceed the model's context of 64"):
        model.continued([ids], 64)
