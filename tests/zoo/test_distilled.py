"""The loss of a distillation, against a second computation in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from governance.errors import ConfigError
from pipelines.stream import Windows
from tests.zoo.toy import OBJECTIVES, TOYS
from zoo import families
from zoo.objectives import DistilledLM

BERT, DISTILBERT = families.get("bert"), families.get("distilbert")


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_the_loss_is_what_the_paper_says() -> None:
    """From the same states: temperature, factors, positions and means computed a second time, in float64."""
    from keras import ops

    objective = OBJECTIVES["distilbert"]
    assert isinstance(objective, DistilledLM)
    teacher = BERT.build(TOYS["bert"], 40, seed=1)
    student = DISTILBERT.build(TOYS["distilbert"], 40, seed=2, dropout=0.0)
    for weight in (*teacher.trainable_weights, *student.trainable_weights):
        if "kernel" in weight.path or "embeddings" in weight.path:
            weight.assign(8 * np.asarray(weight))
    ids = np.random.default_rng(0).integers(0, 37, (3, 31)).astype(np.int32)
    batch = dict(objective.examples(Windows(ids, np.zeros(3, int), np.arange(3), seed=4)))
    tensors = {name: ops.convert_to_tensor(array) for name, array in batch.items()}
    taught = replace(objective, teacher=(teacher, BERT))
    found = np.asarray(taught.nats(student, DISTILBERT, tensors, training=True))

    ones = np.ones_like(batch["inputs"])
    inputs = {"token_ids": batch["inputs"], "padding_mask": ones}
    s_states = np.asarray(student.backbone(inputs), np.float64)
    t_states = np.asarray(teacher.backbone({**inputs, "segment_ids": 0 * ones})["sequence_output"], np.float64)
    s_logits = np.asarray(student({**inputs, "mask_positions": batch["positions"]}), np.float64)
    t_logits = np.asarray(
        teacher({**inputs, "segment_ids": 0 * ones, "mask_positions": batch["positions"]}), np.float64
    )
    p, q = softmax(t_logits / 2), softmax(s_logits / 2)
    soft = 4 * (p * (np.log(p) - np.log(q))).sum(axis=-1)
    hard = -np.log(np.take_along_axis(softmax(s_logits), batch["targets"][..., None], axis=-1))[..., 0]
    norms = np.linalg.norm(s_states, axis=-1) * np.linalg.norm(t_states, axis=-1)
    cosine = 1 - (s_states * t_states).sum(axis=-1) / norms
    expected = (5 * soft + 2 * hard + cosine.mean()) / 8
    assert min(soft.mean(), cosine.mean()) > 0.05
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    evaluated = np.asarray(taught.nats(student, DISTILBERT, tensors, training=False))
    np.testing.assert_allclose(evaluated, hard, rtol=2e-3, err_msg="evaluation is that of any masked model")


def test_there_is_no_training_without_a_teacher() -> None:
    with pytest.raises(ConfigError, match="distilbert cannot be trained without a teacher"):
        OBJECTIVES["distilbert"].nats(None, DISTILBERT, {}, training=True)
