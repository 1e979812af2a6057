"""`build`: from a pipeline's sources to a dataset version, doing only what is not done yet.

    sources ─▶ stage ─▶ judge ───▶ select ─▶ filter personal data ─▶ assemble ─▶ dataset version
               repair,  language,  exact and  Presidio, policy       shards,
               buckets  quality,   near       operators, cached      manifest, digest
                        cached     dedup

What was erased (`pipelines.erasure`) leaves the staged records before they are judged.

A build is identified by its inputs: file contents, spec, privacy rules, detectors, key. A second
build of the same inputs finds the first one's result and does nothing. A build that was killed
starts again and finds the texts that it had filtered in the step cache.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from governance.errors import DataError
from governance.keys import Keys
from governance.policy import Policy
from pipelines.assemble import assemble
from pipelines.atomic import write_json
from pipelines.cards import Traces, describe, write_card
from pipelines.curate import (
    LocalPool,
    NearDuplicates,
    Runner,
    filter_buckets,
    judge_buckets,
    leave_near_duplicates,
    near,
    repair_version,
    select_buckets,
    sign_buckets,
    stage,
)
from pipelines.curate.buckets import BUCKETS, read_bucket
from pipelines.curate.erased import ERASED, drop_erased
from pipelines.curate.exclusions import write_exclusions
from pipelines.curate.identify import Identifier
from pipelines.curate.judge import read_reasons
from pipelines.curate.personal_data import FilterJob, FilterTask
from pipelines.curate.retention import RETENTION, retain_buckets
from pipelines.curate.seen import KEYS_FILE, seen
from pipelines.curate.stage import EMPTY_FILE, Report, Staged, set_repeated_aside
from pipelines.curate.steps import judges
from pipelines.erasure.store import read_tombstones
from pipelines.extend import Extension, remove_taken, taken_signatures
from pipelines.inputs import InForce, Inputs, check_unchanged, find_inputs
from pipelines.latest import point_latest
from pipelines.place import (
    Place,
    earlier_traces,
    keep_quarantine,
    label_caches,
    last_build,
    latest_version,
    locked,
    remove_earlier_traces,
    remove_leftovers,
    remove_superseded,
    work_folder,
)
from pipelines.spec import PipelineSpec
from pipelines.versions import DatasetVersion, changed_records


@dataclass(frozen=True)
class BuildResult:
    """A dataset version and how it came about. `reused` tells that nothing had to be done; `kept` counts records that
    the sources no longer have."""

    version: DatasetVersion
    dropped: dict[str, int]
    quarantined: int
    quarantine: str | None
    exclusions: str | None
    card: str
    changed: dict[str, int]
    reused: bool
    kept: int = 0

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
            "kept": self.kept,
            "label": self.version.label.to_list(),
            "splits": self.version.records,
            "personal_data": self.version.pii,
            "reused": self.reused,
        }


def build(
    spec: PipelineSpec,
    *,
    policy: Policy,
    keys: Keys,
    storage: Path,
    processes: int | None = None,
    runner: Runner | None = None,
    report: Report = lambda stage, done, total: None,
    today: datetime.date | None = None,
) -> BuildResult:
    """Builds the dataset version of a pipeline's present sources.

    Args:
        storage: the workspace's storage root; nothing is written outside it.
        processes: of this machine, all cores if None; the result does not depend on it.
        runner: works through the steps in their place.
        report: called with (stage, done, total); total 0 means unknown. Units: rows, characters.
        today: from which the domain's retention counts; the date in UTC if None.

    Raises:
        PolicyRefused: the domain is not in the policy, or has floors that the detectors have not passed.
        DetectorError: a detector that the domain's privacy rules need is missing.
        DataError: the sources are unreadable, misfiled or empty, or the disk is full.
    """
    policy.check(spec.label, sink=spec.domain, purpose="build")
    place = Place(storage, spec.name)
    inputs = find_inputs(spec, policy=policy, keys=keys, storage=storage, today=today)
    if (known := _known_result(place, inputs)) is not None and _is_present(place, inputs, known.version):
        return known
    with locked(place, lambda: report("wait for another build of this pipeline", 0, 0)):
        if read_tombstones(storage, spec.domain) != inputs.barred.tombstones:  # erased while this build waited
            inputs = find_inputs(spec, policy=policy, keys=keys, storage=storage, today=today)
        if (known := _known_result(place, inputs)) is None:
            work = runner or LocalPool(processes or os.cpu_count() or 1)
            return _build(spec, inputs, policy, keys, place, work, report)
        _make_present(spec, place, inputs, known.version)
        return known


def _known_result(place: Place, inputs: Inputs) -> BuildResult | None:
    try:
        known = json.loads(_note(place, inputs).read_text(encoding="utf-8"))
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
    return BuildResult(
        version,
        known["dropped"],
        known["quarantined"],
        known["quarantine"],
        excluded,
        str(card),
        changed_records(previous or version, version),
        reused=True,
        kept=known.get("kept", 0),
    )


def _build(
    spec: PipelineSpec,
    inputs: Inputs,
    policy: Policy,
    keys: Keys,
    place: Place,
    runner: Runner,
    report: Report,
) -> BuildResult:
    spec = inputs.labelled(spec)
    remove_leftovers(place)
    label_caches(place, spec.label)
    previous, carried = latest_version(place), 0
    caches = _caches(place, inputs)
    job = FilterJob(policy.domains[spec.domain].pii, keys.of(spec.domain))
    filter_task = FilterTask(place.work / "selected", caches["filtered"], job)
    ahead = runner.ahead(filter_task) if job.is_slow_to_load else nullcontext()
    with work_folder(place) as work, ahead:
        extension = _extension(spec, previous, inputs, place, work)
        quarantine = work / "quarantine.jsonl"
        more = 0 if extension is None else extension.previous.total_records
        try:
            with (
                seen(caches["sound"] / KEYS_FILE, work) as sound,
                seen(caches["harmless"] / KEYS_FILE, work) as harmless,
            ):
                identify = Identifier.of(spec, policy, keys, sound=sound, harmless=harmless)
                staged = stage(
                    spec,
                    inputs.sources,
                    work / "staged",
                    quarantine,
                    identify=identify,
                    barred=inputs.barred,
                    report=report,
                    more=more,
                )
            check_unchanged(spec, inputs)
            if extension is not None:
                extension.begin()
            if erased := drop_erased(work / "staged", inputs.barred):
                staged.dropped[ERASED] += erased
            until = _retain(spec, work / "staged", inputs.retention, staged, extension is not None)
            today = None if extension is None else extension.today
            set_repeated_aside(spec, staged, work / "staged", today, quarantine, more=more)
        finally:
            kept = keep_quarantine(quarantine, place.quarantine(inputs.digest))
        dropped = staged.dropped + _select(spec, caches, work, runner, report)
        check_unchanged(spec, inputs)

        def filter_into(texts: Path, cache: Path) -> None:
            filter_buckets(texts, cache, job, runner=runner, report=report)

        parts = work / "selected", caches["filtered"]
        filter_into(*parts)
        if extension is not None:
            report("keep what the sources no longer have", 0, 0)
            stays = extension.finish(
                parts[1], text_key=identify.key_of, filter_into=filter_into, filtered_by=_filtered_by(place)
            )
            parts, carried = (stays.selected, stays.filtered), stays.records
            until = min(filter(None, (until, stays.until)), default=None)
        _check_something_stays(spec, parts[0], dropped)
        report("write shards", 0, 0)
        version = assemble(spec, *parts, place.datasets, previous)
        excluded = place.exclusions(inputs.digest)
        filter_into(work / "excluded", caches["excluded"])
        write_exclusions(work / "excluded", caches["excluded"], work / "staged" / EMPTY_FILE, excluded, version.label)
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
        kept=carried,
    )
    content: dict[str, object] = {"digest": version.digest, "dropped": result.dropped}
    content |= {"sources": version.sources.digest}
    content |= {"quarantined": result.quarantined, "quarantine": result.quarantine}
    content |= {"exclusions": result.exclusions, "filter": inputs.filter_fingerprint, "kept": carried}
    write_json(_note(place, inputs), content)
    if inputs.retention is not None:
        write_json(inputs.retention.note, {"since": str(inputs.retention.since), "until": str(until)})
    _make_present(spec, place, inputs, version)
    return result


def _extension(
    spec: PipelineSpec, previous: DatasetVersion | None, inputs: Inputs, place: Place, work: Path
) -> Extension | None:
    """What takes records over from the version before; None where nothing is to be taken over."""
    if previous is None or inputs.base is None or previous.domain != spec.domain:
        return None
    caches = _caches(place, inputs)
    return Extension(spec, previous, inputs, place, work, caches["signed"], caches["carried"])


def _caches(place: Place, inputs: Inputs) -> dict[str, Path]:
    """The step caches of a build, by name."""
    by_filter, by_signature = inputs.filter_fingerprint, hashlib.sha256(near.version().encode()).hexdigest()
    versions_of_steps = {
        "sound": hashlib.sha256(repair_version().encode()).hexdigest(),
        "harmless": by_filter,
        "judged": inputs.steps,
        "signed": by_signature,
        "carried": by_signature,
        "filtered": by_filter,
        "excluded": by_filter,
    }
    return {step: place.cache(step, version) for step, version in versions_of_steps.items()}


def _is_present(place: Place, inputs: Inputs, version: DatasetVersion) -> bool:
    """Whether this build is the pipeline's last one, and nothing is left of earlier ones."""
    last = last_build(place)
    expected = (version.digest, inputs.digest, inputs.base)
    left = [*earlier_traces(place, inputs.digest), *taken_signatures(place)]
    return (last.get("digest"), last.get("build"), last.get("base")) == expected and not left


