"""Where an erased subject's records are, and what has to leave with them.

    named ─▶ equal and near-equal texts ─▶ what these had displaced ─▶ tombstones

Near duplicates hold the same person's text. Where a pipeline keeps one record of a cluster of near duplicates, all of
the cluster leaves: what the erased record had displaced must not take its place. Sources are read as they are now,
dataset versions as they were stored; several passes are made, so that memory does not grow with the corpus.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from governance.erasure import TombstoneKey, Tombstones
from governance.errors import ConfigError, DataError
from governance.keys import Keys
from governance.policy import Policy
from pipelines.curate.erased import threshold_of
from pipelines.curate.identify import Identifier, in_batches
from pipelines.curate.likeness import THRESHOLD, keyed, pack, plain_signatures
from pipelines.erasure.batches import Batch, excluded_batches, stored_batches
from pipelines.erasure.likenesses import Likenesses
from pipelines.erasure.names import Names
from pipelines.erasure.unread import read_own_sources, recordable
from pipelines.parts import plain_text
from pipelines.sources import Record
from pipelines.spec import PipelineSpec
from pipelines.versions import DatasetVersion

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Target:
    """Who or what is to be erased from a domain; `pipeline` restricts a record's id to one."""

    kind: Literal["subject", "record"]
    name: str = field(repr=False)
    domain: str
    pipeline: str | None = None


@dataclass(frozen=True)
class Searched:
    """A pipeline that is searched; its file may be gone while its versions are still there."""

    name: str
    domain: str
    spec: PipelineSpec | None
    versions: tuple[DatasetVersion, ...]
    exclusions: tuple[Path, ...] = ()


@dataclass
class Hits:
    """What was found in one pipeline, by ids.

    Attributes:
        named: the subject's records, or the one that was named.
        others: that leave with them.
        unread: which source could not be read, as it may be recorded.
        message: what is wrong with it, for who asked; it may name a file after a person.
    """

    named: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    unread: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Discovery:
    """What a search gave: by pipeline, and tombstones by domain."""

    hits: dict[str, Hits]
    tombstones: dict[str, Tombstones]

    def __bool__(self) -> bool:
        return any(hits.named for hits in self.hits.values())


@dataclass
class _Place:
    """The sources of a pipeline, or one of its versions."""

    pipeline: Searched
    batches: Callable[[], Iterator[Batch]]
    hits: Hits
    text_keys: set[bytes] = field(default_factory=set)
    whole: bool = True  # exclusions hold beginnings of texts: nothing is like them


def find_records(
    target: Target, pipelines: Sequence[Searched], *, policy: Policy, keys: Keys, report: Report
) -> Discovery:
    """Searches sources and dataset versions; writes nothing.

    Raises:
        DataError: a dataset version is damaged.
    """
    hits = {pipeline.name: Hits() for pipeline in pipelines}
    places = list(_places(pipelines, hits, policy, keys))
    names = {domain: Names.of(target, domain, pipelines, keys) for domain in {one.domain for one in pipelines}}
    seeds = Likenesses()
    for place in places:
        _find_named(place, names[place.pipeline.domain], seeds, report)
    if any(found.named for found in hits.values()):
        whole = [place for place in places if place.whole]
        contents = set(seeds.contents)
        for place in whole:
            _find_alike(place, contents, seeds, report)
        _follow(pipelines, hits)
    stones = {
        domain: _tombstones(domain, of_domain, places, seeds.as_written(), keys) for domain, of_domain in names.items()
    }
    return Discovery(hits, stones)


def _places(pipelines: Iterable[Searched], hits: dict[str, Hits], policy: Policy, keys: Keys) -> Iterator[_Place]:
    for pipeline in pipelines:
        found = hits[pipeline.name]
        if pipeline.spec is not None:
            identify = Identifier.of(pipeline.spec, policy, keys)
            yield _Place(pipeline, functools.partial(_source, pipeline.spec, identify, found), found)
        for version in pipeline.versions:
            yield _Place(pipeline, functools.partial(stored_batches, version), found)
        for path in pipeline.exclusions:
            yield _Place(pipeline, functools.partial(excluded_batches, path), found, whole=False)


