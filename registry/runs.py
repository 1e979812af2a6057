"""Runs: one MLflow run for one fingerprint, resumed after a kill and never written twice.

A run is found by the tag `zoo.fingerprint`. Metrics are buffered and written in batches; a
resumed run reads its own history once, so that a step that is trained again is not logged again.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from governance.errors import BusyError, RegistryError, ZooError
from governance.labels import Label
from registry.tracking import Tracking
from registry.versions import DATASET, DOMAIN, FAMILY, FINGERPRINT, LABEL, PIPELINE, SIZE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POLICY = "zoo.policy"
CODE = "zoo.code"

_BATCH = 1000  # metrics, MLflow's limit for one request
_DIGEST = 36  # characters, MLflow's limit for a dataset's digest; the whole one is in a tag
_NOTE = 8000  # characters, MLflow's limit for a tag
_LOCK_SECONDS = 60.0

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class RunFacts:
    """What a training is made of. Digests are SHA-256 in hexadecimal, in full."""

    fingerprint: str
    pipeline: str
    domain: str
    family: str
    size: str
    label: Label
    dataset_digest: str
    policy_digest: str
    code_version: str

    @property
    def title(self) -> str:
        """The run's name in the UI."""
        return f"{self.family} {self.size} {self.pipeline}"

    def tags(self) -> dict[str, str]:
        return {
            FINGERPRINT: self.fingerprint,
            PIPELINE: self.pipeline,
            DOMAIN: self.domain,
            FAMILY: self.family,
            SIZE: self.size,
            LABEL: str(self.label),
            DATASET: self.dataset_digest,
            POLICY: self.policy_digest,
            CODE: self.code_version,
        }


def open_run(
    tracking: Tracking,
    *,
    experiment: str,
    fingerprint: str,
    pipeline: str,
    domain: str,
    family: str,
    size: str,
    label: Label,
    dataset_digest: str,
    policy_digest: str,
    code_version: str,
    tags: Mapping[str, str] | None = None,
    flush_steps: int = 50,
    flush_seconds: float = 10.0,
) -> RunLog:
    """Finds the run of a fingerprint, or creates it; there is never a second one.

    Args:
        tags: further tags for a new run; keep them few, the UI shows each.
        flush_steps, flush_seconds: buffered metrics are written after so many calls of
            `log_metrics`, or so many seconds.

    Returns:
        The run. `finished` says that it was finished before: nothing is left to do for it.

    Raises:
        RegistryError: the store cannot be used, or the label is empty.
        BusyError: the database, or the lock on creating runs, is held by another process.
    """
    if not label.domains:
        raise RegistryError("a run without a label cannot be logged", where=fingerprint)
    facts = RunFacts(
        fingerprint=fingerprint,
        pipeline=pipeline,
        domain=domain,
        family=family,
        size=size,
        label=label,
        dataset_digest=dataset_digest,
        policy_digest=policy_digest,
        code_version=code_version,
    )
    experiment_id = tracking.experiment_id(experiment)
    with _creating(tracking):
        run, created = _find_or_create(tracking, experiment_id, facts, tags or {})
    finished = run.info.status == "FINISHED"
    if not created and run.info.status not in ("FINISHED", "RUNNING"):
        tracking.client.update_run(run.info.run_id, status="RUNNING")
    return RunLog(
        tracking,
        run_id=run.info.run_id,
        experiment_id=experiment_id,
        facts=facts,
        finished=finished,
        resumed=not created,
        flush_steps=flush_steps,
        flush_seconds=flush_seconds,
    )


def finished_run(tracking: Tracking, *, experiment: str, fingerprint: str) -> str | None:
    """The id of the run of a fingerprint if it is finished; None if there is still something to do.

    Raises:
        RegistryError: the store cannot be used.
        BusyError: the database is held by another process.
    """
    runs = _runs(tracking, tracking.experiment_id(experiment), fingerprint)
    return next((str(run.info.run_id) for run in runs[:1] if run.info.status == "FINISHED"), None)


