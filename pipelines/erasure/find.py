"""Where an erased subject's records are, and what has to leave with them.

    named ─▶ equal and near-equal texts ─▶ what these had displaced ─▶ tombstones

Near duplicates hold the same person's text. Where a pipeline keeps one record of a cluster of near duplicates, all of
the cluster leaves: what the erased record had displaced must not take its place. Sources are read as they are now,
dataset versions as they were stored; several passes are made, so that memory does not grow with the corpus.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from governance.erasure import TombstoneKey, Tombstones
from governance.errors import ConfigError, DataError
from governance.keys import Keys, keyed_hash
from governance.policy import Policy
from pipelines.curate.erased import threshold_of
from pipelines.curate.identify import Identifier, detector_of_names, hides_persons, in_batches, read_all
from pipelines.curate.likeness import THRESHOLD, alike, keyed, pack, plain_signatures
from pipelines.parts import plain_text
from pipelines.sources import Record, list_items
from pipelines.spec import PipelineSpec
from pipelines.versions import SPLITS, DatasetVersion

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ROWS = 2_000

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Target:
    """Who or what is to be erased; `pipeline` restricts a record's id to one."""

    kind: Literal["subject", "record"]
    name: str = field(repr=False)
    pipeline: str | None = None


@dataclass(frozen=True)
class Searched:
    """A pipeline that is searched; its file may be gone while its versions are still there."""

    name: str
    domain: str
    spec: PipelineSpec | None
    versions: tuple[DatasetVersion, ...]


@dataclass
class Hits:
    """What was found in one pipeline, by ids.

    Attributes:
        named: the subject's records, or the one that was named.
        others: that leave with them.
        unread: why the sources could not be read.
    """

    named: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    unread: str | None = None


@dataclass(frozen=True)
class Discovery:
    """What a search gave: by pipeline, and tombstones by domain."""

    hits: dict[str, Hits]
    tombstones: dict[str, Tombstones]

    def __bool__(self) -> bool:
        return any(hits.named for hits in self.hits.values())


@dataclass(frozen=True)
class _Batch:
    """Some records of one place; `text_keys` are None in a dataset version, whose texts are filtered."""

    ids: list[str]
    subjects: list[str | None]
    text_keys: list[bytes | None]
    texts: list[str]

    def contents(self) -> list[bytes]:
        return [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in self.texts]


@dataclass
class _Place:
    """The sources of a pipeline, or one of its versions."""

    pipeline: Searched
    batches: Callable[[], Iterator[_Batch]]
    hits: Hits
    text_keys: set[bytes] = field(default_factory=set)


def find_records(
    target: Target, pipelines: Sequence[Searched], *, policy: Policy, keys: Keys, report: Report
) -> Discovery:
    """Searches sources and dataset versions; writes nothing.

    Raises:
        DataError: a dataset version is damaged.
    """
    hits = {pipeline.name: Hits() for pipeline in pipelines}
    places = list(_places(pipelines, hits, policy, keys))
    seeds = _Seeds()
    for place in places:
        _find_named(place, target, keys, seeds, report)
    signed = seeds.signed()
    if any(found.named for found in hits.values()):
        for place in places:
            _find_alike(place, seeds.contents, signed, report)
        _follow(pipelines, hits)
    domains = {pipeline.domain for pipeline in pipelines}
    stones = {domain: _tombstones(domain, target, places, signed, keys) for domain in domains}
    return Discovery(hits, stones)


@dataclass
class _Seeds:
    """Texts of the named records, as hashes and signatures."""

    contents: set[bytes] = field(default_factory=set)
    signatures: list[npt.NDArray[np.uint32]] = field(default_factory=list)

    def add(self, texts: Sequence[str]) -> None:
        self.signatures.append(plain_signatures([plain_text(text) for text in texts]))

    def signed(self) -> npt.NDArray[np.uint32]:
        import numpy as np

        found = [*self.signatures, plain_signatures([""])]
        return np.unique(np.concatenate(found), axis=0)


def _places(pipelines: Iterable[Searched], hits: dict[str, Hits], policy: Policy, keys: Keys) -> Iterator[_Place]:
    for pipeline in pipelines:
        found = hits[pipeline.name]
        if pipeline.spec is not None:
            identify = Identifier(
                pipeline.spec,
                text_key=keys.derive(pipeline.domain, "texts"),
                subject_key=keys.derive(pipeline.domain, "subjects"),
                detector=detector_of_names(policy, pipeline.domain),
                hide_titles=hides_persons(policy, pipeline.domain),
            )
            yield _Place(pipeline, functools.partial(_source, pipeline.spec, identify, found), found)
        for version in pipeline.versions:
            yield _Place(pipeline, functools.partial(_stored, version), found)


