"""`zoo.erase`: a person's records leave the data, and every model that saw them leaves service.

    find ─▶ tombstones ─▶ quarantine ─▶ rebuild ─▶ remove versions ─▶ remove what was made of them ─▶ ledger, receipt

From the tombstones on, each step looks at what is there, and a journal notes what it is about to remove: after a kill
the same command goes on, and a second one finds nothing to do.
"""

from __future__ import annotations

import datetime
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.erasure import Journal, TombstoneKey, Tombstones
from governance.erasure.journal import Found
from governance.errors import (
    BusyError,
    ConfigError,
    DataError,
    DetectorError,
    PolicyRefused,
    ZooError,
    did_you_mean,
)
from pipelines.erasure.find import Searched, Target, find_records
from pipelines.erasure.remove import (
    exclusions_of,
    holds_erased,
    is_erased,
    orphans,
    pipelines_that_left_out,
    remove_tokens,
    remove_traces,
    remove_versions,
    stored_versions,
)
from pipelines.erasure.rewrite import rewrite
from pipelines.erasure.store import Place as ErasurePlace
from pipelines.erasure.store import add_tombstones, read_journal, read_tombstones, write_journal
from pipelines.inputs import find_inputs
from pipelines.latest import latest, point_latest
from pipelines.place import Place, locked
from pipelines.spec import PipelineSpec
from pipelines.versions import DatasetVersion
from zoo.data import build_data
from zoo.erased import check_tombstones
from zoo.erasure import models
from zoo.erasure.receipt import write_receipt
from zoo.schedule import look_now
from zoo.screen import Screen
from zoo.shared_files import shared_with
from zoo.workspace import Workspace

_LOCK_SECONDS = 600.0


@dataclass(frozen=True)
class Erasure:
    """What an erasure did, or would do.

    Attributes:
        journal: what was found and removed.
        retraining: pipelines whose models are due for another training.
        receipt: its file; None of a dry run.
        nothing_to_do: it had been done before.
    """

    journal: Journal
    retraining: tuple[str, ...]
    receipt: Path | None
    nothing_to_do: bool = False

    def to_json(self) -> dict[str, Any]:
        """The object that `zoo erase --json` prints."""
        return self.journal.payload() | {
            "retraining": list(self.retraining),
            "receipt": None if self.receipt is None else str(self.receipt),
            "dry_run": self.receipt is None,
            "nothing_to_do": self.nothing_to_do,
        }


def erase(
    *,
    domain: str,
    subject: str | None = None,
    record: str | None = None,
    pipeline: str | None = None,
    dry_run: bool = False,
    screen: Screen | None = None,
    workspace: Workspace | None = None,
) -> Erasure:
    """Erases what a domain holds about somebody, or one record, from data, caches and models.

    Near duplicates of the records hold the same person's text and leave with them. Versions of models that saw one of
    them, directly or through a base, a teacher or a tokenizer, are taken out of use at once and their files removed;
    `zoo retrain --due` makes new ones. The source is not touched: tombstones keep out of builds what it still has.
    After a kill, the same call goes on.

    Args:
        subject: as the source's field names who records are about.
        record: the id of one record, in all pipelines of the domain or in
        pipeline: this one.
        dry_run: only say what would be done; writes nothing.

    Raises:
        ConfigError: there is no such domain or pipeline, or neither or both of subject and record are given.
        DataError: nothing is found, or something stored is damaged.
        BusyError: another erasure, a build, or a training of the data goes on.
    """
    workspace, screen = workspace or Workspace.current(), screen or Screen()
    target = _target(workspace, domain, subject, record, pipeline)
    check_tombstones(workspace, domain)
    request = _request(workspace, domain, target)
    _warn_of_shared_files(workspace, domain, screen)
    if dry_run:
        known = read_journal(workspace.storage, domain, request)
        journal, _ = _plan(workspace, domain, target, screen)
        if known is not None and not journal.before:
            return Erasure(known, (), None, nothing_to_do=known.finished is not None)
        _require(journal, target)
        return Erasure(journal, tuple(models.retraining(models.open_tracking(workspace), journal)), None)
    with _one_at_a_time(workspace.storage):
        known = read_journal(workspace.storage, domain, request)
        if known is not None and known.finished is None:
            return _finish(workspace, known, screen)
        journal, stones = _plan(workspace, domain, target, screen)
        if known is not None and not journal.before:
            _remove_made(workspace, known)  # what a process that was at work then may have written afterwards
            return _result(workspace, known, nothing_to_do=True)
        _require(journal, target)
        for name, new in stones.items():
            add_tombstones(workspace.storage, name, new)
        counts = {name: len(read_tombstones(workspace.storage, name)) for name in stones}
        turn = 1 if known is None else known.turn + 1
        journal = journal.model_copy(update={"turn": turn, "tombstones": counts})
        write_journal(workspace.storage, journal)
        return _finish(workspace, journal, screen)


