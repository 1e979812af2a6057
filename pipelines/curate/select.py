"""Second step of a build: exact duplicates leave, and an id that stands for two texts stops it."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from governance.errors import DataError
from pipelines.curate.buckets import BUCKETS, bucket_path, staged_schema

_BYTES_A_PASS = 1 << 30


def select_buckets(staged: Path, selected: Path, *, dedup: bool) -> Counter[str]:
    """Writes the records to keep, sorted by id, bucket by bucket. Returns drops by reason.

    Of records with the same text the one with the smallest id stays, whatever the order of input.

    Raises:
        DataError: two records have one id but different texts.
    """
    import pyarrow as pa

    losers = _duplicate_ids(staged) if dedup else frozenset()
    dropped: Counter[str] = Counter()
    for bucket in range(BUCKETS):
        table = _read(bucket_path(staged, bucket, "arrow"))
        table = table.sort_by([("id", "ascending"), ("file", "ascending"), ("row", "ascending")])
        keep = _rows_to_keep(table, losers, dropped)
        _write(table.take(pa.array(keep, pa.int64())), bucket_path(selected, bucket, "arrow"))
    return dropped


def _rows_to_keep(table: Any, losers: frozenset[tuple[str, bytes]], dropped: Counter[str]) -> list[int]:
    keep: list[int] = []
    columns = (table.column(name).to_pylist() for name in ("id", "text_key", "file", "row"))
    previous: tuple[str, bytes, str, int] | None = None
    for index, (record_id, key, file, row) in enumerate(zip(*columns, strict=True)):
        if previous is not None and previous[0] == record_id:
            if previous[1] != key:
                raise DataError(
                    f"the id of this record also stands at {previous[2]}:{previous[3]} with another text",
                    where=f"{file}:{row}",
                    fix="ids must be unique in a pipeline; name another field or a template of fields under `id`",
                )
            dropped["duplicate"] += 1
            continue
        previous = (record_id, key, file, row)
        if (record_id, key) in losers:
            dropped["duplicate"] += 1
        else:
            keep.append(index)
    return keep


def _duplicate_ids(staged: Path) -> frozenset[tuple[str, bytes]]:
    """Records whose text also stands under a smaller id; big corpora take several passes over the keys."""
    losers: set[tuple[str, bytes]] = set()
    staged_bytes = sum(bucket_path(staged, bucket, "arrow").stat().st_size for bucket in range(BUCKETS))
    passes = 1 + staged_bytes // _BYTES_A_PASS
    for turn in range(passes):
        ids_by_text: dict[bytes, set[str]] = defaultdict(set)
        for bucket in range(BUCKETS):
            table = _read(bucket_path(staged, bucket, "arrow"), columns=["id", "text_key"])
            pairs = zip(table.column("id").to_pylist(), table.column("text_key").to_pylist(), strict=True)
            for record_id, key in pairs:
                if key[0] % passes == turn:
                    ids_by_text[key].add(record_id)
        for key, ids in ids_by_text.items():
            losers.update((record_id, key) for record_id in ids - {min(ids)})
    return frozenset(losers)


def _read(path: Path, columns: list[str] | None = None) -> Any:
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as file:
        table = pa.ipc.open_file(file).read_all()
    return table if columns is None else table.select(columns)


def _write(table: Any, path: Path) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, staged_schema()) as writer:
        writer.write_table(table)
