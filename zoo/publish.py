"""From a fitted task to a registered version: preset, measurements, plots, card."""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import time
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import zoo
from registry import (
    CardFacts,
    ModelVersion,
    RunLog,
    Tracking,
    model_card,
    open_run,
    register,
)
from registry.plots import loss_curve, pii_by_type, token_lengths
from zoo.fit import FitResult
from zoo.generation.sampling import served_defaults
from zoo.job import Job
from zoo.load import LoadedModel, open_folder
from zoo.slot import Slot

#: Tag of a version: the arguments that it was trained with, for its retraining.
OPTIONS_TAG = "zoo.options"

#: What loading a model needs beside this package, at the versions that it was trained with.
_REQUIREMENTS = ("tensorflow", "keras", "keras-hub", "tensorflow-text", "tokenizers", "mlflow")
_LATENCY_PROMPT = "The"
_LATENCY_TOKENS = 32
_LATENCY_CALLS = 9


def begin_run(tracking: Tracking, job: Job) -> RunLog:
    """Opens the MLflow run of a job; a new one gets parameters and the dataset."""
    log = open_run(
        tracking,
        experiment=job.spec.name,
        fingerprint=job.identity.fingerprint,
        pipeline=job.spec.name,
        domain=job.spec.domain,
        family=job.family.name,
        size=job.size.name,
        label=job.label,
        dataset_digest=job.data.version.digest,
        policy_digest=job.workspace.policy.digest,
        code_version=code_version(),
    )
    if log.finished:
        return log
    shape = {"layers": job.size.layers, "width": job.size.width, "heads": job.size.heads}
    vocabulary = {"vocab_size": job.tokens.vocab_size, "tokenizer": job.family.tokenizer}
    log.log_params(
        {"family": job.family.name, "size": job.size.name, "objective": job.family.objective}
        | shape
        | vocabulary
        | {"parameters": job.parameters, "tokenizer_digest": job.tokens.tokenizer_digest}
        | job.plan.model_dump(mode="json", exclude_none=True)
    )
    version = job.data.version
    log.log_dataset(name=job.spec.name, digest=version.digest, source=str(version.path), records=version.records)
    return log


def publish(job: Job, task: Any, result: FitResult, log: RunLog, slot: Slot) -> tuple[ModelVersion, LoadedModel]:
    """Saves the preset, measures it, and registers it with plots and card. Idempotent after a kill."""
    from zoo.preset import save_preset

    if not slot.preset.exists():
        save_preset(task, job.tokens.tokenizer_dir, slot.preset, family=job.family, context=job.size.context)
    loaded = open_folder(slot.preset)
    measured = {
        **result.metrics,
        "parameters": float(job.parameters),
        "flops_per_token": float(job.flops_per_token),
        "latency_ms_p50": _latency_ms(loaded),
    }
    _log_plots(job, result, log)
    is_encoder = job.family.shape == "encoder"
    card = model_card(_card_facts(job, measured))
    log.log_card(card)
    version = register(
        log,
        model_name=job.model_name,
        folder=slot.preset,
        python_model=_pyfunc_script(),
        input_example=_LATENCY_PROMPT,
        pip_requirements=_requirements(),
        metrics=measured,
        params={"family": job.family.name, "size": job.size.name},
        inference_params={} if is_encoder else served_defaults(),
        gives="embedding" if is_encoder else "text",
        tags={OPTIONS_TAG: json.dumps(dict(job.options), sort_keys=True)},
        label=job.label,
        card=card,
        step=result.steps,
    )
    return version, loaded


def _latency_ms(loaded: LoadedModel) -> float:
    """Median milliseconds for an answer of 32 tokens to a short prompt, or for the embedding of a short
    text by an encoder; after warm-up, alone."""

    def call() -> float:
        start = time.perf_counter()
        if loaded.family.shape == "encoder":
            loaded.embed([_LATENCY_PROMPT])
        else:
            loaded.generate(_LATENCY_PROMPT, max_tokens=_LATENCY_TOKENS)
        return 1000 * (time.perf_counter() - start)

    call()
    return statistics.median(call() for _ in range(_LATENCY_CALLS))


def _log_plots(job: Job, result: FitResult, log: RunLog) -> None:
    import numpy as np

    validation = [(evaluation.step, evaluation.bits_per_byte) for evaluation in result.evaluations]
    log.log_figure("loss_curve", loss_curve(list(enumerate(result.losses)), validation))
    lengths = np.diff(job.tokens.split("train").offsets)
    log.log_figure("token_lengths", token_lengths(lengths, window=job.plan.window))
    log.log_figure("personal_data", pii_by_type(job.data.version.pii))


def _card_facts(job: Job, measured: dict[str, float]) -> CardFacts:
    domain = job.workspace.policy.domains[job.spec.domain]
    plan = job.plan
    return CardFacts(
        model=job.model_name,
        pipeline=job.spec.name,
        domain=job.spec.domain,
        family=job.family.name,
        size=job.size.name,
        label=job.label,
        dataset_digest=job.data.version.digest,
        records=job.data.version.records,
        metrics=measured,
        purposes=domain.purposes,
        pii_rules={"default": domain.pii.default, **domain.pii.rules},
        pii_counts=job.data.version.pii,
        shape=job.family.shape,
        training={"steps": plan.steps, "tokens a step": plan.tokens_per_step, "seed": plan.seed},
    )


def _pyfunc_script() -> Path:
    return Path(str(resources.files("zoo") / "pyfunc_model.py"))


def _requirements() -> list[str]:
    return [f"domain-zoo=={zoo.__version__}", *(f"{name}=={metadata.version(name)}" for name in _REQUIREMENTS)]


@functools.cache
def code_version() -> str:
    """The package's version, with the commit when it runs from a checkout."""
    root = Path(zoo.__file__).parent.parent
    if not (root / ".git").exists():
        return zoo.__version__
    command = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return zoo.__version__
    return f"{zoo.__version__}+g{result.stdout.strip()}"