def _make_present(spec: PipelineSpec, place: Place, inputs: Inputs, version: DatasetVersion) -> None:
    """Points to the version of a build that is done, and removes what earlier ones left. A kill in between leaves one
    of them undone, so that the next build does both again."""
    caches = _caches(place, inputs)
    for cache in caches.values():
        remove_superseded(cache)
    # Nobody else would remove from them what the sources no longer hold.
    if spec.curate.dedup.near is None:
        shutil.rmtree(caches["signed"], ignore_errors=True)
    if spec.curate.dedup.near is None or inputs.base is None:
        shutil.rmtree(caches["carried"], ignore_errors=True)
    point_latest(place, version, inputs.digest, inputs.base)
    remove_earlier_traces(place, inputs.digest)
    remove_taken(place)


def _note(place: Place, inputs: Inputs) -> Path:
    """What a build of these inputs came to."""
    return place.inputs / f"{inputs.digest[:32]}.json"


def _filtered_by(place: Place) -> str | None:
    """Fingerprint of the filter of the last build; None if nobody knows it."""
    note = place.inputs / f"{last_build(place).get('build', '')[:32]}.json"
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["filter"])
    except (OSError, ValueError, KeyError, TypeError):  # then all is filtered again
        return None


def _retain(
    spec: PipelineSpec, folder: Path, retention: InForce | None, staged: Staged, extends: bool
) -> datetime.date | None:
    """Takes out what is past the domain's retention. Returns the day on which the next record will be.

    Args:
        extends: a version before, so that there may be records although all of these are past it.
    """
    if retention is None:
        return None
    retained = retain_buckets(folder, retention.rule)
    if retained.until is None and not extends:
        raise DataError(
            f"all {retained.dropped:,} records are past the {retention.rule.days} days that the domain keeps them",
            where=spec.name,
            fix=f"add fresh records; zoo.yaml: domains.{spec.domain}.retention_days says how long they stay",
        )
    if retained.dropped:
        staged.dropped[RETENTION] = retained.dropped
    return retained.until


def _select(spec: PipelineSpec, caches: dict[str, Path], work: Path, runner: Runner, report: Report) -> Counter[str]:
    """Judges the staged records, where the pipeline asks for it, and divides them. Returns drops by reason."""
    if judges(spec.curate):
        judge_buckets(work / "staged", caches["judged"], spec.curate, runner=runner, report=report)
    selected, excluded = work / "selected", work / "excluded"
    report("remove duplicates", 0, 0)
    dropped = select_buckets(
        work / "staged",
        selected,
        excluded,
        exact=spec.curate.dedup.exact,
        reasons=lambda bucket: read_reasons(caches["judged"], bucket),
    )
    if (threshold := spec.curate.dedup.near) is not None:
        sign_buckets(selected, caches["signed"], runner=runner, report=report)
        report("remove near duplicates", 0, 0)
        duplicates = NearDuplicates(selected, caches["signed"], work / "scratch", threshold)
        dropped += leave_near_duplicates(selected, excluded, duplicates)
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
