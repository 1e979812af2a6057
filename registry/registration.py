"""From a trained folder to a registered version, safe against a kill at any moment.

Unusual here: the steps are MLflow's own `log_model` taken apart (create the logged model, upload,
measure, finalise, register), because then each step can be found again after a kill. A logged
model is PENDING until its files and figures are whole; a rerun goes on with the pending one.
Weights go straight to their place: no pickle, no second copy in a temporary folder.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from governance.errors import RegistryError
from governance.labels import Label
from registry.cards import version_description
from registry.runs import RunLog
from registry.tracking import Tracking
from registry.versions import (
    DATASET,
    DOMAIN,
    FAMILY,
    FINGERPRINT,
    LABEL,
    PIPELINE,
    ModelVersion,
    local_path,
    version_of_run,
)

PRESET = "artifacts/preset"


def register(
    run: RunLog,
    *,
    model_name: str,
    folder: Path,
    python_model: Path,
    input_example: str | Sequence[str],
    pip_requirements: Sequence[str],
    metrics: Mapping[str, float],
    params: Mapping[str, object] | None = None,
    inference_params: Mapping[str, str | int | float | bool] | None = None,
    gives: Literal["text", "embedding"] = "text",
    tags: Mapping[str, str] | None = None,
    label: Label | None = None,
    card: str = "",
    step: int | None = None,
) -> ModelVersion:
    """Registers what a run trained: exactly one version, however often it is called or killed.

    Args:
        model_name: the registered model, as in `tax_domain.gpt`.
        folder: a keras-hub preset; it becomes `artifacts/preset` of the logged model.
        python_model: a models-from-code script that ends in `mlflow.models.set_model(...)`; it gets
            the preset as `context.artifacts["preset"]`. Its `predict` has no type hints (MLflow
            would load the model while logging it) and gets a DataFrame with one column of text.
        input_example: one text or some; must not be a private one.
        pip_requirements: what a fresh environment needs; must not be empty.
        metrics: measured quality, cost and latency, as metrics of the logged model.
        inference_params: parameters of `predict` with their defaults.
        gives: what `predict` makes of each text: a text, or a list of numbers.
        label: joined to the run's label.
        card: the model card (markdown); becomes the version's description.
        step: at which step the metrics are shown in the run; None: its last one.

    Raises:
        RegistryError: the folder, the script or the requirements are missing, a metric is no number,
            or the store cannot be used.
    """
    _check(folder, python_model, pip_requirements)
    tracking = run.tracking
    existing = version_of_run(tracking, run.run_id)
    if existing is not None:
        return existing
    label = run.facts.label | label if label is not None else run.facts.label
    model = _logged_model(run, params or {}, label)
    if str(model.status) != "READY":
        step = step if step is not None else run.last_step or 0
        examples = [input_example] if isinstance(input_example, str) else list(input_example)
        signature = _signature(inference_params or {}, gives)
        _upload(run, model, folder, python_model, examples, pip_requirements, signature)
        run.log_model_metrics(model, metrics, step=step)
        _link(run, model.model_id, step)
        model = tracking.client.finalize_logged_model(model.model_id, "READY")
    _ensure_registered_model(run, model_name)
    with tracking.as_default():  # MLflow looks the logged model up in its default store
        tracking.client.create_model_version(
            model_name,
            f"models:/{model.model_id}",
            run.run_id,
            tags=dict(tags or {}) | _version_tags(run, label),
            description=version_description(card) or None,
            model_id=model.model_id,
        )
    registered = version_of_run(tracking, run.run_id)
    assert registered is not None, "it was created above"
    return registered


def _check(folder: Path, python_model: Path, pip_requirements: Sequence[str]) -> None:
    if not folder.is_dir() or not any(folder.iterdir()):
        raise RegistryError("there is no saved model to register", where=str(folder), fix="train again")
    if not python_model.is_file():
        raise RegistryError("the script that serves the model is missing", where=str(python_model))
    if not pip_requirements:
        raise RegistryError("a registered model names its requirements", where="pip_requirements")


def _logged_model(run: RunLog, params: Mapping[str, object], label: Label) -> Any:
    """The run's one logged model: a ready one, else the pending one of a killed try, else a new one."""
    client = run.tracking.client
    found = client.search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'")
    if found:
        best = sorted(found, key=lambda m: (str(m.status) != "READY", m.creation_timestamp, m.model_id))
        first, rest = best[0], best[1:]
        for leftover in rest:
            delete_files(run.tracking, leftover.artifact_location)
            client.delete_logged_model(leftover.model_id)
        return first
    facts = run.facts
    return client.create_logged_model(
        run.experiment_id,
        name=re.sub(r"[^A-Za-z0-9_-]", "-", f"{facts.pipeline}-{facts.family}-{facts.size}"),
        source_run_id=run.run_id,
        tags={LABEL: str(label), FINGERPRINT: facts.fingerprint},
        params={key: str(value) for key, value in params.items()},
        model_type=facts.family,
    )


