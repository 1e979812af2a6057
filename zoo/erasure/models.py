"""The models of an erasure: which saw the data, their quarantine, and the removal of what was learned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from governance.erasure import Journal
from governance.errors import BusyError, DataError, RegistryError
from pipelines.erasure.remove import stored_versions, tainted_tokenizers
from registry import ModelVersion, Tracking, get_version, list_versions, quarantine
from registry.catalogue import ring
from registry.purge import purge_run, runs_tagged
from registry.versions import DATASET
from zoo.ancestry import BASE_TAG, DIGEST_TAG, TEACHER_TAG, models_that_saw
from zoo.load import forget_version
from zoo.query import refresh_catalogue
from zoo.recording import made_before, record_versions
from zoo.workspace import Workspace

_REASON = "erasure "

#: How long a training that goes on is waited for: seconds.
_SLOT_SECONDS = 10.0


def open_tracking(workspace: Workspace) -> Tracking | None:
    """None where nothing was ever trained: an erasure must not make a database."""
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    if tracking.database is not None and not tracking.database.exists():
        return None
    return tracking


def note_models(workspace: Workspace, tracking: Tracking | None, journal: Journal) -> Journal:
    """The journal with all tokenizers and versions that saw what it is about."""
    tokenizers = {*journal.tokenizers, *tainted_tokenizers(workspace.storage, journal.before)}
    seen = set(journal.models)
    if tracking is not None:
        found = models_that_saw(
            journal.before,
            list_versions(tracking),
            more=made_before(workspace),
            tokenizers=dict.fromkeys(tokenizers, journal.before),
        )
        seen |= set(map(str, found))
    return journal.model_copy(update={"tokenizers": tuple(sorted(tokenizers)), "models": tuple(sorted(seen))})


def note_unknown(workspace: Workspace, tracking: Tracking | None, journal: Journal) -> Journal:
    """The journal with the versions of the domain whose data is gone, so that nobody can tell what they saw."""
    if tracking is None:
        return journal
    there = {version.digest for version in stored_versions(workspace.storage)}
    versions = list_versions(tracking)
    in_domain = [version for version in versions if journal.domain in version.label.domains]
    gone = {version.tags[DATASET] for version in in_domain if version.tags[DATASET] not in there}
    unknown = [
        str(version)
        for version in models_that_saw(gone, versions, more=made_before(workspace))
        if version.quarantined is None and str(version) not in journal.models
    ]
    return journal.model_copy(update={"unknown": tuple(unknown)})


def quarantine_models(workspace: Workspace, tracking: Tracking | None, journal: Journal) -> None:
    """Takes the versions out of use, here and in every process that answers from this workspace."""
    if tracking is None or not (journal.models or journal.unknown):
        return
    reasons = dict.fromkeys(journal.models, "it saw an erased record")
    reasons |= dict.fromkeys(journal.unknown, "its data is gone, so it may have seen an erased record")
    for name, reason in reasons.items():
        version = _version(tracking, name)
        if version is not None and (version.quarantined is None or version.aliases):
            quarantine(tracking, version, f"{reason_of(journal)}: {reason}")
            forget_version(workspace, version)
    ring(workspace.bell)
    refresh_catalogue(workspace)
    record_versions(workspace, tracking)


def reason_of(journal: Journal) -> str:
    """How the reason of each of its quarantines begins."""
    return f"{_REASON}{journal.name}"


def is_erased(version: ModelVersion) -> bool:
    """Whether an erasure took the version out of use."""
    return (version.quarantined or "").startswith(_REASON)


def purge_models(tracking: Tracking | None, journal: Journal) -> None:
    """Removes weights, vocabularies and other files of the versions, and of runs that never became one."""
    if tracking is None:
        return
    runs = {run for digest in journal.before for run in runs_tagged(tracking, DATASET, digest)}
    for name in (*journal.models, *journal.unknown):
        version = _version(tracking, name)
        runs |= set() if version is None else {version.run_id}
        runs |= {run for tag in (BASE_TAG, TEACHER_TAG) for run in runs_tagged(tracking, tag, name)}
    for run in sorted(runs):
        purge_run(tracking, run)


def clear_slots(workspace: Workspace, tracking: Tracking | None, journal: Journal) -> None:
    """Removes checkpoints of trainings that were stopped.

    Raises:
        BusyError: one goes on; it could not register anything any more, but its checkpoints are there.
    """
    import filelock

    versions = [] if tracking is None else [v for name in journal.models if (v := _version(tracking, name))]
    tainted = {*journal.before, *journal.tokenizers, *(version.model_id for version in versions)}
    tainted |= {version.tags[DIGEST_TAG] for version in versions if DIGEST_TAG in version.tags}
    for owner in sorted((workspace.storage / "training").glob("*/*/identity.json")):
        if not _parts(owner) & tainted:
            continue
        model, size = owner.parent.parent.name, owner.parent.name
        lock = workspace.storage / "locks" / f"train-{model}-{size}.lock"
        try:
            with filelock.FileLock(lock, timeout=_SLOT_SECONDS):
                if owner.exists() and _parts(owner) & tainted:
                    _clear(owner.parent)
        except filelock.Timeout:
            raise BusyError(
                f"a training of {model} at size {size} goes on with data that is being erased",
                fix="end it, then run the same command again",
            ) from None


def retraining(tracking: Tracking | None, journal: Journal) -> list[str]:
    """Pipelines of the versions that were taken out of use."""
    names = (*journal.models, *journal.unknown)
    versions = () if tracking is None else (_version(tracking, name) for name in names)
    return sorted({version.pipeline for version in versions if version is not None})


def _version(tracking: Tracking, name: str) -> ModelVersion | None:
    """None for one that was deleted meanwhile."""
    model, _, number = name.rpartition("/")
    try:
        return get_version(tracking, model, int(number))
    except BusyError:
        raise
    except RegistryError:
        if any(str(version) == name for version in list_versions(tracking)):
            raise
        return None


def _parts(owner: Path) -> set[str]:
    try:
        content = json.loads(owner.read_text(encoding="utf-8"))
        return {str(content.get(name)) for name in ("dataset", "tokenizer", "base", "teacher")}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, AttributeError):
        raise DataError("unreadable", where=str(owner), fix="remove its folder") from None


def _clear(folder: Path) -> None:
    """The identity goes last, so that a kill leaves nothing ownerless."""
    for child in sorted(folder.iterdir(), key=lambda path: path.name == "identity.json"):
        if child.is_dir():
            shutil.rmtree(child)
        else:
            child.unlink()
