"""Last step of a build: personal data is replaced, in a pool of processes, bucket by bucket.

A bucket's result is kept in the step cache under the keyed hash of each text, so that a rerun after
a kill, and a build after a change, filter only texts that were not filtered before. The cache holds
filtered text only.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.keys import DomainKeys
from governance.policy import PiiRules
from pipelines.atomic import atomic_path
from pipelines.curate.buckets import BUCKETS, bucket_path, filtered_schema, read_bucket, read_parquet
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
        _filter([bytes(16)], {bytes(16): _LOADS_ALL}, self.job)


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
    texts = _texts_by_key(selected, bucket)
    path = bucket_path(cache, bucket, "parquet")
    known = {row["text_key"]: row for row in _read_cached(path) if row["text_key"] in texts}
    missing = [key for key in texts if key not in known]
    characters = 0
    saved = time.monotonic()
    for batch in _batches(missing, texts):
        for key, row in zip(batch, _filter(batch, texts, job), strict=True):
            known[key] = row
            characters += len(texts[key])
        if time.monotonic() - saved > _SAVE_SECONDS:
            _write_cached(path, texts, known)
            saved = time.monotonic()
    _write_cached(path, texts, known)
    return characters


def _filter(keys: list[bytes], texts: dict[bytes, str], job: FilterJob) -> list[dict[str, Any]]:
    import pyarrow as pa

    columns = {
        "text_key": pa.array(keys, pa.binary(16)),
        TEXT: pa.array([texts[key] for key in keys], pa.large_string()),
        REASON: pa.nulls(len(keys), pa.string()),
    }
    filtered = job.step.process_batch(pa.RecordBatch.from_pydict(columns))
    rows: list[dict[str, Any]] = filtered.select(filtered_schema().names).to_pylist()
    return rows


def _batches(keys: list[bytes], texts: dict[bytes, str]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for key in keys:
        batch.append(key)
        size += len(texts[key])
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _texts_by_key(selected: Path, bucket: int) -> dict[bytes, str]:
    table = read_bucket(selected, bucket, ["text_key", "text"])
    return dict(zip(table.column("text_key").to_pylist(), table.column("text").to_pylist(), strict=True))


def _characters_to_do(selected: Path, cache: Path, bucket: int) -> int | None:
    """Characters that are not filtered yet; None when the cached bucket holds just what is needed."""
    import pyarrow.compute as pc

    table = read_bucket(selected, bucket, ["text_key", "text"])
    lengths: list[int] = pc.utf8_length(table.column("text")).to_pylist()
    characters: dict[bytes, int] = dict(zip(table.column("text_key").to_pylist(), lengths, strict=True))
    known = {row["text_key"] for row in _read_cached(bucket_path(cache, bucket, "parquet"), columns=["text_key"])}
    if known == set(characters):
        return None
    return sum(count for key, count in characters.items() if key not in known)


def _read_cached(path: Path, columns: list[str] | None = None) -> list[dict[str, Any]]:

    if not path.exists():
        return []
    rows: list[dict[str, Any]] = read_parquet(path, columns).to_pylist()
    return rows


def _write_cached(path: Path, texts: dict[bytes, str], known: dict[bytes, dict[str, Any]]) -> None:
    """Keeps only texts that the sources still hold: what was removed there leaves the cache too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [known[key] for key in texts if key in known]
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=filtered_schema()), temporary, compression="zstd")
