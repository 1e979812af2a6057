"""Third step of a build: who stays. An id that stands for two texts stops the build.

    judged out, equal texts ─▶ near duplicates ─▶ selected, and excluded with a reason

Which of several duplicates stays follows from the ids alone: the smallest one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import DataError
from pipelines.curate import near
from pipelines.curate.buckets import BUCKETS, bucket_path, read_bucket, write_bucket
from pipelines.curate.judge import Reasons
from pipelines.parts import plain_text
from pipelines.spec import DedupSpec

DUPLICATE, NEAR_DUPLICATE = "duplicate", "near_duplicate"

_BYTES_A_PASS = 1 << 30
#: Of the empty text that is left of a duplicate.
NO_KEY = bytes(16)

#: Which record stays in place of another one: (id, key of the text) to id.
Winners = dict[tuple[str, bytes], str]


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
    staged: Path, selected: Path, excluded: Path, *, dedup: DedupSpec, reasons: Callable[[int], Reasons]
) -> Counter[str]:
    """Writes the records to keep, sorted by id, bucket by bucket, and the others with the reason.

    Args:
        excluded: gets the rows that leave, with the columns `reason` and `kept`, the id that stays in their place.
        reasons: of a bucket: why texts leave that were judged alone.

    Returns:
        drops by reason.

    Raises:
        DataError: two records have one id but different texts.
    """
    winners = _winners(staged) if dedup.exact else {}
    dropped: Counter[str] = Counter()
    for bucket in range(BUCKETS):
        table = read_bucket(staged, bucket)
        table = table.sort_by([("id", "ascending"), ("file", "ascending"), ("row", "ascending")])
        keep, leave = _divide(table, reasons(bucket), winners)
        _write_both(table, keep, leave, selected, excluded, bucket, dropped)
    if dedup.near is not None:
        _leave_near_duplicates(selected, excluded, dedup.near, dropped)
    return dropped


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


def _winners(staged: Path) -> Winners:
    """Of records whose text also stands under a smaller id, that id; big corpora take several passes over the keys."""
    winners: Winners = {}
    staged_bytes = sum(bucket_path(staged, bucket, "arrow").stat().st_size for bucket in range(BUCKETS))
    passes = 1 + staged_bytes // _BYTES_A_PASS
    for turn in range(passes):
        ids_by_text: dict[bytes, set[str]] = defaultdict(set)
        for bucket in range(BUCKETS):
            table = read_bucket(staged, bucket, ["id", "text_key"])
            pairs = zip(table.column("id").to_pylist(), table.column("text_key").to_pylist(), strict=True)
            for record_id, key in pairs:
                if key[0] % passes == turn:
                    ids_by_text[key].add(record_id)
        for key, ids in ids_by_text.items():
            winner = min(ids)
            winners.update(((record_id, key), winner) for record_id in ids - {winner})
    return winners


def _leave_near_duplicates(selected: Path, excluded: Path, threshold: float, dropped: Counter[str]) -> None:
    """Moves near duplicates from the selected records to the excluded ones. A signature of 448 bytes a record and the
    ids are held in memory, no text."""
    import numpy as np

    ids, signed = [], []
    for bucket in range(BUCKETS):
        table = read_bucket(selected, bucket, ["id", "text"])
        ids += table.column("id").to_pylist()
        signed.append(near.signatures([plain_text(record) for record in table.column("text").to_pylist()]))
    if not ids:
        return
    order = sorted(range(len(ids)), key=ids.__getitem__)
    leaders = near.clusters(np.concatenate(signed)[order], threshold)
    kept = {ids[order[place]]: ids[order[leader]] for place, leader in enumerate(leaders) if leader != place}
    for bucket in range(BUCKETS) if kept else ():
        _follow(kept, excluded, bucket)
        table = read_bucket(selected, bucket)
        keep: list[int] = []
        leave = _Excluded.none()
        for row, record_id in enumerate(table.column("id").to_pylist()):
            if record_id in kept:
                leave.add(row, NEAR_DUPLICATE, kept[record_id])
            else:
                keep.append(row)
        _write_both(table, keep, leave, selected, excluded, bucket, dropped)


def _follow(kept: dict[str, str], excluded: Path, bucket: int) -> None:
    """Where a record that stood in place of others has left itself, the one that stands in its place."""
    import pyarrow as pa

    table = read_bucket(excluded, bucket)
    followed = [kept.get(name, name) for name in table.column("kept").to_pylist()]
    number = table.schema.get_field_index("kept")
    write_bucket(table.set_column(number, "kept", pa.array(followed, pa.string())), excluded, bucket)
