"""What a build depends on: its sources, its spec, the domain's rules, the detectors, the erased, the day."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path

from governance.erasure import TombstoneKey
from governance.errors import DataError
from governance.keys import Keys
from governance.policy import Policy
from pipelines.curate import repair_version
from pipelines.curate.erased import Barred
from pipelines.curate.parts_filter import parts_fingerprint
from pipelines.curate.retention import Retention, known_since
from pipelines.curate.steps import judges, versions
from pipelines.erasure.store import read_tombstones
from pipelines.measured import check_measured
from pipelines.place import Place, is_ours, last_build
from pipelines.sources import (
    OtherPipeline,
    SourceFile,
    SourceItem,
    TfdsSource,
    list_items,
    reader_version,
    source_digest,
)
from pipelines.spec import PipelineSpec, SourceSpec


@dataclass(frozen=True)
class InForce:
    """The retention of the domain's records.

    Attributes:
        note: says how long the result of these inputs holds.
        since: the day whose result holds today; today, where no result does.
    """

    rule: Retention
    note: Path
    since: datetime.date

    @classmethod
    def of(cls, rule: Retention, note: Path) -> InForce:
        return cls(rule, note, known_since(note, rule.today))


@dataclass(frozen=True)
class Inputs:
    """Everything that a build depends on, listed and checked before any record is read.

    Attributes:
        base: digest of the version whose records stay, "" for none yet; None where none do.
    """

    sources: list[tuple[SourceSpec, SourceItem]]
    digest: str
    filter_fingerprint: str
    steps: str
    barred: Barred
    retention: InForce | None
    base: str | None

    def labelled(self, spec: PipelineSpec) -> PipelineSpec:
        """The spec with the label and the origin of what it builds from other pipelines."""
        others = [item for _, item in self.sources if isinstance(item, OtherPipeline)]
        domains = sorted({domain for other in others for domain in other.label})
        derived = {name: digest for other in others for name, digest in other.derived_from.items()}
        return spec.model_copy(update={"joined": tuple(domains), "derived_from": derived})


def find_inputs(
    spec: PipelineSpec, *, policy: Policy, keys: Keys, storage: Path, today: datetime.date | None = None
) -> Inputs:
    """Lists the sources and fingerprints all inputs of a build. Reads changed files once, for hashing.

    Where the domain has a retention, the day is an input too, and changes whenever a record passes its time.
    """
    from governance.pii import check_rules, filter_fingerprint

    rules, floors = policy.domains[spec.domain].pii, policy.domains[spec.domain].pii_floors
    check_rules(rules, where=f"zoo.yaml: domains.{spec.domain}.pii", floors=floors)
    check_measured(policy, spec.domain, storage)
    place = Place(storage, spec.name)
    sources = [(source, item) for source in spec.sources for item in _items(spec, source, storage)]
    for _, item in sources:
        if isinstance(item, OtherPipeline):
            policy.check(spec.label | item.label, sink=spec.domain, purpose="build")
    content = source_digest([file for _, file in sources], place.stamps)
    fingerprint = parts_fingerprint(filter_fingerprint(rules, keys.derive(spec.domain, "pseudonyms")))
    steps = versions(judges(spec.curate))
    formats = sorted({file.format for _, file in sources if isinstance(file, SourceFile)})
    readers = "".join(map(reader_version, formats))
    parts = ["8", repair_version(), readers, steps, content, spec.digest, fingerprint]
    tombstones = read_tombstones(storage, spec.domain)
    if tombstones:
        parts.append(tombstones.digest)
    barred = Barred.of(spec, tombstones, TombstoneKey(keys.derive(spec.domain, "tombstones")))
    rule = None
    if (days := policy.domains[spec.domain].retention_days) is not None:
        rule = Retention(days, today or _utc_date(), keys.derive(spec.domain, "first-seen"), place.first_seen)
    base, digest, retention = None, *_digest(parts, place, rule)
    if spec.refresh.mode == "incremental":
        base, digest, retention = _with_base(parts, place, rule)
    return Inputs(sources, digest, fingerprint, steps, barred, retention, base)


def _digest(parts: list[str], place: Place, rule: Retention | None) -> tuple[str, InForce | None]:
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    if rule is None:
        return digest, None
    digest = hashlib.sha256(f"{digest}\0{rule.days}".encode()).hexdigest()
    retention = InForce.of(rule, place.inputs / f"{digest[:32]}.retention.json")
    return hashlib.sha256(f"{digest}\0{retention.since}".encode()).hexdigest(), retention


def _with_base(parts: list[str], place: Place, rule: Retention | None) -> tuple[str, str, InForce | None]:
    """The base of the last build if nothing else has changed since: its result would be the same again. Else the last
    build's result."""
    last = last_build(place)
    for base in (last.get("base", ""), last.get("digest", "")):
        digest, retention = _digest([*parts, f"keeps the records of {base}"], place, rule)
        if digest == last.get("build"):
            break
    return base, digest, retention


def _items(spec: PipelineSpec, source: SourceSpec, storage: Path) -> list[SourceItem]:
    if source.pipeline is not None:
        return [OtherPipeline.of(source.pipeline, storage, builds=spec.name)]
    items = list_items(source, spec.folder)
    for item in items:
        if isinstance(item, TfdsSource | SourceFile) and is_ours(_path(item), storage):
            raise DataError(
                "a build wrote this, and its label would be lost",
                where=item.name,
                fix="name the pipeline: `- pipeline: NAME`",
            )
    return items


def _path(item: TfdsSource | SourceFile) -> str:
    return item.folder if isinstance(item, TfdsSource) else item.url.removeprefix("file://")


def _utc_date() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def check_unchanged(spec: PipelineSpec, inputs: Inputs) -> None:
    """A file that changes while it is read would give a version that no source ever had."""
    for _, file in inputs.sources:
        if not file.unchanged():
            raise DataError("the file changed while it was read", where=file.name, fix="run the same command again")
    if versions(judges(spec.curate)) != inputs.steps:
        suites = "the evaluation suites changed while the build used them"
        raise DataError(suites, where=spec.name, fix="run the same command again")