def _target(workspace: Workspace, domain: str, subject: str | None, record: str | None, pipeline: str | None) -> Target:
    if domain not in workspace.policy.domains and not _is_stored(workspace, domain):
        raise ConfigError(
            f'there is no domain "{domain}"{did_you_mean(domain, workspace.policy.domains)}',
            where=str(workspace.home / "zoo.yaml"),
            fix=f"known: {', '.join(sorted(workspace.policy.domains)) or 'none'}",
        )
    if bool(subject) == bool(record):
        raise ConfigError("give the subject or the record that is to be erased, one of them", where="erase")
    if pipeline is not None:
        if not record:
            raise ConfigError("a pipeline is for a record; a subject is erased from all", where="pipeline")
        workspace.pipeline(pipeline)
    return Target("subject", subject, domain) if subject else Target("record", str(record), domain, pipeline)


def _warn_of_shared_files(workspace: Workspace, domain: str, screen: Screen) -> None:
    for name in workspace.pipeline_names:
        spec = _spec(workspace, name)
        for other, files in shared_with(workspace, spec) if spec is not None and spec.domain == domain else ():
            where = f"{other.name} of the domain {other.domain}"
            screen.say(f"warning: {where} reads files of {name} ({files[0]}); erase there as well")


def _is_stored(workspace: Workspace, domain: str) -> bool:
    """Whether there is data of a domain that the policy no longer has."""
    return any(domain in version.label.domains for version in stored_versions(workspace.storage))


def _key(workspace: Workspace, domain: str) -> TombstoneKey:
    return TombstoneKey(workspace.keys.derive(domain, "tombstones"))


def _request(workspace: Workspace, domain: str, target: Target) -> str:
    return _key(workspace, domain).request(target.kind, target.name, target.pipeline or "")


def _plan(workspace: Workspace, domain: str, target: Target, screen: Screen) -> tuple[Journal, dict[str, Tombstones]]:
    """What there is to do, and the tombstones that come first; writes nothing."""
    searched = _searched(workspace, domain)
    found = find_records(target, searched, policy=workspace.policy, keys=workspace.keys, report=screen.progress)
    journal = Journal(request=_request(workspace, domain, target), domain=domain, kind=target.kind, started=_now())
    stones = {one.domain: read_tombstones(workspace.storage, one.domain) for one in searched}
    stones = {name: known | found.tombstones[name] for name, known in stones.items()}
    for one in searched:
        known = journal.pipelines.get(one.name, Found())
        before = tuple(sorted({*known.before, *_holding(workspace, one.versions, stones[one.domain])}))
        hits = found.hits[one.name]
        if hits.message is not None:
            screen.say(f"warning: a source of {one.name} could not be searched: {hits.message}")
        if before or hits.named or hits.others or hits.unread:
            counts = {"records": len(hits.named), "near_duplicates": len(hits.others)}
            journal = journal.with_found(one.name, before=before, unread=hits.unread, **counts)
    tracking = models.open_tracking(workspace)
    journal = models.note_models(workspace, tracking, journal)
    return models.note_unknown(workspace, tracking, journal), stones


def _require(journal: Journal, target: Target) -> None:
    if any(found.records for found in journal.pipelines.values()):
        return
    unread = [found.unread for found in journal.pipelines.values() if found.unread]
    raise DataError(
        f'nothing is found of this {target.kind} in the domain "{journal.domain}"',
        fix="check how the source names it" if not unread else f"a source could not be read: {unread[0]}",
    )


def _searched(workspace: Workspace, domain: str) -> list[Searched]:
    """All pipelines whose label has the domain, and those whose file is gone but that left versions or exclusions."""
    versions: dict[str, list[DatasetVersion]] = {}
    for version in stored_versions(workspace.storage):
        if domain in version.label.domains:
            versions.setdefault(version.pipeline, []).append(version)
    specs = {name: workspace.pipeline(name) for name in workspace.pipeline_names}
    named = {name for name, spec in specs.items() if domain in spec.label.domains}
    found = []
    for name in sorted({*versions, *named, *pipelines_that_left_out(workspace.storage, domain)}):
        spec, stored = specs.get(name), versions.get(name, ())
        own = {domain if spec is None else spec.domain}
        for its in sorted(own | {version.domain for version in stored}):  # the pipeline may have been another one's
            of_domain = tuple(version for version in stored if version.domain == its)
            left_out = exclusions_of(workspace.storage, name, its)
            found.append(
                Searched(name, its, spec if spec is not None and its == spec.domain else None, of_domain, left_out)
            )
    return found


def _holding(workspace: Workspace, versions: tuple[DatasetVersion, ...], stones: Tombstones) -> tuple[str, ...]:
    key = {version.domain: _key(workspace, version.domain) for version in versions}
    return tuple(sorted(v.digest for v in versions if holds_erased(v, stones, key[v.domain])))