def _source(spec: PipelineSpec, identify: Identifier, hits: Hits) -> Iterator[_Batch]:
    """What a source holds now; one that cannot be read is noted and passed over."""
    if hits.unread is not None:
        return
    try:
        # What comes from another pipeline is found in that one.
        own = [source for source in spec.sources if source.pipeline is None]
        listed = [(source, item) for source in own for item in list_items(source, spec.folder)]
        for rows in in_batches(read_all(spec, listed)):
            some = identify([record for _, record in rows if isinstance(record, Record)])
            yield _Batch(
                [one.id for one in some],
                [one.subject for one in some],
                [one.text_key for one in some],
                [one.text for one in some],
            )
    except (DataError, ConfigError) as error:
        hits.unread = str(error)


def _stored(version: DatasetVersion) -> Iterator[_Batch]:
    columns = version.manifest(["record_id", "subject"]).to_pydict()
    subjects = dict(zip(columns["record_id"], columns["subject"], strict=True))
    records = itertools.chain.from_iterable(version.stored(split) for split in SPLITS)
    while some := list(itertools.islice(records, _ROWS)):
        ids = [record_id for record_id, _ in some]
        yield _Batch(ids, [subjects[one] for one in ids], [None] * len(some), [text for _, text in some])


def _find_named(place: _Place, target: Target, keys: Keys, seeds: _Seeds, report: Report) -> None:
    domain, done = place.pipeline.domain, 0
    subject = keyed_hash(keys.derive(domain, "subjects"), target.name).hex()
    ids = {target.name, keyed_hash(keys.derive(domain, "texts"), target.name).hex()}
    for batch in place.batches():
        if target.kind == "subject":
            rows = [row for row, one in enumerate(batch.subjects) if one == subject]
        elif target.pipeline in (None, place.pipeline.name):
            rows = [row for row, one in enumerate(batch.ids) if one in ids]
        else:
            rows = []
        if rows:
            contents = batch.contents()
            place.hits.named.update(batch.ids[row] for row in rows)
            place.text_keys.update(key for row in rows if (key := batch.text_keys[row]) is not None)
            seeds.contents.update(contents[row] for row in rows)
            seeds.add([batch.texts[row] for row in rows])
        done += len(batch.ids)
        report("search for the records", done, 0)


def _find_alike(place: _Place, contents: set[bytes], seeds: npt.NDArray[np.uint32], report: Report) -> None:
    """Follows likeness from the named records: one step, or to the end of the cluster where clusters are removed."""
    import numpy as np

    spec = place.pipeline.spec
    threshold = THRESHOLD if spec is None else threshold_of(spec)
    to_the_end = spec is not None and spec.curate.dedup.near is not None
    frontier, first = seeds, True
    reached: set[bytes] = set(contents)
    while len(frontier):
        new = []
        for batch in place.batches():
            signed = plain_signatures([plain_text(text) for text in batch.texts])
            known = np.array([content in reached for content in batch.contents()], bool)
            found = alike(signed, frontier, threshold)
            for row in np.flatnonzero(found | (known & first)).tolist():
                _add(place, batch, row)
            new.append(signed[found & ~known])
            reached.update(content for content, is_found in zip(batch.contents(), found, strict=True) if is_found)
            report("search for near duplicates", 0, 0)
        frontier = np.unique(np.concatenate(new), axis=0) if new and to_the_end else seeds[:0]
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


def _add(place: _Place, batch: _Batch, row: int) -> None:
    if batch.ids[row] not in place.hits.named:
        place.hits.others.add(batch.ids[row])
    if (key := batch.text_keys[row]) is not None:
        place.text_keys.add(key)


def _tombstones(
    domain: str, target: Target, places: Sequence[_Place], seeds: npt.NDArray[np.uint32], keys: Keys
) -> Tombstones:
    key = TombstoneKey(keys.derive(domain, "tombstones"))
    mine = [place for place in places if place.pipeline.domain == domain]
    subject = keyed_hash(keys.derive(domain, "subjects"), target.name).hex()
    found = [(place.pipeline.name, one) for place in mine for one in place.hits.named | place.hits.others]
    return Tombstones(
        records=frozenset(key.record(*one) for one in found),
        subjects=frozenset({key.subject(subject)} if target.kind == "subject" else ()),
        texts=frozenset(key.text(text) for place in mine for text in place.text_keys),
        signatures=frozenset(pack(keyed(seeds, key.signature_key))),
    )