def _source(spec: PipelineSpec, identify: Identifier, hits: Hits) -> Iterator[Batch]:
    """What a source holds now; one that cannot be read is noted and passed over."""
    if hits.unread is not None:
        return
    try:
        for rows in in_batches(read_own_sources(spec)):
            some = identify([record for _, record in rows if isinstance(record, Record)])
            yield Batch(
                [one.id for one in some],
                [one.subject for one in some],
                [one.text_key for one in some],
                [one.text for one in some],
            )
    except (DataError, ConfigError) as error:
        hits.unread, hits.message = recordable(error, identify.lasting), str(error)


def _find_named(place: _Place, names: Names, seeds: Likenesses, report: Report) -> None:
    done = 0
    for batch in place.batches():
        rows = names.rows(batch, place.pipeline.name)
        place.hits.named.update(batch.ids[row] for row in rows)
        place.text_keys.update(key for row in rows if (key := batch.text_keys[row]) is not None)
        if rows and place.whole:
            seeds.add(batch, plain_signatures([plain_text(batch.texts[row]) for row in rows]), rows)
        done += len(batch.ids)
        report("search for the records", done, 0)


def _find_alike(place: _Place, contents: set[bytes], seeds: Likenesses, report: Report) -> None:
    """Follows likeness from the named records: one step, or to the end of the cluster where clusters are removed.

    Args:
        contents: of the named records; an equal one is found however short it is.
    """
    import numpy as np

    spec = place.pipeline.spec
    threshold = THRESHOLD if spec is None else threshold_of(spec)
    to_the_end = spec is not None and spec.curate.dedup.near is not None
    frontier, first = seeds, True
    reached: set[bytes] = set(contents)
    while frontier:
        new, of_frontier = Likenesses(), frontier.known(threshold)
        for batch in place.batches():
            signed = plain_signatures([plain_text(text) for text in batch.texts])
            of_batch = batch.contents()
            known = np.array([content in reached for content in of_batch], bool)
            found = of_frontier.alike(batch, signed)
            for row in np.flatnonzero(found | (known & first)).tolist():
                _add(place, batch, row)
            fresh = np.flatnonzero(found & ~known).tolist()
            new.add(batch, signed[fresh], fresh)
            reached.update(of_batch[row] for row in fresh)
            report("search for near duplicates", 0, 0)
        frontier = new if to_the_end else Likenesses()
        first = False


def _follow(pipelines: Sequence[Searched], hits: dict[str, Hits]) -> None:
    """Into the versions of pipelines that have another one's version as a source, under `PIPELINE/ID`."""
    derived = [(hits[one.name], version) for one in pipelines for version in one.versions if version.derived_from]
    for _ in derived:  # a chain of them is no longer than this
        for found, version in derived:
            for record_id in version.manifest(["record_id"]).column("record_id").to_pylist():
                origin = hits.get(record_id.partition("/")[0])
                if origin is not None and record_id.partition("/")[2] in origin.named | origin.others:
                    found.others.add(record_id)


def _add(place: _Place, batch: Batch, row: int) -> None:
    if batch.ids[row] not in place.hits.named:
        place.hits.others.add(batch.ids[row])
    if (key := batch.text_keys[row]) is not None:
        place.text_keys.add(key)


def _tombstones(
    domain: str, names: Names, places: Sequence[_Place], seeds: npt.NDArray[np.uint32], keys: Keys
) -> Tombstones:
    key = TombstoneKey(keys.derive(domain, "tombstones"))
    mine = [place for place in places if place.pipeline.domain == domain]
    found = [(place.pipeline.name, one) for place in mine for one in place.hits.named | place.hits.others]
    return Tombstones(
        records=frozenset(key.record(*one) for one in found),
        subjects=frozenset(() if names.subject is None else {key.subject(names.subject)}),
        texts=frozenset(key.text(text) for place in mine for text in place.text_keys),
        signatures=frozenset(pack(keyed(seeds, key.signature_key))),
    )
