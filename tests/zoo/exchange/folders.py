"""Folders of Hugging Face's layout from the golden arrays, and the inputs of a task by their names there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.npz"))


@dataclass(frozen=True)
class Golden:
    config: dict[str, Any]
    tensors: dict[str, np.ndarray]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @classmethod
    def open(cls, name: str) -> Golden:
        with np.load(GOLDEN / f"{name}.npz") as file:
            about = json.loads(file["about"].tobytes())
            flat = file["weights"].astype(np.float32)
            tensors, start = {}, 0
            for tensor, shape in about["tensors"].items():
                size = int(np.prod(shape))
                tensors[tensor] = flat[start : start + size].reshape(shape)
                start += size
            inputs = {key[3:]: file[key].astype(np.int32) for key in file.files if key.startswith("in:")}
            outputs = {key[4:]: file[key] for key in file.files if key.startswith("out:")}
        return cls(about["config"], tensors, inputs, outputs)

    def write(self, folder: Path, **changes: Any) -> Path:
        """A folder as transformers writes it; changes are keys of config.json, None removes one."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {key: value for key, value in {**self.config, **changes}.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(config))
        save_file(self.tensors, folder / "model.safetensors")
        return folder


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def answers(task: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a task gives for inputs in Hugging Face's names, by the names of the golden outputs."""
    if "decoder_input_ids" in inputs:
        batch = {
            "encoder_token_ids": inputs["input_ids"],
            "encoder_padding_mask": inputs["attention_mask"],
            "decoder_token_ids": inputs["decoder_input_ids"],
            "decoder_padding_mask": inputs["decoder_attention_mask"],
        }
        states = task.backbone(batch)
        found = {"encoder": states["encoder_sequence_output"], "decoder": states["decoder_sequence_output"]}
        return {name: np.asarray(value) for name, value in (found | {"logits": task(batch)}).items()}
    batch = {"token_ids": inputs["input_ids"], "padding_mask": inputs["attention_mask"]}
    if "segment_ids" in task.backbone.input:
        batch["segment_ids"] = inputs["token_type_ids"]
    states = task.backbone(batch)
    found = {"states": states}
    if isinstance(states, dict):
        found = {"states": states["sequence_output"], "pooled": states["pooled_output"]}
    rows, length = inputs["input_ids"].shape
    if isinstance(task.input, dict) and "mask_positions" in task.input:
        batch["mask_positions"] = np.tile(np.arange(length, dtype=np.int32), (rows, 1))
    return {name: np.asarray(value) for name, value in (found | {"logits": task(batch)}).items()}


def difference(found: dict[str, np.ndarray], golden: Golden) -> dict[str, float]:
    """The largest difference of each output where there is no padding."""
    differences = {}
    for name, expected in golden.outputs.items():
        real = np.ones(expected.shape[:1], bool)
        if expected.ndim == 3:
            in_decoder = "decoder_attention_mask" in golden.inputs and name != "encoder"
            real = golden.inputs["decoder_attention_mask" if in_decoder else "attention_mask"].astype(bool)
        differences[name] = float(np.abs(found[name][real] - expected[real]).max())
    return differences
