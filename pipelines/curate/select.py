"""Third step of a build: who stays. An id that stands for texts of two sources stops the build.

    judged out, equal texts ─▶ near duplicates ─▶ selected, and excluded with a reason

Which of several duplicates stays follows from the ids alone: the smallest one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import DataError
from pipelines.curate.buckets import BUCKETS, bucket_path, read_bucket, write_bucket
from pipelines.curate.duplicates import NearDuplicates, Winners, read_winners, write_winners
from pipelines.curate.judge import Reasons

DUPLICATE, NEAR_DUPLICATE = "duplicate", "near_duplicate"

#: Of the empty text that is left of a duplicate.
NO_KEY = bytes(16)


@dataclass
class _Excluded:
    """Rows of a bucket that leave: their numbers, why, and the id that stays in their place."""

    rows: list[int]
    reasons: list[str]
    kept: list[str | None]

    @classmethod
    def none(cls) -> _Excluded:
        return cls([], [], [])

    def add(self, row: int, reason: str, kept: str | None = None) -> None:
        self.rows.append(row)
        self.reasons.append(reason)
        self.kept.append(kept)

    def of(self, table: Any) -> Any:
        """The rows with the columns `reason` and `kept`; of a duplicate without its text."""
        import pyarrow as pa

        found = table.take(pa.array(self.rows, pa.int64()))
        duplicate = pa.array([kept is not None for kept in self.kept], pa.bool_())
        for name, nothing in (("text", ""), ("text_key", NO_KEY)):
            number = found.schema.get_field_index(name)
            kind = found.schema.field(number).type
            emptied = pa.compute.if_else(duplicate, pa.scalar(nothing, kind), found.column(name))
            found = found.set_column(number, name, emptied)
        found = found.append_column("reason", pa.array(self.reasons, pa.string()))
        return found.append_column("kept", pa.array(self.kept, pa.string()))


def select_buckets(
    staged: Path, selected: Path, excluded: Path, *, exact: bool, reasons: Callable[[int], Reasons]
) -> Counter[str]:
    """Writes the records to keep, sorted by id, bucket by bucket, and the others with the reason.

    Args:
        excluded: gets the rows that leave, with the columns `reason` and `kept`, the id that stays in their place.
        exact: whether of equal texts only one stays.
        reasons: of a bucket: why texts leave that were judged alone.

    Returns:
        drops by reason.

    Raises:
        DataError: records of two sources have one id but different texts (those of one were set aside).
    """
    if exact:
        write_winners(staged, staged)
    dropped: Counter[str] = Counter()
    for bucket in range(BUCKETS):
        table = read_bucket(staged, bucket)
        table = table.sort_by([("id", "ascending"), ("file", "ascending"), ("row", "ascending")])
        keep, leave = _divide(table, reasons(bucket), read_winners(staged, bucket))
        _write_both(table, keep, leave, selected, excluded, bucket, dropped)
    del table
    _give_back_memory()
    return dropped


def _give_back_memory() -> None:
    """To the system: what Arrow keeps for later would stand beside the processes of the next step."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _write_both(
    table: Any, keep: list[int], leave: _Excluded, selected: Path, excluded: Path, bucket: int, dropped: Counter[str]
) -> None:
    import pyarrow as pa

    dropped.update(leave.reasons)
    write_bucket(table.take(pa.array(keep, pa.int64())), selected, bucket)
    leaving = leave.of(table)
    if bucket_path(excluded, bucket, "arrow").exists():
        leaving = pa.concat_tables([read_bucket(excluded, bucket), leaving])
    write_bucket(leaving, excluded, bucket)


def _divide(table: Any, reasons: Reasons, winners: Winners) -> tuple[list[int], _Excluded]:
    keep: list[int] = []
    leave = _Excluded.none()
    columns = (table.column(name).to_pylist() for name in ("id", "text_key", "file", "row"))
    previous: tuple[str, bytes, str, int] | None = None
    for index, (record_id, key, file, row) in enumerate(zip(*columns, strict=True)):
        again = previous is not None and previous[0] == record_id
        if again and previous is not None and previous[1] != key:
            raise DataError(
                f"the id of this record also stands at {previous[2]}:{previous[3]} with another text",
                where=f"{file}:{row}",
                fix="ids must be unique in a pipeline; name another field or a template of fields under `id`",
            )
        previous = (record_id, key, file, row)
        if key in reasons:
            leave.add(index, reasons[key])
        elif again:
            leave.add(index, DUPLICATE, winners.get((record_id, key), record_id))
        elif (record_id, key) in winners:
            leave.add(index, DUPLICATE, winners[record_id, key])
        else:
            keep.append(index)
    return keep, leave


def leave_near_duplicates(selected: Path, excluded: Path, duplicates: NearDuplicates) -> Counter[str]:
    """Moves near duplicates from the selected records to the excluded ones. Returns drops by reason."""
    dropped: Counter[str] = Counter()
    for bucket in range(BUCKETS) if len(duplicates) else ():
        _follow(duplicates, excluded, bucket)
        table = read_bucket(selected, bucket)
        keep: list[int] = []
        leave = _Excluded.none()
        for row, kept in enumerate(duplicates.kept(table.column("id")).to_pylist()):
            if kept is None:
                keep.append(row)
            else:
                leave.add(row, NEAR_DUPLICATE, kept)
        _write_both(table, keep, leave, selected, excluded, bucket, dropped)
    table = None
    _give_back_memory()
    return dropped


def _follow(duplicates: NearDuplicates, excluded: Path, bucket: int) -> None:
    """Where a record that stood in place of others has left itself, the one that stands in its place."""
    import pyarrow.compute as pc

    table = read_bucket(excluded, bucket)
    column = table.column("kept")
    followed = pc.coalesce(duplicates.kept(column), column)
    write_bucket(table.set_column(table.schema.get_field_index("kept"), "kept", followed), excluded, bucket)
