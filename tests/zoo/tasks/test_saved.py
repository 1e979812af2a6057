"""Models with heads: saved, opened, asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from governance import ConfigError, DataError
from pipelines.bucketed import Rows
from tests.zoo.tasks.examples import ToyTraining
from zoo.tasks.frames import framed
from zoo.tasks.model import HeadModel
from zoo.tasks.saved import read_head, write_head


def saved(folder: Path, name: str, family: str) -> tuple[ToyTraining, Any, HeadModel]:
    training = ToyTraining.of(name, family)
    model = training.model()
    folder.mkdir()
    write_head(model, training.family, training.data.tokenizer.folder, training.setting.context, folder)
    pooling = "mean" if training.family.shape == "encoder" else "last"
    task = {"name": name, "classes": training.data.classes, "temperature": 0.5, "pooling": pooling}
    about = json.loads(json.dumps({"context": training.setting.context, "task": task}))
    return training, model, read_head(folder, about, training.family, training.setting.encoder)


@pytest.mark.parametrize("family", ["roberta", "llama", "lstm"])
def test_a_classifier_comes_back(tmp_path: Path, family: str) -> None:
    training, model, opened = saved(tmp_path / "m", "classify", family)
    texts = ["the car is red", "the form number 7 is white"]
    batch = [np.array(ids, np.int32) for ids in opened.encoder.encode(texts)]
    rows = [framed(ids, training.setting) for ids in batch]
    expected = [np.asarray(model({"inputs": row[None], "padding_mask": np.ones_like(row)[None]}))[0] for row in rows]
    np.testing.assert_allclose(opened.outputs(rows), expected, atol=1e-5)
    scored = opened.classify(texts, top_k=4)
    assert [sum(one.probability for one in row) for row in scored] == pytest.approx([1, 1])
    assert scored[0][0].label == training.data.classes[int(expected[0].argmax())]
    odds = np.log(scored[0][0].probability / scored[0][1].probability)
    assert odds == pytest.approx(np.diff(np.sort(expected[0])[::-1][:2] * -1)[0] / 0.5, rel=1e-3)
    # neither what else is asked nor the padding matters
    many = opened.classify([*texts, "x " * 20, "the"], top_k=4)
    assert [one.label for one in many[1]] == [one.label for one in scored[1]]


def test_a_reward_model_reads_what_training_read(tmp_path: Path) -> None:
    training, model, opened = saved(tmp_path / "m", "reward", "gpt")
    split = training.split()
    rows = [0, 1, 2]
    prompts, chosen = (
        [training.setting.encoder.decode(split.parts[name][row].tolist()) for row in rows]
        for name in ("prompt", "chosen")
    )
    batch = training.objective.batch(split, Rows(np.array(rows), np.ones(3, np.float32), 48, 0, 0))
    expected = np.asarray(model({name: batch[name] for name in ("inputs", "padding_mask")}))[:3, 0]
    np.testing.assert_allclose(opened.reward(prompts, chosen), expected, atol=1e-5)


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    _, _, classifier = saved(tmp_path / "c", "classify", "roberta")
    _, _, reward = saved(tmp_path / "r", "reward", "gpt")
    with pytest.raises(ConfigError, match="tuned to classify"):
        classifier.reward(["a"], ["b"])
    with pytest.raises(ConfigError, match="tuned to reward"):
        reward.classify(["a"])
    with pytest.raises(ConfigError, match="1 prompts and 2 answers"):
        reward.reward(["a"], ["b", "c"])
    with pytest.raises(DataError, match="exceeds the model's context"):
        classifier.classify(["tax " * 60])
    assert classifier.classify(["tax " * 60], truncate=True) and classifier.classify([]) == []
