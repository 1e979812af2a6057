"""Fresh data: which pipelines are due and why, and a challenger for each of their models.

A pipeline is due when its present sources differ from what its newest model was trained on by at
least `refresh.min_changed` of the records. `refresh.cron` says when the daemon of `zoo schedule`
looks; `zoo retrain --due` looks now, for cron, Airflow or Kubernetes. A pipeline whose newest model was taken out of
use by an erasure is due whatever changed, and so is one whose model went back to such a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from governance.errors import BusyError, ConfigError, DataError, FingerprintMismatch, ZooError
from pipelines.build import BuildResult
from pipelines.versions import DatasetVersion, changed_records
from registry import ModelVersion, Tracking, list_versions
from zoo.ancestry import Made, ancestors
from zoo.compare import dataset_folder
from zoo.data import build_data
from zoo.erasure.models import is_erased
from zoo.publish import OPTIONS_TAG
from zoo.recording import record_versions
from zoo.screen import Screen
from zoo.slot import superseded
from zoo.train import Run, train
from zoo.workspace import Workspace

_LOCK_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Due:
    """A pipeline whose models should be trained again, and why."""

    pipeline: str
    reason: str


@dataclass(frozen=True)
class Done:
    """What became of one model. `version` is None when the training failed."""

    model: str
    version: int | None
    promoted: bool
    why: str


@dataclass
class RetrainReport:
    due: list[Due] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    not_due: list[Due] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(done.version is None for done in self.done)

    def to_json(self) -> dict[str, Any]:
        return {
            "due": [vars(due) for due in self.due],
            "done": [vars(done) for done in self.done],
            "not_due": [vars(due) for due in self.not_due],
        }


def retrain(
    pipelines: Sequence[str] = (),
    *,
    due_only: bool = True,
    dry_run: bool = False,
    screen: Screen | None = None,
    workspace: Workspace | None = None,
) -> RetrainReport:
    """Trains challengers on the fresh snapshot and promotes those that pass and are not worse.

    Args:
        pipelines: names; all of the workspace if empty.
        due_only: leave out pipelines that are not due.
        dry_run: only say what is due.

    Raises:
        ZooError: one named pipeline cannot be read. With several, the others go on and the failed
            one is reported.
    """
    workspace = workspace or Workspace.current()
    screen = screen or Screen()
    report = RetrainReport()
    names = _bases_first(list(pipelines) or workspace.pipeline_names, workspace)
    for name in names:
        try:
            workspace.pipeline(name)  # before its name becomes that of a lock
            with _locked(workspace.storage, name, screen):
                _retrain_pipeline(workspace, name, due_only, dry_run, screen, report)
        except ZooError as error:
            if len(names) == 1:
                raise
            report.done.append(Done(name, None, False, str(error)))
    return report


def _retrain_pipeline(
    workspace: Workspace, name: str, due_only: bool, dry_run: bool, screen: Screen, report: RetrainReport
) -> None:
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    versions = record_versions(workspace, tracking)
    newest = _newest_by_model(versions, name)
    if not newest:
        _require(due_only, f'no model of the pipeline "{name}" was trained yet')
        report.not_due.append(Due(name, "no model was trained yet: run `zoo train` once"))
        return
    spec = workspace.pipeline(name)
    fresh = build_data(spec, workspace, screen)
    stale = {}
    reasons = []
    for model in newest:
        reason = _why_due(workspace, model, versions, fresh, spec.refresh.min_changed)
        reasons.append(f"{model.name}: {reason.text}")
        if reason.due or not due_only:
            stale[model.name] = model
    if not stale:
        report.not_due.append(Due(name, "; ".join(reasons)))
        return
    report.due.append(Due(name, "; ".join(reasons)))
    if dry_run:
        return
    for model in stale.values():
        try:
            report.done.append(_challenge(workspace, name, model, screen))
        except ZooError as error:  # the pipeline's other models go on
            if len(stale) == 1:
                raise
            report.done.append(Done(model.name, None, False, str(error)))


def _newest_by_model(versions: list[ModelVersion], pipeline: str) -> list[ModelVersion]:
    newest: dict[str, ModelVersion] = {}
    for version in versions:
        if version.pipeline == pipeline:
            known = newest.get(version.name)
            if known is None or known.version < version.version:
                newest[version.name] = version
    return [newest[name] for name in sorted(newest)]


@dataclass(frozen=True)
class _Reason:
    due: bool
    text: str


def _why_due(
    workspace: Workspace, model: ModelVersion, versions: list[ModelVersion], fresh: BuildResult, min_changed: float
) -> _Reason:
    """Compares the fresh snapshot with what the newest version, promoted or not, was trained on.

    A source that went back to what an older version saw is not due either: training is
    reproducible, so it would give that version again.
    """
    if is_erased(model):
        return _Reason(True, f"version {model.version} is out of use: {model.quarantined}")
    for version in versions:
        same_data = version.name == model.name and version.tags.get("zoo.dataset") == fresh.version.digest
        if same_data and version.quarantined is None:
            return _Reason(False, f"version {version.version} was trained on the present data")
    folder = dataset_folder(workspace, model)
    if not folder.is_dir():
        return _Reason(True, f"the data of version {model.version} is gone, so changes cannot be counted")
    changed = changed_records(DatasetVersion.open(folder), fresh.version)
    count = sum(changed.values())
    share = count / max(1, fresh.version.total_records)
    text = ", ".join(f"{number:,} {kind}" for kind, number in changed.items() if number)
    text = f"{text or 'other settings'} since version {model.version} ({share:.1%} of the records)"
    if share < min_changed:
        return _Reason(False, f"{text}, less than min_changed {min_changed:.1%}")
    return _Reason(True, text)


def _challenge(workspace: Workspace, pipeline: str, model: ModelVersion, screen: Screen) -> Done:
    options = _in_use(workspace, json.loads(model.tags.get(OPTIONS_TAG, "{}")), screen)
    arguments = {"pipeline": pipeline, "screen": screen, "workspace": workspace, **options}
    try:
        run = train(model.family, resume="auto", **arguments)
    except FingerprintMismatch as error:
        if not superseded(error):
            raise
        screen.say(f"discarding a stopped training on older data: {error.what}")
        run = train(model.family, resume="never", **arguments)
    return Done(run.model.name, run.model.version, run.promoted, _verdict(run))


def _in_use(workspace: Workspace, options: dict[str, Any], screen: Screen) -> dict[str, Any]:
    """The arguments with the champion in place of a base or a teacher that was erased."""
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    erased = {str(version): version for version in list_versions(tracking) if is_erased(version)}
    changed = dict(options)
    for name in ("init", "teacher"):
        if (version := erased.get(str(options.get(name)))) is not None:
            changed[name] = f"{version.name}@champion"
            screen.say(f"{version} is out of use: {changed[name]} takes its place")
    return changed


def _bases_first(names: list[str], workspace: Workspace) -> list[str]:
    """Pipelines whose models others go back to come before those others, else in the order given."""
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    if len(names) < 2 or (tracking.database is not None and not tracking.database.exists()):
        return names
    versions = list_versions(tracking)
    made = [Made.of(version) for version in versions]
    pipelines = {str(version): version.pipeline for version in versions}
    before: dict[str, set[str]] = {name: set() for name in names}
    for version in versions:
        if version.pipeline in before:
            before[version.pipeline] |= {pipelines[name] for name in ancestors(str(version), made) if name in pipelines}
    return sorted(names, key=lambda name: len(before[name] - {name}))


def _verdict(run: Run) -> str:
    failed = [gate for gate in run.gates if not gate.passed]
    if not failed:
        return "passed " + ", ".join(gate.name for gate in run.gates)
    details = "; ".join(f"{gate.name} {json.dumps(gate.evidence, sort_keys=True)}" for gate in failed)
    return f"failed {details}"


def _require(fine: bool, what: str) -> None:
    if not fine:
        raise ConfigError(what, fix="train one first: zoo train FAMILY --pipeline NAME")


@contextmanager
def _locked(storage: Path, pipeline: str, screen: Screen) -> Iterator[None]:
    """One retraining of a pipeline at a time. A second one waits and then finds nothing due."""
    import filelock

    path = storage / "locks" / f"retrain-{pipeline}.lock"
    lock = filelock.FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except OSError as error:
        if not isinstance(error, filelock.Timeout):
            raise DataError(f"cannot write: {error.strerror}", where=str(path), fix="check permissions") from None
        screen.say(f"waiting: another process is retraining {pipeline}")
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except filelock.Timeout:
            raise BusyError(f"another process has been retraining {pipeline} for a day", where=str(path)) from None
    try:
        yield
    finally:
        lock.release()
