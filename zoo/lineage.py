"""`zoo.lineage`: what a thing was made from and what was made from it.

    source ─▶ record ─▶ dataset version ─▶ run ─▶ model version ─▶ alias ─▶ answer
                                                       └─▶ model version (continued, or taught)

For the workspace's owner alone: no caller is asked, so no server may offer it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from governance.errors import ConfigError, DataError, RegistryError, did_you_mean
from registry import ModelVersion
from zoo.ancestry import Made, ancestors, datasets_of, descendants, made_from
from zoo.inventory import Inventory, record_hash, subject_hash
from zoo.recording import PICKED, STARTED
from zoo.workspace import Workspace

KINDS = ("record", "subject", "dataset", "model", "answer")
_ANSWER = re.compile(r"(?P<model>[^@/\s]+/[1-9][0-9]*)/[0-9a-f]{24}")
_MODEL = re.compile(r"[^@/\s]+(/[1-9][0-9]*|@[^@/\s]+)")
_DIGEST = re.compile(r"[0-9a-f]{4,64}")


@dataclass
class Things:
    """One side of a lineage; each thing is as it goes into JSON."""

    records: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Lineage:
    """What is known of a thing.

    Attributes:
        kind: one of "record", "subject", "dataset", "model", "answer".
        origins: what it was made from.
        uses: what was made from it.
        events: the ledger's entries about it.
    """

    thing: str
    kind: str
    origins: Things
    uses: Things
    events: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The object that `zoo lineage --json` prints."""
        return {**vars(self), "origins": vars(self.origins), "uses": vars(self.uses)}


def lineage(thing: str, *, domain: str | None = None, workspace: Workspace | None = None) -> Lineage:
    """Follows a thing both ways.

    Args:
        thing: "record:ID" or "subject:S" as they are in the source; the beginning of a dataset version's digest;
            "tax_domain.gpt/3" or "tax_domain.gpt@champion"; the id of an answer. Each may have its kind before it,
            as in "dataset:3f2a".
        domain: of a record or a subject; all domains if None.

    Raises:
        ConfigError: this is no such thing.
        DataError: there is no such thing, or a dataset version is damaged.
        RegistryError: there is no such model version.
        LedgerError: the ledger cannot be read.
    """
    workspace = workspace or Workspace.current()
    if domain is not None and domain not in workspace.policy.domains:
        known = workspace.policy.domains
        raise ConfigError(f'there is no domain "{domain}"{did_you_mean(domain, known)}', where="domain")
    kind, name = _kind_and_name(thing)
    if domain is not None and kind not in ("record", "subject"):
        raise ConfigError("a domain is given for a record or a subject", where="domain", fix="leave it out")
    inventory = Inventory(workspace)
    if kind in ("record", "subject"):
        return _of_records(inventory, kind, name, domain)
    return {"dataset": _of_dataset, "model": _of_model, "answer": _of_answer}[kind](inventory, name)


def _kind_and_name(thing: str) -> tuple[str, str]:
    kind, colon, name = thing.partition(":")
    if colon and kind in KINDS:
        return kind, name
    for kind, pattern in (("answer", _ANSWER), ("model", _MODEL), ("dataset", _DIGEST)):
        if pattern.fullmatch(thing):
            return kind, thing
    raise ConfigError(
        f'"{thing}" names no record, subject, dataset version, model or answer',
        fix="write record:ID, subject:S, the beginning of a digest, NAME/3, NAME@champion or the id of an answer",
    )


def _of_records(inventory: Inventory, kind: str, name: str, domain: str | None) -> Lineage:
    find = inventory.rows_of_record if kind == "record" else inventory.rows_of_subject
    rows = inventory.with_mixed(find(name, domain))
    key = record_hash if kind == "record" else subject_hash
    domains = [domain] if domain is not None else sorted(inventory.workspace.policy.domains)
    events = [event for its in domains for event in _events(inventory, key(inventory.workspace, its, name))]
    if not rows and not events:
        raise DataError(
            f"no dataset version has this {kind}", where=domain, fix="give it as it is in the source, case and all"
        )
    digests = sorted({row["dataset"] for row in rows})
    uses = _seen_by(inventory, digests)
    uses.datasets = [_dataset(inventory, digest) for digest in digests]
    return Lineage(f"{kind}:{name}", kind, Things(records=rows), uses, events)


def _of_dataset(inventory: Inventory, name: str) -> Lineage:
    known = {version.digest for version in inventory.datasets} | set(inventory.built)
    found = sorted(digest for digest in known if name and digest.startswith(name))
    if len(found) != 1:
        raise DataError(
            f'{"no" if not found else "more than one"} dataset version begins with "{name}"',
            fix=f"known: {', '.join(digest[:16] for digest in found or sorted(known)) or 'none yet'}",
        )
    digest = found[0]
    sources = sorted(inventory.sources_of([digest]) - {digest})
    of = [digest, *(one for one in sources if _is_known(inventory, one))]
    uses = _seen_by(inventory, inventory.derived([digest]))
    uses.datasets = [_dataset(inventory, one) for one in sorted(inventory.derived([digest]) - {digest})]
    origins = Things(datasets=[_dataset(inventory, one) for one in of])
    return Lineage(digest, "dataset", origins, uses, _events(inventory, digest))


