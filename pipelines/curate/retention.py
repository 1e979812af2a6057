"""Records that are older than their domain keeps them leave, before anything is done with their text.

A record is as old as its source says, and never younger than the day on which a build of its pipeline first saw it.
That day is kept in `datasets/<pipeline>/first_seen.parquet`, by a keyed hash over id and text, also of records that are
gone: one that comes back is as old as it was. Their texts are not in it.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import DataError
from governance.wording import in_words
from pipelines.atomic import atomic_path
from pipelines.curate.buckets import BUCKETS, read_bucket, write_bucket

#: The reason of such a drop.
RETENTION = "retention"

Day = datetime.date


@dataclass(frozen=True)
class Retention:
    """How long the records of a pipeline are kept.

    Attributes:
        days: that a record is kept after its date.
        today: in UTC.
        key: of the hashes that stand for records.
        first_seen: the file, which need not be there yet.
    """

    days: int
    today: Day
    key: bytes
    first_seen: Path

    def leaves(self, day: Day) -> Day:
        """The first day on which a record of this day is past its time."""
        return day + datetime.timedelta(days=self.days + 1)


@dataclass(frozen=True)
class Retained:
    """What became of the staged records. `until` is the day on which the next one will have to leave, if any stayed."""

    dropped: int
    until: Day | None


def retain_buckets(staged: Path, retention: Retention) -> Retained:
    """Takes the records out of `staged` that are past their time, and notes the day for those that are new.
    The date of each becomes the day from which its time counts.

    Raises:
        DataError: the file of first days is damaged or cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    dropped, until = 0, None
    schema = pa.schema([("bucket", pa.uint8()), ("record", pa.binary(16)), ("day", pa.date32())])
    with atomic_path(retention.first_seen) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for bucket in range(BUCKETS):
            table = read_bucket(staged, bucket)
            seen = _first_days(retention.first_seen, bucket)
            days = list(_days(table, seen, retention))
            stay = [row for row, day in enumerate(days) if retention.leaves(day) > retention.today]
            dropped += len(days) - len(stay)
            dated = table.set_column(table.schema.names.index("date"), "date", pa.array(days, pa.date32()))
            write_bucket(dated.take(pa.array(stay, pa.int64())), staged, bucket)
            until = min(filter(None, (until, *(retention.leaves(days[row]) for row in stay))), default=None)
            rows = [(bucket, record, seen[record]) for record in sorted(seen)]
            if rows:
                columns = zip(*rows, strict=True)
                arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
                writer.write_table(pa.table(arrays, schema=schema))
    return Retained(dropped, until)


def _days(table: Any, seen: dict[bytes, Day], retention: Retention) -> Iterator[Day]:
    """The date of each record, that of its source or the first day if that is earlier; adds new ones to `seen`."""
    columns = (table.column(name).to_pylist() for name in ("id", "text_key", "date"))
    for record_id, text_key, said in zip(*columns, strict=True):
        message = len(record_id.encode()).to_bytes(8, "big") + record_id.encode() + text_key
        record = hmac.new(retention.key, message, hashlib.sha256).digest()[:16]
        first = seen.setdefault(record, retention.today)
        yield first if said is None else min(said, first)


def _first_days(path: Path, bucket: int) -> dict[bytes, Day]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return {}
    try:
        table = pq.read_table(path, columns=["record", "day"], filters=[("bucket", "=", bucket)])
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"the first days of the records are unreadable: {in_words(error)}",
            where=str(path),
            fix="restore the file from your backup; without it records without a date would count as new",
        ) from None
    return dict(zip(table.column("record").to_pylist(), table.column("day").to_pylist(), strict=True))


def known_since(note: Path, today: Day) -> Day:
    """The day whose result still holds today, as `write_note` left it: between both no record passes its time."""
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        since, until = (Day.fromisoformat(content[name]) for name in ("since", "until"))
    except (OSError, ValueError, KeyError, TypeError):  # it only remembers: without it the day is today
        return today
    return since if since <= today < until else today
