"""Second step of a build: each record is judged alone (language, quality), in a pool of processes, bucket by bucket.

What was judged is kept in the step cache under the keyed hash of the text, so that a build after a change judges only
texts that are new. The cache holds hashes and reasons, no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.atomic import atomic_path
from pipelines.curate.buckets import BUCKETS, bucket_batches, bucket_keys, bucket_path, read_parquet
from pipelines.curate.runners import DoesBucket, Runner
from pipelines.curate.steps import REASON, TEXT, Judge, judges
from pipelines.spec import CurateSpec

if TYPE_CHECKING:
    from pipelines.curate.stage import Report

#: Rows of a batch that the steps get, and the least number of characters that is worth a second process.
_ROWS = 256
_SERIAL_CHARACTERS = 4_000_000

Reasons = dict[bytes, str]


@dataclass(frozen=True)
class JudgeTask:
    """Brings a bucket of `cache` up to date with the same one of `staged`."""

    staged: Path
    cache: Path
    spec: CurateSpec
    purpose = "judges text"

    def start(self) -> DoesBucket:
        steps = judges(self.spec)

        def judge(bucket: int) -> int:
            judge_bucket(bucket, self.staged, self.cache, steps)
            return 1

        return judge


def judge_buckets(staged: Path, cache: Path, spec: CurateSpec, *, runner: Runner, report: Report) -> None:
    """Brings `cache` up to date with the records in `staged`.

    Args:
        staged: folder of Arrow buckets.
        cache: folder of Parquet buckets, of these steps in their versions; kept between builds.
        spec: says which steps there are.

    Raises:
        DataError: a worker died (out of memory, killed).
    """
    report("judge", 0, BUCKETS)
    todo = [bucket for bucket in range(BUCKETS) if not _is_judged(staged, cache, bucket)]
    size = sum(bucket_path(staged, bucket, "arrow").stat().st_size for bucket in todo)
    done = BUCKETS - len(todo)
    for buckets in runner.run(JudgeTask(staged, cache, spec), todo, small=size < _SERIAL_CHARACTERS):
        done += buckets
        report("judge", done, BUCKETS)


def _is_judged(staged: Path, cache: Path, bucket: int) -> bool:
    return _read(bucket_path(cache, bucket, "parquet")).keys() == set(bucket_keys(staged, bucket))


def read_reasons(cache: Path, bucket: int) -> Reasons:
    """Why texts of a bucket leave, by their keyed hashes; those that stay are not in it."""
    return {key: reason for key, reason in _read(bucket_path(cache, bucket, "parquet")).items() if reason is not None}


def judge_bucket(bucket: int, staged: Path, cache: Path, steps: Sequence[Judge]) -> None:
    """Judges the texts of a bucket that the cache lacks, and forgets those that the sources no longer hold."""
    import pyarrow as pa

    path = bucket_path(cache, bucket, "parquet")
    known, keys = _read(path), bucket_keys(staged, bucket)
    if known.keys() == set(keys):
        return
    kept = {key: known[key] for key in keys if key in known}
    for batch in bucket_batches(staged, bucket, ["text_key", TEXT]):
        new = [row for row, key in enumerate(batch.column(0).to_pylist()) if key not in kept]
        for start in range(0, len(new), _ROWS):
            rows = batch.take(pa.array(new[start : start + _ROWS], pa.int64()))
            kept.update(zip(rows.column(0).to_pylist(), _judged(rows, steps), strict=True))
    _write(path, kept)


def _judged(batch: Any, steps: Sequence[Judge]) -> list[str | None]:
    import pyarrow as pa

    batch = batch.append_column(REASON, pa.nulls(len(batch), pa.string()))
    for step in steps:
        batch = step.process_batch(batch)
    reasons: list[str | None] = batch.column(REASON).to_pylist()
    return reasons


def _read(path: Path) -> dict[bytes, str | None]:

    if not path.exists():
        return {}
    table = read_parquet(path)
    return dict(zip(table.column("text_key").to_pylist(), table.column(REASON).to_pylist(), strict=True))


def _write(path: Path, reasons: dict[bytes, str | None]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {"text_key": pa.array(list(reasons), pa.binary(16)), REASON: pa.array(list(reasons.values()), pa.string())}
    )
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