def _of_model(inventory: Inventory, name: str) -> Lineage:
    name = _resolved(inventory, name)
    uses = _with_models(inventory, descendants([name], inventory.made))
    uses.answers = _answers(inventory, {name})
    return Lineage(name, "model", _origins(inventory, name), uses, _events(inventory, name))


def _of_answer(inventory: Inventory, name: str) -> Lineage:
    match = _ANSWER.fullmatch(name)
    if match is None:
        raise ConfigError(f'"{name}" is no id of an answer', fix="`zoo query --json` gives it")
    origins = _origins(inventory, _resolved(inventory, match["model"]))
    return Lineage(name, "answer", origins, Things(), _events(inventory, name))


def _origins(inventory: Inventory, name: str) -> Things:
    """What a model version was made from, itself among the models."""
    found = _with_models(inventory, {name} | ancestors(name, inventory.made))
    digests = inventory.sources_of(datasets_of(name, inventory.made, inventory.tokenizers))
    found.datasets = [_dataset(inventory, digest) for digest in sorted(digests) if _is_known(inventory, digest)]
    return found


def _seen_by(inventory: Inventory, digests: Collection[str]) -> Things:
    """What was made from dataset versions."""
    names = made_from(digests, inventory.made, inventory.tokenizers)
    found = _with_models(inventory, names)
    registered = {run["run"] for run in found.runs}
    found.runs += [run for run in _unregistered(inventory, digests) if run["run"] not in registered]
    found.answers = _answers(inventory, names)
    return found


def _with_models(inventory: Inventory, names: Collection[str]) -> Things:
    versions = [version for version in inventory.versions if str(version) in names]
    made = {one.name: one for one in reversed(inventory.made)}  # what is registered now comes first
    gone = sorted(set(names) - {str(version) for version in versions})
    return Things(
        models=[_model(version, made) for version in versions] + [_gone(name, made) for name in gone],
        runs=[{"run": version.run_id, "model": str(version)} for version in versions],
    )


def _unregistered(inventory: Inventory, digests: Collection[str]) -> Iterable[dict[str, Any]]:
    """Trainings that saw the data and have no version: stopped, failed, or their version was deleted."""
    for entry in inventory.workspace.ledger.entries(STARTED):
        if entry.content["dataset"] in digests:
            yield {"run": entry.content["run"], "model": None}


def _model(version: ModelVersion, made: dict[str, Made]) -> dict[str, Any]:
    return {
        "model": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "quarantined": version.quarantined,
        "run": version.run_id,
        "domain": version.domain,
        "registered": True,
        **_parts(made[str(version)]),
    }


def _gone(name: str, made: dict[str, Made]) -> dict[str, Any]:
    """A version that was deleted, or a folder that a training continued from."""
    model, _, number = name.rpartition("/")
    known = {"model": model or name, "version": int(number) if number.isdecimal() and model else None}
    return known | {"registered": False, **(_parts(made[name]) if name in made else {})}


def _parts(made: Made) -> dict[str, Any]:
    return {"dataset": made.dataset, "base": made.base or None, "teacher": made.teacher or None}


def _dataset(inventory: Inventory, digest: str) -> dict[str, Any]:
    version = next((version for version in inventory.datasets if version.digest == digest), None)
    if version is None:
        known = inventory.built[digest]
        return {"digest": digest, "present": False} | {n: known.get(n) for n in ("pipeline", "domain", "label")}
    return {
        "digest": digest,
        "present": True,
        "pipeline": version.pipeline,
        "domain": version.domain,
        "label": version.label.to_list(),
        "records": version.total_records,
        "sources": list(version.sources.names),
        "path": str(version.path),
    }


def _is_known(inventory: Inventory, digest: str) -> bool:
    """An adopted tokenizer names where it came from in the place of a dataset version."""
    return digest in inventory.built or any(version.digest == digest for version in inventory.datasets)


def _answers(inventory: Inventory, models: Collection[str]) -> list[dict[str, Any]]:
    """Those that were recorded: a sample."""
    picks = inventory.workspace.ledger.entries(PICKED)
    return [{"time": pick.time, **pick.content} for pick in picks if pick.content.get("model") in models]


def _events(inventory: Inventory, about: str) -> list[dict[str, Any]]:
    return [entry.to_json() for entry in inventory.workspace.ledger.entries(about=about)]


def _resolved(inventory: Inventory, reference: str) -> str:
    """The version's name and number; also of one that is quarantined or deleted."""
    known = {str(version) for version in inventory.versions} | {one.name for one in inventory.made}
    aliased = {f"{v.name}@{alias}": str(v) for v in inventory.versions for alias in v.aliases}
    found = aliased.get(reference, reference)
    if found not in known:
        hint = did_you_mean(reference, known | set(aliased))
        raise RegistryError(f'there is no model version "{reference}"{hint}', fix="see `zoo models`")
    return found
