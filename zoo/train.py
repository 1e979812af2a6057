"""`zoo.train`: from a pipeline's text to a registered model version.

    prepare (policy, data, tokens, plan) ─▶ fit ─▶ publish ─▶ gates ─▶ alias

Each step finds what an earlier, killed call of the same command left and goes on from there. Once
a run is finished, the same command finds its version and has nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from governance.errors import RegistryError
from pipelines import BuildResult
from registry import (
    GateResult,
    ModelVersion,
    RunLog,
    Tracking,
    finished_run,
    gate_results,
    promote_if_blessed,
    version_of_run,
)
from zoo import openlineage
from zoo.backend import prepare_backend
from zoo.erasure.guard import refuse_erased
from zoo.examine import examine
from zoo.fit.duration import Duration
from zoo.job import Job, prepare
from zoo.publish import Trained, begin_run, publish
from zoo.query import refresh_catalogue
from zoo.recording import record_version, record_versions, recorded_training
from zoo.reporting import MlflowMetrics, TrainingProgress
from zoo.request import Request
from zoo.screen import Screen
from zoo.slot import Slot, check_resume, is_claimed, training_slot
from zoo.tasks.training import after, begin, what_is_cut, what_was_not_learned
from zoo.teacher import learn_from
from zoo.workspace import Workspace


@dataclass(frozen=True)
class Run:
    """What `train` gives. `reused` tells that the version was there already."""

    model: ModelVersion
    gates: list[GateResult]
    fingerprint: str
    data: BuildResult
    reused: bool

    @property
    def metrics(self) -> dict[str, float]:
        """val_bits_per_byte, val_loss (nats a token), tokens_per_second, and what else was measured."""
        return self.model.metrics

    @property
    def promoted(self) -> bool:
        """Whether the alias `champion` points to this version."""
        return self.model.is_champion

    def to_json(self) -> dict[str, Any]:
        """The object that `zoo train --json` prints."""
        return {
            "model": self.model.name,
            "version": self.model.version,
            "alias": "champion" if self.promoted else None,
            "run_id": self.model.run_id,
            "dataset_digest": self.data.version.digest,
            "fingerprint": self.fingerprint,
            "metrics": self.metrics,
            "gates": [gate.to_json() for gate in self.gates],
            "reused": self.reused,
        }


def train(
    family: str,
    *,
    pipeline: str,
    size: str | None = None,
    steps: int | None = None,
    duration: Duration | str | None = None,
    seed: int = 0,
    resume: str = "auto",
    init: str | None = None,
    init_label: str | None = None,
    teacher: str | None = None,
    task: str | None = None,
    screen: Screen | None = None,
    workspace: Workspace | None = None,
    **changes: Any,
) -> Run:
    """Curates a pipeline's data, trains a model on it, evaluates, gates and registers it.

    Args:
        family: a name that `zoo families` lists, such as "gpt".
        pipeline: name of a `pipelines/*.yaml` file.
        size: "nano" (about 1 M weights beside the embeddings, the default) to "xl" (1.5 B); that of the base,
            if there is one.
        steps: updates; by default they follow from the sizes of model and data.
        duration: instead of steps, such as "2 epochs", "50M tokens", "10 minutes" or `zoo.Duration.epochs(2)`.
            Minutes are wall-clock time of the training loop over all restarts, and end it alone.
        seed: of initial weights, data order, dropout.
        resume: "auto" continues a training that was stopped, "never" discards its
            checkpoints and starts at step 0. A finished run with the same settings is never repeated.
        init: what to continue from instead of starting from scratch: a registered version
            ("tax_domain.gpt@champion", "tax_domain.gpt/3"), a keras-hub preset folder, or a Hugging Face folder
            with safetensors. Its tokenizer is used, and its label joins the new model's.
        init_label: domains that a folder's model was derived from, such as "public", if the folder does not
            say them.
        teacher: for a family that is distilled from another one, the version to learn from, such as
            "support_domain.bert/3"; by default the champion of the same pipeline.
        task: what to fine-tune to instead of reading text, such as "classify"; see docs/fine-tuning.md. The
            pipeline's sources name the parts that it needs.
        changes: other fields of `zoo.fit.TrainPlan`, such as `learning_rate`, `ema` or `lora={"rank": 8}`.

    Raises:
        ZooError: one line that says what is wrong, where, and what to do.
    """
    workspace = workspace or Workspace.current()
    screen = screen or Screen()
    check_resume(resume)
    request = Request(
        family,
        pipeline,
        size=size,
        steps=steps,
        duration=duration,
        seed=seed,
        init=init,
        init_label=init_label,
        teacher=teacher,
        task=task,
        changes=changes,
    )
    job = prepare(request, workspace=workspace, screen=screen)
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root, say=screen.say)
    record_versions(workspace, tracking)
    place = (workspace.storage, job.model_name, job.size.name, job.identity)
    run_id = finished_run(tracking, experiment=job.spec.name, fingerprint=job.identity.fingerprint)
    reused = run_id is not None
    if run_id is None or is_claimed(*place):
        with training_slot(*place, resume=resume) as slot:
            with begin_run(tracking, job) as log:
                run_id, reused = log.run_id, log.finished
                if not reused:
                    with recorded_training(job, run_id), _observed(job, run_id, screen) as run:
                        refuse_erased(job, tracking)
                        version = _train(job, log, slot, tracking, screen)
                        run.outputs.append(openlineage.model(str(version)))
            slot.clear()
    version = version_of_run(tracking, run_id)
    if version is None:
        raise RegistryError(
            f"the run {run_id} is finished, but its version was deleted",
            fix="delete the run in MLflow as well, or train with another --seed",
        )
    record_version(workspace, version)
    refresh_catalogue(workspace)
    return Run(version, gate_results(version), job.identity.fingerprint, job.data, reused)


def _observed(job: Job, run_id: str, screen: Screen) -> AbstractContextManager[openlineage.Observed]:
    def inputs() -> list[openlineage.Dataset]:
        read = [openlineage.read_version(job.data.version)]
        if job.base is not None:
            read.append(openlineage.model(job.base.base.name, job.base.digest))
        if job.teacher is not None:
            read.append(openlineage.model(str(job.teacher.version)))
        return read

    name = f"{job.model_name}.train"
    return openlineage.observed(
        job.workspace, screen, spec=job.spec, job=name, kind="TRAINING", inputs=inputs, run_id=run_id
    )


def _train(job: Job, log: RunLog, slot: Slot, tracking: Tracking, screen: Screen) -> ModelVersion:
    prepare_backend()
    from zoo.fit import fit

    language_model, objective = job.language_model(), job.objective()
    if job.teacher is not None:
        objective = learn_from(job.teacher, language_model, job.family, objective)
    model = language_model if job.task is None else job.task.model(language_model, job.setting)
    if (warning := what_is_cut(objective, job.tokens)) is not None:
        screen.say(warning)
    before = begin(objective, model, job.family, job.tokens)
    screen.say(f"training: {job.plan}")
    result = fit(
        model,
        job.tokens,
        job.plan,
        family=job.family,
        objective=objective,
        fingerprint=job.identity.fingerprint,
        checkpoints=slot.checkpoints,
        callbacks=[MlflowMetrics(log), TrainingProgress(screen, job.plan)],
    )
    if result.best_step < result.steps:
        screen.say(f"keeping the weights of step {result.best_step:,}, the best of {result.steps:,}")
    trained = Trained(language_model, model, result, before | after(objective, model, job.family, job.tokens))
    if (warning := what_was_not_learned(trained.figures, job.plan.learning_rate)) is not None:
        screen.say(warning)
    screen.say("registering")
    refuse_erased(job, tracking)
    version, loaded = publish(job, trained, log, slot)
    record_version(job.workspace, version)
    screen.say("examining the gates")
    with _one_promotion(job):
        promote_if_blessed(tracking, version, examine(job, tracking, version, loaded))
    return version


@contextmanager
def _one_promotion(job: Job) -> Iterator[None]:
    """Two sizes of one model that end together: the second is compared with the first, if that won."""
    import filelock

    with filelock.FileLock(job.workspace.storage / "locks" / f"promote-{job.model_name}.lock"):
        yield