def _finish(workspace: Workspace, journal: Journal, screen: Screen) -> Erasure:
    """All that follows the tombstones; each step may have been done before."""
    tracking = models.open_tracking(workspace)
    models.quarantine_models(workspace, tracking, journal)
    for name in [name for name, found in journal.pipelines.items() if found.holds]:
        journal = _renew(workspace, journal, name, screen)
        journal = _remove_old(workspace, journal, name)
    for name in [name for name, found in journal.pipelines.items() if found.unread and not found.holds]:
        _remove_unsearched(workspace, name)
    models.clear_slots(workspace, tracking, journal)
    journal = models.note_models(workspace, tracking, journal)  # a build or a training may just have ended
    write_journal(workspace.storage, journal)
    models.quarantine_models(workspace, tracking, journal)
    screen.progress("remove what was learned", 0, 0)
    models.purge_models(tracking, journal)
    _remove_made(workspace, journal)
    for name in models.retraining(tracking, journal):
        spec = _spec(workspace, name)
        if spec is not None and spec.refresh.on_erasure == "now":
            look_now(workspace.storage, name)
    journal = write_receipt(workspace, journal, _now())
    return _result(workspace, journal)


def _result(workspace: Workspace, journal: Journal, *, nothing_to_do: bool = False) -> Erasure:
    due = models.retraining(models.open_tracking(workspace), journal)
    receipt = ErasurePlace(workspace.storage, journal.domain).receipt(journal.name)
    return Erasure(journal, tuple(due), receipt, nothing_to_do)


def _renew(workspace: Workspace, journal: Journal, name: str, screen: Screen) -> Journal:
    """Brings a pipeline to a version without the erased: from its source, or from what it has."""
    spec, place = _spec(workspace, name), Place(workspace.storage, name)
    found = journal.pipelines[name]
    if spec is None or (not found.before and not place.latest.exists()):
        return journal
    try:
        result = build_data(spec, workspace, screen)
        changes = {"after": result.version.digest, "rewritten": False}
    except (DataError, ConfigError, PolicyRefused, DetectorError) as error:
        screen.say(f"warning: {name} is made from its last version, as its source gives none: {error}")
        version = _rewritten(workspace, spec, place)
        changes = {"after": None if version is None else version.digest, "rewritten": True}
    journal = journal.with_found(name, **changes)
    write_journal(workspace.storage, journal)
    return journal


def _rewritten(workspace: Workspace, spec: PipelineSpec, place: Place) -> DatasetVersion | None:
    """None where nothing is left that one could train on."""
    with locked(place):
        version = latest(spec, workspace.storage)
        stones, key = read_tombstones(workspace.storage, spec.domain), _key(workspace, spec.domain)
        if version is None or (version.domain == spec.domain and not holds_erased(version, stones, key)):
            return version
        if version.domain != spec.domain:  # of what another domain gave, nothing is made under this one's label
            return None
        try:
            fresh = rewrite(spec, version, place, lambda *row: is_erased(spec.name, *row, stones, key))
        except DataError as error:
            if "none falls into" in error.what:
                return None
            raise
        point_latest(place, fresh, build=None)
        return fresh


def _remove_old(workspace: Workspace, journal: Journal, name: str) -> Journal:
    """Removes the versions that held an erased record, and what builds left beside them."""
    place, spec, found = Place(workspace.storage, name), _spec(workspace, name), journal.pipelines[name]
    with locked(place):
        there = tuple(v for v in stored_versions(workspace.storage) if v.pipeline == name)
        stones = {v.domain: read_tombstones(workspace.storage, v.domain) for v in there}
        more = {digest for v in there for digest in _holding(workspace, (v,), stones[v.domain])}
        journal = journal.with_found(name, before=tuple(sorted({*found.before, *more})))
        journal = models.note_models(workspace, models.open_tracking(workspace), journal)
        write_journal(workspace.storage, journal)
        remove_versions(place, journal.pipelines[name].before)
        remove_traces(place, _kept_inputs(workspace, spec, found))
    return journal


def _remove_unsearched(workspace: Workspace, name: str) -> None:
    """What builds left beside the versions of a pipeline whose source nobody could search: it may hold the erased."""
    place = Place(workspace.storage, name)
    with locked(place):
        remove_traces(place, None)


def _kept_inputs(workspace: Workspace, spec: PipelineSpec | None, found: Found) -> str | None:
    if spec is None or found.rewritten or found.after is None:
        return None
    try:
        inputs = find_inputs(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage)
    except ZooError:  # what cannot be built is not known by its inputs: nothing that they left is kept
        return None
    return inputs.digest


def _remove_made(workspace: Workspace, journal: Journal) -> None:
    gone, tokenizers = orphans(workspace.storage, journal.domain)
    remove_tokens(workspace.storage, journal.before | gone, {*journal.tokenizers, *tokenizers})


def _spec(workspace: Workspace, name: str) -> PipelineSpec | None:
    return workspace.pipeline(name) if name in workspace.pipeline_names else None


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@contextmanager
def _one_at_a_time(storage: Path) -> Iterator[None]:
    import filelock

    path = storage / "locks" / "erase.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except filelock.Timeout:
        raise BusyError("another erasure goes on", where=str(path), fix="wait for it, or end it") from None
    except PermissionError as error:
        raise _unwritable(error, path) from None
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise
        raise _unwritable(error, path) from None


def _unwritable(error: OSError, path: Path) -> DataError:
    where = str(error.filename or path)
    fix = "see to permissions and space; the same command goes on"
    return DataError(f"cannot be read or written: {error.strerror}", where=where, fix=fix)
