"""Bits per byte: windows of a length that fits into memory, whatever a model could look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.tokenizers import load_encoder, train_tokenizer
from tests.pipelines.tiny import tiny_version
from zoo import families
from zoo.families import Size
from zoo.generate import TextModel
from zoo.measure import bits_per_byte

SIZE = Size("toy", layers=1, width=16, heads=2, context=32, learning_rate=1e-2, batch_size=4)


def test_a_model_of_a_long_context_is_measured_in_windows_of_the_usual_length(tmp_path: Path) -> None:
    family = replace(families.get("llama"), sizes={"toy": SIZE})
    files = train_tokenizer(tiny_version(), kind=family.tokenizer, vocab_size=300, storage=tmp_path)
    task = family.build(SIZE, files.vocab_size, seed=5)
    text = " ".join(["the tax return of a dependent"] * 40)

    def bits(context: int) -> float:
        return bits_per_byte(TextModel(task, load_encoder(files.folder), context=context), family, [text])

    assert bits(1024) == pytest.approx(bits(32), rel=1e-6)
    assert bits(16) != pytest.approx(bits(32), rel=1e-6), "a shorter context is what the model has"


@pytest.mark.parametrize(("width", "window"), [(16, 32), (17, 64), (32, 64), (4096, 64)])
def test_the_usual_window_is_that_of_the_nearest_size(width: int, window: int) -> None:
    sizes = {"toy": SIZE, "larger": replace(SIZE, width=32, context=64)}
    assert replace(families.get("llama"), sizes=sizes).usual_window(width) == window
