"""Last step of a build: personal data is replaced, in a pool of processes, bucket by bucket.

A bucket's result is kept in the step cache under the keyed hash of each text, so that a rerun after
a kill, and a build after a change, filter only texts that were not filtered before. The cache holds
filtered text only.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from governance.keys import DomainKeys
from governance.policy import PiiRules
from pipelines.curate.buckets import BUCKETS, bucket_batches, bucket_keys, bucket_path, filtered_schema
from pipelines.curate.filtered import FilteredFile, filtered_keys
from pipelines.curate.parts_filter import filter_records, parts_fingerprint
from pipelines.curate.runners import DoesBucket, Runner
from pipelines.curate.stage import Report
from pipelines.curate.steps import REASON, TEXT, Step

if TYPE_CHECKING:
    import pyarrow as pa

    from governance.pii import PiiFilter

#: Texts of one call of the filter, and the least that is worth a second process: characters.
_BATCH_CHARACTERS = 100_000
_SERIAL_CHARACTERS = 400_000
#: What is loaded only when a text needs it is loaded for this one.
_LOADS_ALL = "Dear Ms. Example, please call (000) 000-0000."
#: How often a long bucket writes what it has: seconds.
_SAVE_SECONDS = 30.0


class PersonalData(Step):
    """Replaces personal data, and says what was replaced: columns `pii_types` and `pii_hashes`, lists of equal length.

    Args:
        hash_key: of the hashes that stand for the replaced strings.
    """

    name = "personal_data"

    def __init__(self, pii_filter: PiiFilter, hash_key: bytes) -> None:
        self._filter = pii_filter
        self._hash_key = hash_key

    @property
    def version(self) -> str:
        return parts_fingerprint(self._filter.fingerprint)

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        from governance.pii import pii_hash

        filtered = filter_records(batch.column(TEXT).to_pylist(), self._filter)
        types = [[entity for entity, _ in replaced] for _, replaced in filtered]
        hashes = [[pii_hash(self._hash_key, entity, value) for entity, value in replaced] for _, replaced in filtered]
        texts = pa.array([text for text, _ in filtered], pa.large_string())
        batch = batch.set_column(batch.schema.get_field_index(TEXT), TEXT, texts)
        batch = batch.append_column("pii_types", pa.array(types, pa.list_(pa.string())))
        return batch.append_column("pii_hashes", pa.array(hashes, pa.list_(pa.binary(16))))


@dataclass(frozen=True)
class FilterJob:
    """What a process needs to make its filter; it derives the domain's keys itself."""

    rules: PiiRules
    keys: DomainKeys

    @functools.cached_property
    def step(self) -> PersonalData:
        """Made when it is first asked for, once in a process: to load a model takes seconds."""
        from governance.pii import PiiFilter, detector_for

        pseudonyms, hashes = self.keys.derive("pseudonyms"), self.keys.derive("pii-hashes")
        return PersonalData(PiiFilter(self.rules, detector_for(self.rules), pseudonyms), hashes)

    @property
    def is_slow_to_load(self) -> bool:
        """Whether it takes a model of language, or what a user brought along."""
        from governance.pii import entities_to_find
        from governance.pii.entities import NER_TYPES

        return bool(entities_to_find(self.rules) & NER_TYPES) or self.rules.registry is not None

    def __reduce__(self) -> tuple[type[FilterJob], tuple[PiiRules, DomainKeys]]:
        return FilterJob, (self.rules, self.keys)  # another process makes a filter of its own


@dataclass(frozen=True)
class FilterTask:
    """Brings a bucket of `cache` up to date with the same one of `selected`."""

    selected: Path
    cache: Path
    job: FilterJob
    purpose = "filters personal data"

    def start(self) -> DoesBucket:
        return lambda bucket: filter_bucket(bucket, self.selected, self.cache, self.job)

    def load(self) -> None:
        """Raises ConfigError: the key is missing; DetectorError: so is the model, or it is not the verified one."""
        _filter({bytes(16): _LOADS_ALL}, self.job)


def filter_buckets(selected: Path, cache: Path, job: FilterJob, *, runner: Runner, report: Report) -> None:
    """Brings `cache` up to date with the records in `selected`.

    Args:
        selected: folder of Arrow buckets with raw text.
        cache: folder of Parquet buckets with filtered text; kept between builds.

    Raises:
        DataError: a worker died (out of memory, killed).
    """
    work = {bucket: _characters_to_do(selected, cache, bucket) for bucket in range(BUCKETS)}
    buckets = [bucket for bucket, characters in work.items() if characters is not None]
    total = sum(work[bucket] or 0 for bucket in buckets)
    done = 0
    report("filter personal data", 0, total)
    for characters in runner.run(FilterTask(selected, cache, job), buckets, small=total < _SERIAL_CHARACTERS):
        done += characters
        report("filter personal data", done, total)


def filter_bucket(bucket: int, selected: Path, cache: Path, job: FilterJob) -> int:
    """Filters the texts of a bucket that the cache lacks. Returns their number of characters."""
    wanted, characters = set(bucket_keys(selected, bucket)), 0
    path = bucket_path(cache, bucket, "parquet")
    done = False
    while not done:
        end = time.monotonic() + _SAVE_SECONDS
        with FilteredFile.replacing(path, wanted) as file:
            for batch in _missing(selected, bucket, file.known):
                file.add(_filter(batch, job))
                characters += sum(map(len, batch.values()))
                if time.monotonic() > end:
                    break
            else:
                done = True
    return characters


def _filter(texts: dict[bytes, str], job: FilterJob) -> pa.Table:
    """Of texts by their keys the rows of the cache."""
    import pyarrow as pa

    columns = {
        "text_key": pa.array(list(texts), pa.binary(16)),
        TEXT: pa.array(list(texts.values()), pa.large_string()),
        REASON: pa.nulls(len(texts), pa.string()),
    }
    filtered = job.step.process_batch(pa.RecordBatch.from_pydict(columns))
    return pa.Table.from_batches([filtered]).select(filtered_schema().names).cast(filtered_schema())


def _missing(selected: Path, bucket: int, known: Set[bytes]) -> Iterator[dict[bytes, str]]:
    """Texts by their keys, each once, some at a time."""
    texts: dict[bytes, str] = {}
    given: set[bytes] = set()
    size = 0
    for batch in bucket_batches(selected, bucket, ["text_key", TEXT]):
        for key, text in zip(batch.column(0), batch.column(1), strict=True):
            if (name := key.as_py()) in known or name in given:
                continue
            given.add(name)
            texts[name] = text.as_py()
            size += len(texts[name])
            if size >= _BATCH_CHARACTERS:
                yield texts
                texts, size = {}, 0
    if texts:
        yield texts


def _characters_to_do(selected: Path, cache: Path, bucket: int) -> int | None:
    """Characters that are not filtered yet; None when the cached bucket holds just what is needed."""
    import pyarrow.compute as pc

    known = filtered_keys(bucket_path(cache, bucket, "parquet"))
    if known == set(bucket_keys(selected, bucket)):
        return None
    new: dict[bytes, int] = {}
    for batch in bucket_batches(selected, bucket, ["text_key", TEXT]):
        lengths = pc.utf8_length(batch.column(1)).to_pylist()
        new |= {key: n for key, n in zip(batch.column(0).to_pylist(), lengths, strict=True) if key not in known}
    return sum(new.values())
