"""`build`: from a pipeline's sources to a dataset version, doing only what is not done yet.

    sources ─▶ stage ─▶ judge ───▶ select ─▶ filter personal data ─▶ assemble ─▶ dataset version
               repair,  language,  exact and  Presidio, policy       shards,
               buckets  quality,   near       operators, cached      manifest, digest
                        cached     dedup

A build is identified by its inputs: file contents, spec, privacy rules, detectors, key. A second
build of the same inputs finds the first one's result and does nothing. A build that was killed
starts again and finds the texts that it had filtered in the step cache.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from governance.errors import DataError
from governance.keys import Keys
from governance.policy import Policy
from pipelines.assemble import assemble
from pipelines.atomic import write_json
from pipelines.cards import Traces, describe, write_card
from pipelines.curate import filter_buckets, judge_buckets, repair_version, select_buckets, stage
from pipelines.curate.buckets import BUCKETS, read_bucket
from pipelines.curate.exclusions import write_exclusions
from pipelines.curate.judge import read_reasons
from pipelines.curate.parts_filter import parts_fingerprint
from pipelines.curate.personal_data import FilterJob
from pipelines.curate.stage import EMPTY_FILE, Report
from pipelines.curate.steps import judges, versions
from pipelines.place import (
    Place,
    is_ours,
    keep_quarantine,
    last_build,
    latest_version,
    locked,
    remove_leftovers,
    remove_superseded,
    work_folder,
)
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
from pipelines.versions import DatasetVersion, changed_records

if TYPE_CHECKING:
    from governance.pii import Detector


@dataclass(frozen=True)
class BuildResult:
    """A dataset version and how it came about. `reused` tells that nothing had to be done."""

    version: DatasetVersion
    dropped: dict[str, int]
    quarantined: int
    quarantine: str | None
    exclusions: str | None
    card: str
    changed: dict[str, int]
    reused: bool

    def to_json(self) -> dict[str, object]:
        """The object that `zoo data build --json` prints."""
        return {
            "pipeline": self.version.pipeline,
            "digest": self.version.digest,
            "path": str(self.version.path),
            "records": self.version.total_records,
            "bytes": self.version.total_bytes,
            "dropped": self.dropped,
            "quarantined": self.quarantined,
            "quarantine": self.quarantine,
            "exclusions": self.exclusions,
            "card": self.card,
            "changed": self.changed,
            "label": self.version.label.to_list(),
            "splits": self.version.records,
            "personal_data": self.version.pii,
            "reused": self.reused,
        }


@dataclass(frozen=True)
class Inputs:
    """Everything that a build depends on, listed and checked before any record is read."""

    sources: list[tuple[SourceSpec, SourceItem]]
    digest: str
    filter_fingerprint: str
    steps: str

    def labelled(self, spec: PipelineSpec) -> PipelineSpec:
        """The spec with the label and the origin of what it builds from other pipelines."""
        others = [item for _, item in self.sources if isinstance(item, OtherPipeline)]
        domains = sorted({domain for other in others for domain in other.label})
        derived = {name: digest for other in others for name, digest in other.derived_from.items()}
        return spec.model_copy(update={"joined": tuple(domains), "derived_from": derived})


def build(
    spec: PipelineSpec,
    *,
    policy: Policy,
    keys: Keys,
    storage: Path,
    processes: int | None = None,
    report: Report = lambda stage, done, total: None,
) -> BuildResult:
    """Builds the dataset version of a pipeline's present sources.

    Args:
        storage: the workspace's storage root; nothing is written outside it.
        processes: for filtering personal data; the result does not depend on it. All cores if None.
        report: called with (stage, done, total); total 0 means unknown. Units: rows, characters.

    Raises:
        PolicyRefused: the domain is not in the policy.
        DetectorError: a detector that the domain's privacy rules need is missing.
        DataError: the sources are unreadable, misfiled or empty, or the disk is full.
    """
    policy.check(spec.label, sink=spec.domain, purpose="build")
    place = Place(storage, spec.name)
    inputs = find_inputs(spec, policy=policy, keys=keys, storage=storage)
    if (known := _known_result(place, inputs)) is not None:
        return known
    with locked(place):
        if (known := _known_result(place, inputs)) is not None:
            return known
        return _build(spec, inputs, policy, keys, place, processes or os.cpu_count() or 1, report)


def find_inputs(spec: PipelineSpec, *, policy: Policy, keys: Keys, storage: Path) -> Inputs:
    """Lists the sources and fingerprints all inputs of a build. Reads changed files once, for hashing."""
    from governance.pii import check_rules, filter_fingerprint

    rules = policy.domains[spec.domain].pii
    check_rules(rules, where=f"zoo.yaml: domains.{spec.domain}.pii")
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
    parts = ["4", repair_version(), readers, steps, content, spec.digest, fingerprint]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return Inputs(sources, digest, fingerprint, steps)


def _items(spec: PipelineSpec, source: SourceSpec, storage: Path) -> list[SourceItem]:
    if source.pipeline is not None:
        return [OtherPipeline.of(source.pipeline, storage, builds=spec.name)]
    items = list_items(source, spec.folder)
    for item in items:
        path = item.folder if isinstance(item, TfdsSource) else getattr(item, "url", "").removeprefix("file://")
        if is_ours(path, storage):
            raise DataError(
                "a build wrote this, and its label would be lost",
                where=item.name,
                fix="name the pipeline: `- pipeline: NAME`",
            )
    return items


def latest(spec: PipelineSpec, storage: Path) -> DatasetVersion | None:
    """The version that the pipeline's last build gave; None before the first, or when it was removed.

    Raises:
        DataError: it is damaged.
    """
    return latest_version(Place(storage, spec.name))


def latest_card(spec: PipelineSpec, storage: Path) -> Path | None:
    """The data card (JSON) of the pipeline's last build; None before the first, or when it was removed.

    Raises:
        DataError: what the last build left is damaged.
    """
    place = Place(storage, spec.name)
    card = place.card(str(last_build(place).get("build", "")))
    return card if card.is_file() else None


def _known_result(place: Place, inputs: Inputs) -> BuildResult | None:
    path = place.inputs / f"{inputs.digest[:32]}.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it only remembers: what cannot be read is computed again
        return None
    folder = place.datasets / str(known.get("digest", ""))[:16]
    if not known.get("digest") or not folder.is_dir():
        return None
    version = DatasetVersion.open(folder)
    if version.sources.digest != known.get("sources"):  # replaced by one of the same text from other sources
        return None
    excluded, card = known.get("exclusions"), place.card(inputs.digest)
    if not card.is_file() or (excluded is not None and not Path(excluded).is_file()):
        return None
    previous = latest_version(place)
    _point_latest(place, version, inputs)
    return BuildResult(
        version,
        known["dropped"],
        known["quarantined"],
        known["quarantine"],
        excluded,
        str(card),
        changed_records(previous or version, version),
        reused=True,
    )


def _build(
    spec: PipelineSpec,
    inputs: Inputs,
    policy: Policy,
    keys: Keys,
    place: Place,
    processes: int,
    report: Report,
) -> BuildResult:
    spec = inputs.labelled(spec)
    previous = latest_version(place)
    remove_leftovers(place)
    with work_folder(place) as work:
        quarantine = work / "quarantine.jsonl"
        try:
            staged = stage(
                spec,
                inputs.sources,
                work / "staged",
                quarantine,
                text_key=keys.derive(spec.domain, "texts"),
                subject_key=keys.derive(spec.domain, "subjects"),
                detector=_detector_of_names(policy, spec.domain),
                report=report,
            )
        finally:
            kept = keep_quarantine(quarantine, place.quarantine(inputs.digest))
        _check_unchanged(spec, inputs)
        dropped = staged.dropped + _select(spec, place, work, processes, report)
        _check_unchanged(spec, inputs)
        cache = place.cache("filtered", inputs.filter_fingerprint)
        job = FilterJob(
            rules=policy.domains[spec.domain].pii,
            key=keys.derive(spec.domain, "pseudonyms"),
            hash_key=keys.derive(spec.domain, "pii-hashes"),
        )
        filter_buckets(work / "selected", cache, job, processes=processes, report=report)
        report("write shards", 0, 0)
        version = assemble(spec, work / "selected", cache, place.datasets)
        excluded = place.exclusions(inputs.digest)
        cache_of_excluded = place.cache("excluded", inputs.filter_fingerprint)
        filter_buckets(work / "excluded", cache_of_excluded, job, processes=processes, report=report)
        write_exclusions(work / "excluded", cache_of_excluded, work / "staged" / EMPTY_FILE, excluded, version.label)
    traces = Traces(inputs.digest, excluded, place.quarantine(inputs.digest) if kept else None)
    write_card(describe(spec, version, traces), place.card(inputs.digest))
    result = BuildResult(
        version=version,
        dropped=dict(sorted(dropped.items())),
        quarantined=staged.quarantined,
        quarantine=str(place.quarantine(inputs.digest)) if kept else None,
        exclusions=str(excluded) if dropped else None,
        card=str(place.card(inputs.digest)),
        changed=changed_records(previous, version),
        reused=False,
    )
    content: dict[str, object] = {"digest": version.digest, "dropped": result.dropped}
    content |= {"sources": version.sources.digest}
    content |= {"quarantined": result.quarantined, "quarantine": result.quarantine}
    content |= {"exclusions": result.exclusions}
    write_json(place.inputs / f"{inputs.digest[:32]}.json", content)
    _point_latest(place, version, inputs)
    remove_superseded(cache)
    remove_superseded(cache_of_excluded)
    return result


def _select(spec: PipelineSpec, place: Place, work: Path, processes: int, report: Report) -> Counter[str]:
    """Judges the staged records, where the pipeline asks for it, and divides them. Returns drops by reason."""
    steps = judges(spec.curate)
    judged = place.cache("judged", versions(steps))
    if steps:
        judge_buckets(work / "staged", judged, spec.curate, processes=processes, report=report)
    dropped = select_buckets(
        work / "staged",
        work / "selected",
        work / "excluded",
        dedup=spec.curate.dedup,
        reasons=lambda bucket: read_reasons(judged, bucket),
    )
    remove_superseded(judged)
    _check_something_stays(spec, work / "selected", dropped)
    return dropped


def _check_something_stays(spec: PipelineSpec, selected: Path, dropped: Counter[str]) -> None:
    if any(read_bucket(selected, bucket, ["id"]).num_rows for bucket in range(BUCKETS)):
        return
    counts = ", ".join(f"{reason} {count:,}" for reason, count in dropped.most_common(5))
    raise DataError(
        f"the steps of curate dropped all records: {counts}",
        where=spec.name,
        fix="loosen them, see docs/pipelines.md",
    )


def _detector_of_names(policy: Policy, domain: str) -> Detector | None:
    """Finds in ids and file names what has a fixed form; a model of language would guess there."""
    from governance.pii import Detector, entities_to_find
    from governance.pii.entities import STRUCTURED_TYPES

    # Each path of a source in a bucket is a URL.
    wanted = entities_to_find(policy.domains[domain].pii) & STRUCTURED_TYPES - {"URL"}
    return Detector.create(entities=wanted) if wanted else None


def _point_latest(place: Place, version: DatasetVersion, inputs: Inputs) -> None:
    content = {"digest": version.digest, "build": inputs.digest}
    try:
        if json.loads(place.latest.read_text(encoding="utf-8")) == content:
            return
    except (FileNotFoundError, ValueError):
        pass
    write_json(place.latest, content)


def _check_unchanged(spec: PipelineSpec, inputs: Inputs) -> None:
    """A file that changes while it is read would give a version that no source ever had."""
    for _, file in inputs.sources:
        if not file.unchanged():
            raise DataError("the file changed while it was read", where=file.name, fix="run the same command again")
    if versions(judges(spec.curate)) != inputs.steps:
        suites = "the evaluation suites changed while the build used them"
        raise DataError(suites, where=spec.name, fix="run the same command again")
