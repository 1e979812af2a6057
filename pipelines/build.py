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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from governance.errors import DataError
from governance.keys import Keys
from governance.policy import Policy
from pipelines.assemble import assemble
from pipelines.atomic import write_json
from pipelines.cards import Traces, describe, write_card
from pipelines.carry import Carrier, note_ids
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
from pipelines.curate.identify import Identifier, detector_of_names
from pipelines.curate.judge import read_reasons
from pipelines.curate.personal_data import FilterJob
from pipelines.curate.retention import RETENTION, retain_buckets
from pipelines.curate.seen import KEYS_FILE, seen
from pipelines.curate.stage import EMPTY_FILE, Report, Staged
from pipelines.curate.steps import judges, versions
from pipelines.erasure.store import read_tombstones
from pipelines.inputs import InForce, Inputs, check_unchanged, find_inputs
from pipelines.latest import point_latest
from pipelines.place import (
    Place,
    keep_quarantine,
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
    if (known := _known_result(place, inputs)) is not None:
        return known
    with locked(place):
        if read_tombstones(storage, spec.domain) != inputs.barred.tombstones:  # erased while this build waited
            inputs = find_inputs(spec, policy=policy, keys=keys, storage=storage, today=today)
        if (known := _known_result(place, inputs)) is not None:
            return known
        return _build(spec, inputs, policy, keys, place, runner or LocalPool(processes or os.cpu_count() or 1), report)


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
    point_latest(place, version, inputs.digest, inputs.base)
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
    filtered_by = _filtered_by(place)
    if (note := _note(place, inputs)).exists():  # until it is done again, only by what the last build filtered
        write_json(note, {"filter": filtered_by})
    previous, carried = latest_version(place), 0
    with work_folder(place) as work:
        quarantine = work / "quarantine.jsonl"
        sound = place.cache("sound", hashlib.sha256(repair_version().encode()).hexdigest())
        harmless = place.cache("harmless", inputs.filter_fingerprint)
        try:
            with seen(sound / KEYS_FILE) as sound_texts, seen(harmless / KEYS_FILE) as harmless_names:
                identify = Identifier(
                    spec,
                    text_key=keys.derive(spec.domain, "texts"),
                    subject_key=keys.derive(spec.domain, "subjects"),
                    detector=detector_of_names(policy, spec.domain),
                    sound=sound_texts,
                    harmless=harmless_names,
                )
                staged = stage(
                    spec,
                    inputs.sources,
                    work / "staged",
                    quarantine,
                    identify=identify,
                    barred=inputs.barred,
                    report=report,
                )
        finally:
            kept = keep_quarantine(quarantine, place.quarantine(inputs.digest))
        check_unchanged(spec, inputs)
        if inputs.base is not None:
            note_ids(work / "staged", work / "ids")
        if erased := drop_erased(work / "staged", inputs.barred):
            staged.dropped[ERASED] += erased
        extends = previous is not None and inputs.base is not None and previous.domain == spec.domain
        until = _retain(spec, work / "staged", inputs.retention, staged, extends)
        dropped = staged.dropped + _select(spec, place, work, runner, report)
        if not extends:
            _check_something_stays(spec, work / "selected", dropped)
        check_unchanged(spec, inputs)
        cache = place.cache("filtered", inputs.filter_fingerprint)
        job = FilterJob(
            rules=policy.domains[spec.domain].pii,
            key=keys.derive(spec.domain, "pseudonyms"),
            hash_key=keys.derive(spec.domain, "pii-hashes"),
        )
        filter_buckets(work / "selected", cache, job, runner=runner, report=report)
        parts, kept_cache = (work / "selected", cache), place.cache("kept", inputs.filter_fingerprint)
        if extends and previous is not None:

            def filter_again(texts: Path) -> Path:
                filter_buckets(texts, kept_cache, job, runner=runner, report=report)
                return kept_cache

            report("keep what the sources no longer have", 0, 0)
            carrier = Carrier(
                spec,
                previous,
                work,
                inputs.barred,
                None if inputs.retention is None else inputs.retention.rule,
                identify.key_of,
                None if filtered_by == inputs.filter_fingerprint else filter_again,
            )
            stays = carrier.carry(*parts, work / "ids")
            parts, carried = (stays.selected, stays.filtered), stays.records
            if not carried:
                _check_something_stays(spec, work / "selected", dropped)
            until = min(filter(None, (until, stays.until)), default=None)
        report("write shards", 0, 0)
        version = assemble(spec, *parts, place.datasets, previous)
        excluded = place.exclusions(inputs.digest)
        cache_of_excluded = place.cache("excluded", inputs.filter_fingerprint)
        filter_buckets(work / "excluded", cache_of_excluded, job, runner=runner, report=report)
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
        kept=carried,
    )
    shutil.rmtree(kept_cache, ignore_errors=True)  # the version has these texts now; nobody would look for them here
    _publish(place, inputs, result, until, (cache, cache_of_excluded, kept_cache, sound, harmless))
    return result


def _publish(
    place: Place, inputs: Inputs, result: BuildResult, until: datetime.date | None, caches: Sequence[Path]
) -> None:
    """Notes that this build is done, after all that earlier ones left is gone: one that was killed is done again."""
    for cache in caches:
        remove_superseded(cache)
    remove_earlier_traces(place, inputs.digest)
    content: dict[str, object] = {"digest": result.version.digest, "dropped": result.dropped}
    content |= {"sources": result.version.sources.digest}
    content |= {"quarantined": result.quarantined, "quarantine": result.quarantine}
    content |= {"exclusions": result.exclusions, "filter": inputs.filter_fingerprint, "kept": result.kept}
    write_json(_note(place, inputs), content)
    if inputs.retention is not None:
        write_json(inputs.retention.note, {"since": str(inputs.retention.since), "until": str(until)})
    point_latest(place, result.version, inputs.digest, inputs.base)


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


def _select(spec: PipelineSpec, place: Place, work: Path, runner: Runner, report: Report) -> Counter[str]:
    """Judges the staged records, where the pipeline asks for it, and divides them. Returns drops by reason."""
    steps = judges(spec.curate)
    judged = place.cache("judged", versions(steps))
    if steps:
        judge_buckets(work / "staged", judged, spec.curate, runner=runner, report=report)
    selected, excluded = work / "selected", work / "excluded"
    report("remove duplicates", 0, 0)
    dropped = select_buckets(
        work / "staged",
        selected,
        excluded,
        exact=spec.curate.dedup.exact,
        reasons=lambda bucket: read_reasons(judged, bucket),
    )
    signed = place.cache("signed", hashlib.sha256(near.version().encode()).hexdigest())
    if (threshold := spec.curate.dedup.near) is not None:
        sign_buckets(selected, signed, runner=runner, report=report)
        report("remove near duplicates", 0, 0)
        duplicates = NearDuplicates(selected, signed, work / "scratch", threshold)
        dropped += leave_near_duplicates(selected, excluded, duplicates)
    else:
        shutil.rmtree(signed, ignore_errors=True)  # nobody would remove what the sources no longer hold
    remove_superseded(judged)
    remove_superseded(signed)
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
