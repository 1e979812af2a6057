"""A registered model without a network inside: what the registry does with one does not depend on it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from governance.labels import Label
from registry import (
    GateResult,
    ModelVersion,
    RunLog,
    Tracking,
    get_version,
    open_run,
    promote_if_blessed,
    register,
)

SCRIPT = """
import mlflow.models
from mlflow.pyfunc import PythonModel


class Echo(PythonModel):
    def load_context(self, context):
        with open(context.artifacts["preset"] + "/config.json") as file:
            self.prefix = file.read().strip()

    def predict(self, context, model_input, params=None):
        return [self.prefix + " " + text for text in model_input.iloc[:, 0]]


mlflow.models.set_model(Echo())
"""

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


def register_once(uri: str, folder: Path, ready: Any) -> None:
    """The body of a child: opens the store, says so, and registers."""
    tracking = Tracking(uri)
    tracking.client.search_experiments()
    ready.set()
    with start_run(tracking) as run:
        run.log_metrics(1, {"loss": 1.0})
        register_fake(run, folder)


def register_killed_at(uri: str, folder: Path, step: str, when: str) -> None:
    """The body of a child that dies before or after its first call of one of MLflow's methods."""
    from mlflow import MlflowClient
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    owner: Any = MlflowClient if hasattr(MlflowClient, step) else SqlAlchemyStore
    inner = getattr(owner, step)

    def fatal(client: Any, *args: Any, **kwargs: Any) -> None:
        if when == "after":
            inner(client, *args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    run = start_run(Tracking(uri))
    setattr(owner, step, fatal)
    register_fake(run, folder, metrics=METRICS | {"latency_ms_p50": 40.0})


def open_store(uri: str) -> None:
    """The body of a child that opens a store, and prepares its database when it is new."""
    Tracking(uri).client.search_experiments()


def log_until_killed(uri: str, ready: Any) -> None:
    """The body of a child that logs a step each millisecond, written at once."""
    run = start_run(Tracking(uri), flush_steps=1)
    ready.set()
    for step in range(100_000):
        run.log_metrics(step, {"loss": 1 / (step + 1), "rate": 0.1})


def open_run_once(uri: str, found: Any) -> None:
    """The body of a child that opens the run of a fingerprint and reports its id."""
    found.put(start_run(Tracking(uri)).run_id)


def promote_killed_at(uri: str, results: list[GateResult], call: int, when: str) -> None:
    """The body of a child that dies before or after its nth write while it promotes version 1."""
    from mlflow import MlflowClient

    count = 0

    def counted(inner: Any) -> Any:
        def write(client: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == call and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = inner(client, *args, **kwargs)
            if count == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return write

    tracking = Tracking(uri)
    version = get_version(tracking, "tax_domain.gpt", 1)
    for name in ("set_model_version_tag", "set_registered_model_alias"):
        setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))
    promote_if_blessed(tracking, version, results)