class RunLog:
    """Writes one run. Used in a `with` block it is finished at the end, or marked failed or killed.

    A failed or killed run is resumed by the next `open_run` of its fingerprint.
    """

    def __init__(
        self,
        tracking: Tracking,
        *,
        run_id: str,
        experiment_id: str,
        facts: RunFacts,
        finished: bool,
        resumed: bool,
        flush_steps: int,
        flush_seconds: float,
    ) -> None:
        self.tracking = tracking
        self.run_id = run_id
        self.experiment_id = experiment_id
        self.facts = facts
        self.finished = finished
        self.resumed = resumed
        self._flush_steps = flush_steps
        self._flush_seconds = flush_seconds
        self._buffer: list[Any] = []
        self._calls = 0
        self._last_flush = time.monotonic()
        self._steps: defaultdict[str, set[int]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
            return
        interrupted = not issubclass(kind, Exception)
        with contextlib.suppress(ZooError):  # the error that ended the block is the one to report
            self._end("KILLED" if interrupted else "FAILED")

    @property
    def last_step(self) -> int | None:
        """The highest step that has a metric, written or buffered; None without any."""
        steps = [step for of_key in self._logged().values() for step in of_key]
        return max(steps, default=None)

    def log_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Notes metrics of a step. A (metric, step) that the run already has stays as it is."""
        from mlflow.entities import Metric

        logged, now = self._logged(), int(time.time() * 1000)
        for key, value in values.items():
            if step not in logged[key]:
                logged[key].add(step)
                self._buffer.append(Metric(key, float(value), now, step))
        self._calls += 1
        due = self._calls >= self._flush_steps or time.monotonic() - self._last_flush >= self._flush_seconds
        if due:
            self.flush()

    def flush(self) -> None:
        """Writes what is buffered. What could not be written stays buffered for the next time."""
        while self._buffer:
            batch = self._buffer[:_BATCH]
            self.tracking.client.log_batch(self.run_id, metrics=batch)
            del self._buffer[: len(batch)]
        self._calls, self._last_flush = 0, time.monotonic()

    def log_params(self, params: Mapping[str, object]) -> None:
        """Writes parameters. MLflow's are immutable: those that the run already has are not written."""
        from mlflow.entities import Param

        have = self.tracking.client.get_run(self.run_id).data.params
        new = [Param(key, str(value)) for key, value in params.items() if key not in have]
        for start in range(0, len(new), 100):
            self.tracking.client.log_batch(self.run_id, params=new[start : start + 100])

    def log_dataset(
        self,
        *,
        name: str,
        digest: str,
        source: str,
        records: Mapping[str, int] | None = None,
        context: str = "training",
    ) -> None:
        """Links the dataset version. MLflow keeps 36 characters of the digest, a tag keeps all of it.

        Args:
            source: path or URL of the dataset version.
            records: records by split.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        profile = {"records": dict(records or {}), "digest": digest, "label": self.facts.label.to_list()}
        dataset = Dataset(
            name=name,
            digest=digest[:_DIGEST],
            source_type="local" if "://" not in source else "code",
            source=json.dumps({"uri": source}),
            profile=json.dumps(profile),
        )
        tag = InputTag("mlflow.data.context", context)
        self.tracking.client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, [tag])])

    def log_figure(self, name: str, figure: Figure) -> None:
        """Keeps a figure as `plots/NAME.png` among the artifacts; called again it replaces it."""
        self.tracking.client.log_figure(self.run_id, figure, f"plots/{name}.png")

    def log_text(self, text: str, file: str) -> None:
        self.tracking.client.log_text(self.run_id, text, file)

    def log_card(self, card: str) -> None:
        """Keeps the model card as an artifact and shows it as the run's description."""
        self.log_text(card, "model_card.md")
        self.tracking.client.set_tag(self.run_id, "mlflow.note.content", card[:_NOTE])

    def log_model_metrics(self, model: Any, metrics: Mapping[str, float], *, step: int) -> None:
        """Writes metrics of a logged model (they show in its run too), each once.

        A second try after a kill finds its own first values by their time, which is the model's
        time of creation, and keeps them: latency, say, would come out a little different each time.
        """
        from mlflow.entities import Metric

        self.flush()
        have = {metric.key for metric in model.metrics or []}
        batch = []
        for key, value in metrics.items():
            if key in have:
                continue
            value, timestamp = float(value), int(model.creation_timestamp)
            for old in self.tracking.client.get_metric_history(self.run_id, key):
                if old.step == step and (old.timestamp == timestamp or old.value == value):
                    value, timestamp = old.value, old.timestamp
            batch.append(Metric(key, value, timestamp, step, model_id=model.model_id))
            self._logged()[key].add(step)
        if batch:
            self.tracking.client.log_batch(self.run_id, metrics=batch)

    def finish(self) -> None:
        """Writes what is buffered and marks the run finished."""
        if not self.finished:
            self._end("FINISHED")
            self.finished = True

    def _end(self, status: Status) -> None:
        self.flush()
        self.tracking.client.set_terminated(self.run_id, status)

    def _logged(self) -> defaultdict[str, set[int]]:
        """Steps by metric; a resumed run reads them from MLflow, once."""
        if self._steps is None:
            steps = defaultdict(set)
            if self.resumed:
                client = self.tracking.client
                for key in client.get_run(self.run_id).data.metrics:
                    steps[key] = {metric.step for metric in client.get_metric_history(self.run_id, key)}
            self._steps = steps
        return self._steps


@contextlib.contextmanager
def _creating(tracking: Tracking) -> Iterator[None]:
    """One process at a time looks for a run and creates it (SQLite; a server has the rule below)."""
    if tracking.database is None:
        yield
        return
    from filelock import FileLock, Timeout

    tracking.client.search_experiments(max_results=1)  # the folder is there and may be written
    path = tracking.database.with_name(f"{tracking.database.name}.lock")
    try:
        with tracking.guard(), FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except Timeout:
        raise BusyError(
            "another process is creating a run", where=str(path), fix="wait until it is done, then try again"
        ) from None


def _find_or_create(
    tracking: Tracking, experiment_id: str, facts: RunFacts, tags: Mapping[str, str]
) -> tuple[Any, bool]:
    """The run of the fingerprint and whether it is new.

    When two processes on two machines create it at once, both keep the one that started first
    and the other one is deleted.
    """
    found = _runs(tracking, experiment_id, facts.fingerprint)
    if found:
        return found[0], False
    standard = {"mlflow.source.name": "zoo train", "mlflow.source.type": "LOCAL", "mlflow.user": _user()}
    run = tracking.client.create_run(experiment_id, tags=standard | dict(tags) | facts.tags(), run_name=facts.title)
    first = _runs(tracking, experiment_id, facts.fingerprint)[0]
    if first.info.run_id == run.info.run_id:
        return run, True
    tracking.client.delete_run(run.info.run_id)
    return first, False


def _runs(tracking: Tracking, experiment_id: str, fingerprint: str) -> list[Any]:
    condition = f"tags.`{FINGERPRINT}` = '{fingerprint}'"
    runs = tracking.client.search_runs([experiment_id], condition, max_results=10)
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a password file
        return "unknown"
