"""A registered model without a network inside: what the registry does with one does not depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from governance.labels import Label
from registry import ModelVersion, RunLog, Tracking, open_run, register

SCRIPT = '''
import mlflow.models
from mlflow.pyfunc import PythonModel


class Echo(PythonModel):
    def load_context(self, context):
        with open(context.artifacts["preset"] + "/config.json") as file:
            self.prefix = file.read().strip()

    def predict(self, context, model_input, params=None):
        return [self.prefix + " " + text for text in model_input.iloc[:, 0]]


mlflow.models.set_model(Echo())
'''

METRICS = {
    "val_bits_per_byte": 1.36,
    "val_loss": 2.8,
    "parameters": 5.3e6,
    "flops_per_token": 1.1e7,
    "latency_ms_p50": 41.0,
}


def fake_model(folder: Path) -> tuple[Path, Path]:
    """A preset folder and a serving script."""
    preset = folder / "trained"
    (preset / "assets").mkdir(parents=True, exist_ok=True)
    (preset / "config.json").write_text("echo:")
    (preset / "assets" / "vocabulary.json").write_text('{"a": 1}')
    (preset / "model.weights.h5").write_bytes(bytes(range(256)) * 64)
    script = folder / "served.py"
    script.write_text(SCRIPT)
    return preset, script


def start_run(tracking: Tracking, fingerprint: str = "f1", **changes: Any) -> RunLog:
    facts: dict[str, Any] = {
        "experiment": "tax",
        "pipeline": "tax_domain",
        "domain": "tax",
        "family": "gpt",
        "size": "nano",
        "label": Label.of("tax"),
        "dataset_digest": "d" * 64,
        "policy_digest": "p" * 64,
        "code_version": "0.1.0",
    }
    return open_run(tracking, fingerprint=fingerprint, **(facts | changes))


def register_fake(
    run: RunLog, folder: Path, *, model_name: str = "tax_domain.gpt", metrics: Mapping[str, float] = METRICS
) -> ModelVersion:
    preset, script = fake_model(folder)
    return register(
        run,
        model_name=model_name,
        folder=preset,
        python_model=script,
        input_example="What is a dependent?",
        pip_requirements=["mlflow>=3.17"],
        metrics=metrics,
        params={"layers": 4},
        inference_params={"max_tokens": 64},
        card="# tax_domain.gpt\n\nA card.",
    )
