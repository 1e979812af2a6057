"""SavedModels: TensorFlow alone opens them and gives the same numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

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

SCRIPT = """
import json, sys
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
inputs = {name: tf.constant(value, tf.int32) for name, value in json.loads(sys.argv[2]).items()}
found = {name: value.numpy().tolist() for name, value in serve(**inputs).items()}
print(json.dumps([found, sorted({"keras_hub", "zoo", "pipelines"} & set(sys.modules))]))
"""


@pytest.mark.parametrize(("golden", "shape"), [("gpt2", "decoder"), ("bert", "encoder"), ("t5_gated", "seq2seq")])
def test_a_process_with_tensorflow_alone_gives_the_same(golden: str, shape: str, tmp_path: Path) -> None:
    case = Golden.open(golden)
    task = read_model(case.write(tmp_path / "in")).task
    family = replace(families.get("gpt"), shape=shape)
    write_saved_model(task, tmp_path / "out", family=family)
    inputs = {name: case.inputs[THEIRS[name]].tolist() for name in INPUTS[shape]}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out"), json.dumps(inputs)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    found, ours = json.loads(result.stdout.splitlines()[-1])
    assert ours == []
    if shape == "encoder":
        mask = case.inputs["attention_mask"]
        inputs = {"token_ids": case.inputs["input_ids"], "padding_mask": mask, "segment_ids": np.zeros_like(mask)}
        states = np.asarray(task.backbone(inputs)["sequence_output"])
        mean = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        np.testing.assert_allclose(found["embeddings"], expected, atol=1e-5)
        return
    real = case.inputs[THEIRS["decoder_padding_mask" if shape == "seq2seq" else "padding_mask"]].astype(bool)
    np.testing.assert_allclose(np.array(found["logits"])[real], case.outputs["logits"][real], atol=1e-4)
