"""Buckets: records grouped by a hash of their id, the unit of work that a rerun can skip.

A record's bucket, split and shard follow from its id alone. So the order of input files, the
number of processes, and records that come or go elsewhere change nothing about it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BUCKETS = 64
#: Of a batch of records in a file, about.
_BATCH_BYTES = 1 << 20


def id_hash(record_id: str) -> int:
    """64 bits of BLAKE2b over the id."""
    return int.from_bytes(hashlib.blake2b(record_id.encode(), digest_size=8).digest(), "big")


def bucket_of(record_id: str) -> int:
    return id_hash(record_id) >> 58


def split_of(record_id: str, *, validation: float, test: float) -> str:
    """Which split a record belongs to; independent of its bucket."""
    share = (id_hash("split\0" + record_id) >> 11) / float(1 << 53)
    if share < test:
        return "test"
    return "validation" if share < test + validation else "train"


def shard_count(records: int) -> int:
    """A power of two near one shard per 1,000 records, so that it seldom changes as data grows."""
    count = 1
    while count < BUCKETS and count * 1000 < records:
        count *= 2
    return count


def shard_of(bucket: int, shards: int) -> int:
    """Neighbouring buckets share a shard, so shards are written bucket after bucket."""
    return bucket * shards // BUCKETS


def bucket_path(folder: Path, bucket: int, suffix: str) -> Path:
    return folder / f"bucket-{bucket:02d}.{suffix}"


def read_bucket(folder: Path, bucket: int, columns: list[str] | None = None) -> Any:
    """A bucket's Arrow stream as a pyarrow Table. The file is mapped: what is not looked at is not read."""
    import pyarrow as pa

    with pa.memory_map(str(bucket_path(folder, bucket, "arrow"))) as file:
        table = pa.ipc.open_stream(file).read_all()
    return table if columns is None else table.select(columns)


def bucket_batches(folder: Path, bucket: int, columns: list[str]) -> Iterator[Any]:
    """A bucket's Arrow stream as pyarrow RecordBatches, one in memory at a time: the file is read, not mapped, since
    what is mapped counts as memory of the process as soon as it has been looked at."""
    import pyarrow as pa

    with pa.OSFile(str(bucket_path(folder, bucket, "arrow")), "rb") as file:
        schema = pa.ipc.open_stream(file).schema
        file.seek(0)
        options = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in columns])
        for batch in pa.ipc.open_stream(file, options=options):
            yield batch.select(columns)


def bucket_keys(folder: Path, bucket: int) -> list[bytes]:
    """The keys of a bucket's texts, in the order of its records."""
    return [key for batch in bucket_batches(folder, bucket, ["text_key"]) for key in batch.column(0).to_pylist()]


def read_parquet(path: Path, columns: list[str] | None = None) -> Any:
    """A small Parquet file as a pyarrow Table. `pyarrow.parquet.read_table` does the same and takes twice the time: it
    first looks for a data set of many files."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read(columns=columns, use_threads=False)


def write_bucket(table: Any, folder: Path, bucket: int) -> None:
    """Writes a table as a bucket's Arrow file."""
    write_table(table, bucket_path(folder, bucket, "arrow"))


def write_table(table: Any, path: Path) -> None:
    """Writes a table as an Arrow file; in place of an older one, from which the table may still be read."""
    import pyarrow as pa

    written = path.with_name(f"{path.name}.new")
    rows = max(1, len(table) * _BATCH_BYTES // max(1, table.nbytes))
    with pa.OSFile(str(written), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    os.replace(written, path)


def staged_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.large_string()),
            ("text_key", pa.binary(16)),
            ("subject", pa.string()),
            ("file", pa.string()),
            ("row", pa.int64()),
            ("source", pa.uint16()),
            ("date", pa.date32()),
        ]
    )


def filtered_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("text_key", pa.binary(16)),
            ("text", pa.large_string()),
            ("pii_types", pa.list_(pa.string())),
            ("pii_hashes", pa.list_(pa.binary(16))),
        ]
    )
