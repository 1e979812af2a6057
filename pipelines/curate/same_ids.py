"""Rows of one source that share an id and hold different texts: two records that nobody could tell apart afterwards.

All but the first are set aside, as rows that cannot be read are. Which is the first follows from files and rows, not
from the order in which they were read; of a query, which leaves that order open, from the texts. Rows of several
sources that share an id are no slip of a row: `select` stops there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from pipelines.curate.buckets import BUCKETS, read_bucket, write_bucket
from pipelines.sources import Unreadable
from pipelines.spec import PipelineSpec


def take_out_repeated(spec: PipelineSpec, staged: Path, today: Path | None) -> Iterator[tuple[int, Unreadable]]:
    """Takes them out of the staged buckets, of which one is held at a time.

    Args:
        today: ids and texts of today's records, in buckets, which lose them as well: a record of an earlier version
            that has such a text is no copy of one of today's.

    Yields:
        the number of the source, and the row that was taken out.
    """
    import pyarrow as pa

    for bucket in range(BUCKETS):
        if not _has_repeated(staged, bucket):
            continue
        table = read_bucket(staged, bucket)
        stay = [True] * len(table)
        for _, rows in groupby(_repeated(table), key=lambda row: (row["id"], row["source"])):
            for row, problem in _all_but_first(spec, list(rows)):
                stay[row["number"]] = False
                yield row["source"], problem
        if not all(stay):
            write_bucket(table.filter(pa.array(stay)), staged, bucket)
            if today is not None:
                _forget(table.filter(pa.array([not one for one in stay])), today, bucket)


def _has_repeated(staged: Path, bucket: int) -> bool:
    import pyarrow.compute as pc

    ids = read_bucket(staged, bucket, ["id"]).column("id")
    return bool(pc.count_distinct(ids).as_py() < len(ids))


def _forget(gone: Any, today: Path, bucket: int) -> None:
    import pyarrow as pa

    pairs, noted = set(_pairs(gone)), read_bucket(today, bucket)
    write_bucket(noted.filter(pa.array([pair not in pairs for pair in _pairs(noted)], pa.bool_())), today, bucket)


def _pairs(table: Any) -> Iterator[tuple[str, bytes | None]]:
    return zip(table.column("id").to_pylist(), table.column("text_key").to_pylist(), strict=True)


def _repeated(table: Any) -> list[dict[str, Any]]:
    """Rows whose id stands more than once, sorted by id and source, with their numbers in the table."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = table.column("id").value_counts()
    several = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    numbers = np.flatnonzero(pc.is_in(table.column("id"), value_set=several).to_numpy(zero_copy_only=False))
    found = table.take(pa.array(numbers)).append_column("number", pa.array(numbers, pa.int64()))
    rows: list[dict[str, Any]] = found.drop_columns(["text"]).to_pylist()
    return sorted(rows, key=lambda row: (row["id"], row["source"]))


def _all_but_first(spec: PipelineSpec, rows: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Unreadable]]:
    """Of rows of one source with one id; those with the text of the first one are duplicates, which `select` drops."""
    source = spec.sources[rows[0]["source"]]
    if source.sql is not None:  # numbers of its rows say nothing
        rows.sort(key=lambda row: row["text_key"])
    else:
        rows.sort(key=lambda row: (row["file"], row["row"]))
    first = rows[0]
    for row in rows[1:]:
        if row["text_key"] != first["text_key"]:
            reason = f'the id ("{source.id}") also stands at {first["file"]}:{first["row"]} with another text'
            yield row, Unreadable(row["file"], row["row"], reason)