def _upload(
    run: RunLog,
    model: Any,
    folder: Path,
    python_model: Path,
    examples: Sequence[str],
    pip_requirements: Sequence[str],
    signature: Any,
) -> None:
    """Puts the preset and the pyfunc around it at the logged model's place, over what a kill left."""
    import mlflow.pyfunc
    from mlflow.models import Model

    tracking = run.tracking
    delete_files(tracking, model.artifact_location)
    tracking.client.log_model_artifacts(model.model_id, str(folder), PRESET)
    with tracking.guard(), tempfile.TemporaryDirectory(prefix="zoo-register-") as temporary:
        path = Path(temporary) / "model"
        description = Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            run_id=run.run_id,
            model_id=model.model_id,
        )
        with warnings.catch_warnings(record=True):  # it advises type hints, which load the model here
            mlflow.pyfunc.save_model(
                path=str(path),
                mlflow_model=description,
                python_model=str(python_model),
                signature=signature,
                input_example=list(examples),
                pip_requirements=list(pip_requirements),
            )
        flavor = description.flavors["python_function"]
        flavor["artifacts"] = {"preset": {"path": PRESET, "uri": PRESET}}
        flavor["model_code_path"] = python_model.name
        weights = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        description.model_size_bytes = (description.model_size_bytes or 0) + weights
        description.save(str(path / "MLmodel"))
        tracking.client.log_model_artifacts(model.model_id, str(path))


def _signature(inference_params: Mapping[str, str | int | float | bool], gives: str) -> Any:
    """Text in, text or numbers out, with the parameters of generation."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array, DataType

    kinds = {bool: "boolean", int: "long", float: "double", str: "string"}
    specs = [ParamSpec(name, kinds[type(value)], value) for name, value in inference_params.items()]
    text = Schema([ColSpec("string")])
    outputs = Schema([ColSpec(Array(DataType.double))]) if gives == "embedding" else text
    return ModelSignature(inputs=text, outputs=outputs, params=ParamSchema(specs) if specs else None)


def _link(run: RunLog, model_id: str, step: int) -> None:
    """Makes the logged model an output of its run, once."""
    from mlflow.entities import LoggedModelOutput

    outputs = run.tracking.client.get_run(run.run_id).outputs
    linked = {output.model_id for output in (outputs.model_outputs if outputs else [])}
    if model_id not in linked:
        run.tracking.client.log_outputs(run.run_id, [LoggedModelOutput(model_id, step=step)])


def _ensure_registered_model(run: RunLog, name: str) -> None:
    client, facts = run.tracking.client, run.facts
    if client.search_registered_models(f"name = '{name}'", max_results=1):
        return
    description = (
        f"{facts.family} language models of the domain **{facts.domain}**, "
        f"trained on the pipeline `{facts.pipeline}`. The alias `champion` is the version in use: "
        "it passed every gate."
    )
    try:
        client.create_registered_model(name, tags={DOMAIN: facts.domain}, description=description)
    except RegistryError:
        if not client.search_registered_models(f"name = '{name}'", max_results=1):
            raise  # it was not another process that created it meanwhile


def _version_tags(run: RunLog, label: Label) -> dict[str, str]:
    facts = run.facts
    return {
        LABEL: str(label),
        DOMAIN: facts.domain,
        PIPELINE: facts.pipeline,
        FAMILY: facts.family,
        DATASET: facts.dataset_digest,
        FINGERPRINT: facts.fingerprint,
    }


def delete_files(tracking: Tracking, location: str) -> None:
    """Deletes what lies at an artifact location, so that no weights of a dropped try stay behind."""
    path = local_path(location)
    if path is not None and not path.exists():
        return
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with tracking.guard():
        get_artifact_repository(location, tracking_uri=tracking.uri).delete_artifacts()
