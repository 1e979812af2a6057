"""SavedModels: TensorFlow alone opens them and gives the same numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.zoo.exchange.folders import Golden
from zoo import families
from zoo.exchange.hugging_face import read_model
from zoo.exchange.saved_model import INPUTS, write_saved_model

#: Our names of inputs and Hugging Face's.
THEIRS = {
    "token_ids": "input_ids",
    "padding_mask": "attention_mask",
    "encoder_token_ids": "input_ids",
    "encoder_padding_mask": "attention_mask",
    "decoder_token_ids": "decoder_input_ids",
    "decoder_padding_mask": "decoder_attention_mask",
}

CASES = {"gpt2": "decoder", "bert": "encoder", "t5_gated": "seq2seq"}

SCRIPT = """
import json, sys
import tensorflow as tf
found = {}
for folder, inputs in json.loads(sys.argv[1]).items():
    serve = tf.saved_model.load(folder).signatures["serving_default"]
    outputs = serve(**{name: tf.constant(value, tf.int32) for name, value in inputs.items()})
    found[folder] = {name: value.numpy().tolist() for name, value in outputs.items()}
print(json.dumps([found, sorted({"keras_hub", "zoo", "pipelines"} & set(sys.modules))]))
"""


@pytest.mark.slow
def test_a_process_with_tensorflow_alone_gives_the_same(tmp_path: Path) -> None:
    tasks, inputs = {}, {}
    for name, shape in CASES.items():
        golden = Golden.open(name)
        tasks[name] = read_model(golden.write(tmp_path / f"{name}-in")).task
        folder = tmp_path / name
        write_saved_model(tasks[name], folder, family=replace(families.get("gpt"), shape=shape))
        inputs[str(folder)] = {ours: golden.inputs[THEIRS[ours]].tolist() for ours in INPUTS[shape]}
    result = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(inputs)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    found, ours = json.loads(result.stdout.splitlines()[-1])
    assert ours == []
    for name, mask in (("gpt2", "attention_mask"), ("t5_gated", "decoder_attention_mask")):
        golden = Golden.open(name)
        real = golden.inputs[mask].astype(bool)
        logits = np.array(found[str(tmp_path / name)]["logits"])
        np.testing.assert_allclose(logits[real], golden.outputs["logits"][real], atol=1e-5)
    expected = mean_states(tasks["bert"], Golden.open("bert"))
    np.testing.assert_allclose(found[str(tmp_path / "bert")]["embeddings"], expected, atol=1e-5)


def mean_states(task: Any, golden: Golden) -> np.ndarray:
    mask = golden.inputs["attention_mask"]
    inputs = {"token_ids": golden.inputs["input_ids"], "padding_mask": mask, "segment_ids": np.zeros_like(mask)}
    states = np.asarray(task.backbone(inputs)["sequence_output"])
    mean = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)
