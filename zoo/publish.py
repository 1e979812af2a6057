"""From a fitted task to a registered version: preset, measurements, plots, card."""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import zoo
from pipelines.cards import page, read_card, with_tokens
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
from registry.versions import OBJECTIVE
from zoo.ancestry import BASE_DIGEST_TAG, BASE_TAG, DIGEST_TAG, TEACHER_TAG, TOKENIZER_TAG
from zoo.audit.canaries import CANARIES_TAG
from zoo.exchange.base import model_digest
from zoo.fit import FitResult
from zoo.generation.sampling import served_defaults
from zoo.job import Job
from zoo.load import LoadedModel, open_folder
from zoo.slot import Slot

#: Tag of a version: the arguments that it was trained with, for its retraining.
OPTIONS_TAG = "zoo.options"

#: What loading a model needs beside this package, at the versions that it was trained with.
_REQUIREMENTS = ("tensorflow", "keras", "keras-hub", "tensorflow-text", "tokenizers", "sentencepiece", "mlflow")
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
        tags=_origin_tags(job),
    )
    if log.finished:
        return log
    shape = {"layers": job.size.layers, "width": job.size.width, "heads": job.size.heads}
    vocabulary = {"vocab_size": job.tokens.vocab_size, "tokenizer": job.tokens.tokenizer.kind}
    log.log_params(
        {"family": job.family.name, "size": job.size.name, "objective": job.objective_name}
        | shape
        | vocabulary
        | {"parameters": job.parameters, "tokenizer_digest": job.tokens.tokenizer_digest}
        | job.plan.model_dump(mode="json", exclude_none=True)
    )
    version = job.data.version
    log.log_dataset(name=job.spec.name, digest=version.digest, source=str(version.path), records=version.records)
    _log_data_card(job, log)
    return log


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        language_model: as the family builds it.
        model: what was trained: the language model, or its backbone under a task's head.
        figures: of a task, such as accuracy.
    """

    language_model: Any
    model: Any
    result: FitResult
    figures: dict[str, float]


def publish(job: Job, trained: Trained, log: RunLog, slot: Slot) -> tuple[ModelVersion, LoadedModel]:
    """Saves the preset, measures it, and registers it with plots and card. Idempotent after a kill."""
    result = trained.result
    if not slot.preset.exists():
        _save(job, trained, slot.preset)
    loaded = open_folder(slot.preset)
    measured = {
        **result.metrics,
        **trained.figures,
        "parameters": float(job.parameters),
        "flops_per_token": float(job.flops_per_token),
        "latency_ms_p50": _latency_ms(loaded),
    }
    _log_plots(job, result, log)
    card = model_card(_card_facts(job, measured, result.best_step, loaded.gives))
    log.log_card(card)
    version = register(
        log,
        model_name=job.model_name,
        folder=slot.preset,
        python_model=_pyfunc_script(),
        input_example=_example(loaded),
        pip_requirements=_requirements(),
        metrics=measured,
        params={"family": job.family.name, "size": job.size.name},
        inference_params=served_defaults() if loaded.gives == "text" else {},
        gives="embedding" if loaded.gives == "embedding" else "text",
        tags=_version_tags(job, loaded),
        label=job.label,
        card=card,
        step=result.steps,
    )
    return version, loaded


def _save(job: Job, trained: Trained, folder: Path) -> None:
    from zoo.preset import save_head_preset, save_preset

    where = {"family": job.family, "context": job.size.context, "label": job.label, "objective": job.objective_name}
    where["adapter"] = trained.result.adapter
    if job.task is not None and job.task.head:
        about = {
            "name": job.task.name,
            "classes": list(job.setting.classes),
            "temperature": trained.figures.get("temperature", 1.0),
            "pooling": trained.model.pooling,
        }
        save_head_preset(trained.model, job.tokens.tokenizer_dir, folder, task=about, **where)
    else:
        save_preset(trained.language_model, job.tokens.tokenizer_dir, folder, controls=job.controls, **where)


def _example(loaded: LoadedModel) -> str:
    return json.dumps({"prompt": _LATENCY_PROMPT, "answer": ""}) if loaded.gives == "reward" else _LATENCY_PROMPT


def _version_tags(job: Job, loaded: LoadedModel) -> dict[str, str]:
    options = json.dumps(dict(job.options), sort_keys=True)
    tags = {OPTIONS_TAG: options, OBJECTIVE: job.objective_name, TOKENIZER_TAG: job.tokens.tokenizer_digest}
    if job.plan.canaries is not None:
        tags[CANARIES_TAG] = json.dumps(job.plan.canaries.model_dump())
    return tags | _digest_tag(job, loaded) | _origin_tags(job)


def _digest_tag(job: Job, loaded: LoadedModel) -> dict[str, str]:
    """By which the model is known again in a folder that it was exported to. Nothing continues from one with a head."""
    if job.task is not None and job.task.head:
        return {}
    return {DIGEST_TAG: model_digest(loaded.text_model.task, (), job.tokens.tokenizer)}  # type: ignore[union-attr]


def _origin_tags(job: Job) -> dict[str, str]:
    """What the model was continued from, and what it learned from."""
    tags = {} if job.teacher is None else {TEACHER_TAG: str(job.teacher.version)}
    if job.base is not None:
        tags |= {BASE_TAG: job.base.base.name, BASE_DIGEST_TAG: job.base.digest}
    return tags


def _latency_ms(loaded: LoadedModel) -> float:
    """Median milliseconds for an answer of at most 32 tokens to a short prompt, or for what else the model
    makes of a short text; after warm-up, alone."""

    def call() -> float:
        start = time.perf_counter()
        loaded.use(_LATENCY_PROMPT, max_tokens=_LATENCY_TOKENS)
        return 1000 * (time.perf_counter() - start)

    call()
    return statistics.median(call() for _ in range(_LATENCY_CALLS))


def _log_plots(job: Job, result: FitResult, log: RunLog) -> None:

    validation = [(evaluation.step, evaluation.bits_per_byte) for evaluation in result.evaluations]
    log.log_figure("loss_curve", loss_curve(list(enumerate(result.losses)), validation))
    log.log_figure("token_lengths", token_lengths(job.tokens.document_lengths("train"), window=job.plan.window))
    log.log_figure("personal_data", pii_by_type(job.data.version.pii))


def _log_data_card(job: Job, log: RunLog) -> None:
    """With lengths in tokens, and without the examples: text of a record stays where erasing it finds it."""
    of = f"training records, {job.tokens.tokenizer_digest[:16]}"
    lengths = job.tokens.document_lengths("train")
    card = with_tokens(read_card(Path(job.data.card)), lengths, of).without_examples()
    log.log_text(page(card), "data_card.html")
    log.log_text(card.model_dump_json(indent=1), "data_card.json")


def _card_facts(job: Job, measured: dict[str, float], steps: int, gives: str) -> CardFacts:
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
        pii_rules=domain.pii.operators(),
        pii_counts=job.data.version.pii,
        shape=job.family.shape,
        objective=job.objective_name,
        gives=gives,
        base=None if job.base is None else f"{job.base.base.name} (`{job.base.digest[:16]}`)",
        training={"steps": steps, "tokens a step": plan.tokens_per_step, "seed": plan.seed}
        | ({} if plan.canaries is None else {"canaries": f"{plan.canaries.count}, {plan.canaries.repeat} times each"}),
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
