"""What the workspace's ledger is told: builds, trainings, versions, aliases and grants.

Each entry is made after the thing itself. A process that is killed in between leaves a thing without its entry. The
same command makes up for it, since nothing here is recorded twice, and so do every later training, retraining and
`zoo lineage`, which compare all registered versions with the ledger (`record_versions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from governance.errors import ZooError
from governance.policy import Policy
from registry import ModelVersion, Tracking, list_versions
from registry.versions import FINGERPRINT
from zoo.ancestry import Made
from zoo.workspace import Workspace

if TYPE_CHECKING:
    from governance.ledger import Entry, Json
    from pipelines import BuildResult
    from zoo.job import Job

BUILT = "data.built"
STARTED, FINISHED, FAILED = "training.started", "training.finished", "training.failed"
REGISTERED = "model.registered"
QUARANTINED = "model.quarantined"
ALIAS_MOVED = "alias.moved"
POLICY_CHANGED = "policy.changed"
PICKED = "answer.picked"


def record_build(workspace: Workspace, result: BuildResult) -> None:
    """A dataset version that is not recorded yet.

    Raises:
        LedgerError, BusyError: the ledger cannot be written.
    """
    version = result.version
    workspace.ledger.ensure(
        BUILT,
        version.digest,
        {
            "pipeline": version.pipeline,
            "domain": version.domain,
            "label": list(version.label),
            "records": dict(version.records),
            "dropped": dict(result.dropped),
            "quarantined": result.quarantined,
            "sources": version.sources.digest,
        },
    )


@contextmanager
def recorded_training(job: Job, run_id: str) -> Iterator[None]:
    """The beginning and the end of a training; resumed, it begins once.

    Raises:
        LedgerError, BusyError: the ledger cannot be written.
    """
    ledger, fingerprint = job.workspace.ledger, job.identity.fingerprint
    facts: dict[str, Json] = {
        "run": run_id,
        "model": job.model_name,
        "size": job.size.name,
        "objective": job.objective_name,
        "label": list(job.label),
        "dataset": job.data.version.digest,
        "tokenizer": job.tokens.tokenizer_digest,
        "base": None if job.base is None else job.base.base.name,
        "base_digest": None if job.base is None else job.base.digest,
        "teacher": None if job.teacher is None else str(job.teacher.version),
        "policy": job.workspace.policy.digest,
    }
    ledger.ensure(STARTED, fingerprint, facts)
    try:
        yield
    except BaseException as error:
        with suppress(ZooError):  # the error that ended the training is the one to report
            ledger.append(FAILED, fingerprint, {"run": run_id, "error": type(error).__name__})
        raise
    ledger.ensure(FINISHED, fingerprint, {"run": run_id})


def record_version(workspace: Workspace, version: ModelVersion) -> None:
    """A registered version that is not recorded yet, and the aliases that point to it.

    Raises:
        LedgerError, BusyError: the ledger cannot be written.
    """
    _registered(workspace, version)
    for alias in version.aliases:
        _alias(workspace, f"{version.name}@{alias}", version.version)


def record_versions(workspace: Workspace, tracking: Tracking) -> list[ModelVersion]:
    """Makes up what is missing in the ledger about any version: entries that a kill prevented, and aliases that were
    moved by other programs. Returns all versions.

    Raises:
        LedgerError, BusyError: the ledger cannot be written.
        RegistryError: the registry cannot be read.
    """
    versions = list_versions(tracking)
    ledger = workspace.ledger
    recorded = {(entry.about, entry.content.get("run")) for entry in ledger.entries(REGISTERED)}
    quarantined = {entry.about for entry in ledger.entries(QUARANTINED)}
    for version in versions:
        if (str(version), version.run_id) not in recorded:
            _registered(workspace, version)
        if version.quarantined is not None and str(version) not in quarantined:
            ledger.ensure(QUARANTINED, str(version), {"run": version.run_id})
    known = {entry.about: entry.content.get("version") for entry in ledger.entries(ALIAS_MOVED)}
    now = {f"{version.name}@{alias}": version.version for version in versions for alias in version.aliases}
    for name in sorted(known | now):
        if known.get(name) != now.get(name):
            _alias(workspace, name, now.get(name))
    return versions


def record_grants(workspace: Workspace) -> None:
    """What changed in the policy since it was recorded last: who may newly ask which domain, and who no longer.

    Raises:
        LedgerError, BusyError: the ledger cannot be written.
    """
    digest, grants = workspace.policy.digest, _grants(workspace.policy)

    def changed(latest: Entry | None) -> Mapping[str, Json] | None:
        before = {} if latest is None else latest.content
        if before.get("policy") == digest:
            return None
        known = before.get("grants", [])
        old = set(known) if isinstance(known, list) else set()
        return {
            "policy": digest,
            "grants": list(grants),
            "granted": sorted(set(grants) - old),
            "revoked": sorted(old - set(grants)),
        }

    workspace.ledger.append_after(POLICY_CHANGED, "policy", changed)


def made_before(workspace: Workspace) -> list[Made]:
    """What each version was made from that the ledger knows, also of those that are no longer registered."""
    names = set(Made.__dataclass_fields__)
    found = []
    for entry in workspace.ledger.entries(REGISTERED):
        content = {name: value for name, value in entry.content.items() if name in names and isinstance(value, str)}
        found.append(Made(**content | {"name": entry.about}))
    return found


def _registered(workspace: Workspace, version: ModelVersion) -> None:
    made = {name: value for name, value in vars(Made.of(version)).items() if value and name != "name"}
    body: dict[str, Json] = {
        "run": version.run_id,
        "fingerprint": version.tags.get(FINGERPRINT, ""),
        "domain": version.domain,
        "pipeline": version.pipeline,
        "label": list(version.label),
        **made,
    }

    def unless_recorded(latest: Entry | None) -> Mapping[str, Json] | None:
        # A registered model that was deleted and made anew counts from 1 again.
        return None if latest is not None and latest.content.get("run") == version.run_id else body

    workspace.ledger.append_after(REGISTERED, str(version), unless_recorded)


def _alias(workspace: Workspace, name: str, number: int | None) -> None:
    workspace.ledger.ensure_latest(ALIAS_MOVED, name, {"version": number})


def _grants(policy: Policy) -> Sequence[str]:
    """As "caller -> domain: purposes", sorted."""
    return sorted(
        f"{name} -> {domain_name}: {', '.join(sorted(domain.purposes))}"
        for domain_name, domain in policy.domains.items()
        for name, caller in policy.callers.items()
        if set(caller.roles) & set(domain.readers)
    )
