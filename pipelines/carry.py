"""`refresh: {mode: incremental}`: records that the sources no longer have stay, as the version before holds them.

    records of the version before ──▶ not in today's sources, not erased, not past their time, no copy of a new one
                                  ──▶ filtered anew where rules or detectors have changed ──▶ beside today's records

Their text is what the version holds, filtered by the rules of its day: the raw one is nowhere. So quality and language
are judged no more. Whether one is a copy, or a near duplicate, of a record of today's is told by the keyed hash of its
raw text and by its signature (`pipelines.carry_near`): two letters that differ in a name alone are two letters still.
Only records of the pipeline's own sources stay: what comes from another pipeline follows that one's version, and a
source that was taken out of the pipeline's file takes its records along.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.carry_near import LeaveNear
from pipelines.curate.buckets import (
    BUCKETS,
    bucket_of,
    bucket_path,
    filtered_schema,
    read_bucket,
    staged_schema,
    write_bucket,
)
from pipelines.curate.contamination import Decontaminate
from pipelines.curate.erased import Barred
from pipelines.curate.retention import Day, Retention
from pipelines.curate.stage import EMPTY_FILE
from pipelines.parts import plain_text
from pipelines.spec import PipelineSpec
from pipelines.versions import PII_FILE, SPLITS, DatasetVersion

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Records that are looked at together.
_ROWS = 2_000

#: Brings filtered texts up to date: told where the selected buckets are, it returns where their filtered texts are.
Filter = Callable[[Path], Path]


@dataclass(frozen=True)
class Carried:
    """What stays of the version before.

    Attributes:
        records: how many.
        selected: buckets of today's records and these.
        filtered: their filtered texts.
        carried: buckets of these alone.
        until: the day on which the first of these will have to leave.
    """

    records: int
    selected: Path
    filtered: Path
    carried: Path
    until: Day | None


def origins(version: DatasetVersion) -> list[dict[str, Any]]:
    """Of each record `record_id`, `subject`, `file`, `row`, `source`, and what older versions do not say (None): `day`,
    `carried`, and `raw_key`, the keyed hash of its text before the filter."""
    columns = ["record_id", "subject", "file", "row", "source"]
    more = [name for name in ("day", "carried", "text_key") if name in version.columns]
    rows: list[dict[str, Any]] = version.manifest([*columns, *more]).to_pylist()
    for row in rows:
        row["raw_key"] = row.pop("text_key", None)
    return [{"day": None, "carried": None} | row for row in rows]


def carried_schema() -> Any:
    """Of records that stay although no source has them: staged ones that say what their raw text was."""
    import pyarrow as pa

    return staged_schema().append(pa.field("raw_key", pa.binary(16))).append(pa.field("carried", pa.bool_()))


def note_today(staged: Path, notes: Path) -> None:
    """Keeps ids and keys of all records that today's sources have, whatever becomes of them."""
    import pyarrow as pa

    notes.mkdir(mode=0o700)
    empty: dict[int, list[str]] = defaultdict(list)
    for line in (staged / EMPTY_FILE).read_text(encoding="utf-8").splitlines():
        record_id = json.loads(line)["record_id"]
        empty[bucket_of(record_id)].append(record_id)
    for bucket in range(BUCKETS):
        table = read_bucket(staged, bucket, ["id", "text_key"])
        blank = pa.Table.from_pylist([{"id": one} for one in empty[bucket]], schema=table.schema)
        write_bucket(pa.concat_tables([table, blank]), notes, bucket)


@dataclass(frozen=True)
class Carrier:
    """Takes records over from `previous` into a build in `work`.

    Attributes:
        text_key: of a text: what a filter's cache knows it by.
        refilter: None where the version was filtered by today's rules and detectors.
        leave_near: None where the pipeline keeps near duplicates.
    """

    spec: PipelineSpec
    previous: DatasetVersion
    work: Path
    barred: Barred
    retention: Retention | None
    text_key: Callable[[str], bytes]
    refilter: Filter | None
    leave_near: LeaveNear | None

    def carry(self, selected: Path, filtered: Path, notes: Path) -> Carried:
        """Args: `selected` and `filtered` are today's records, `notes` what `note_today` wrote."""
        texts = self.work / "carried"
        self._write(texts, notes)
        if self.leave_near is not None:
            self.leave_near(texts)
        count, until = self._counted(texts)
        found = self._filtered(texts)
        both, of_both = self.work / "both-selected", self.work / "both-filtered"
        both.mkdir(mode=0o700)  # raw text
        of_both.mkdir(mode=0o700)
        for bucket in range(BUCKETS):
            _join(bucket, (selected, filtered), (texts, found), both, of_both)
        return Carried(count, both, of_both, texts, until)

    def _write(self, folder: Path, notes: Path) -> None:
        """The records that stay, in buckets."""
        import pyarrow as pa

        folder.mkdir(mode=0o700)
        manifest = self._manifest()
        gone = _not_among(notes, manifest)
        for bucket in range(BUCKETS):
            write_bucket(pa.Table.from_pylist([], schema=carried_schema()), folder, bucket)
        if not gone:
            return
        keys = _keys_of_today(notes)
        for split in SPLITS:  # whose records come bucket after bucket
            staying = self._staying(split, gone, manifest, keys)
            for bucket, rows in itertools.groupby(staying, key=lambda row: bucket_of(row["id"])):
                table = pa.Table.from_pylist(list(rows), schema=carried_schema())
                write_bucket(pa.concat_tables([read_bucket(folder, bucket), table]), folder, bucket)

    def _counted(self, folder: Path) -> tuple[int, Day | None]:
        """How many records stay, and the first day on which one has to leave."""
        count, until = 0, None
        for bucket in range(BUCKETS):
            days = read_bucket(folder, bucket, ["date"]).column("date").to_pylist()
            count += len(days)
            if self.retention is not None and days:
                until = min(filter(None, (until, *map(self.retention.leaves, days))))
        return count, until

    def _staying(
        self, split: str, gone: set[str], manifest: dict[str, dict[str, Any]], keys: npt.NDArray[np.uint64]
    ) -> Iterator[dict[str, Any]]:
        suites = None if self.spec.curate.decontaminate is None else Decontaminate(self.spec.curate.decontaminate)
        records = (pair for pair in self.previous.stored(split) if pair[0] in gone)
        while some := list(itertools.islice(records, _ROWS)):
            rows = [manifest[record_id] for record_id, _ in some]
            barred = self.barred.named([one for one, _ in some], [row["subject"] for row in rows], [None] * len(some))
            barred |= self.barred.alike([text for _, text in some])
            for (record_id, text), row, is_barred in zip(some, rows, barred.tolist(), strict=True):
                if is_barred or self._is_past(row["date"]) or _is_among(row["raw_key"], keys):
                    continue
                if suites is None or suites.reason(plain_text(text)) is None:
                    yield {"id": record_id, "text": text, "text_key": self._key(record_id, text), **row}

    def _key(self, record_id: str, text: str) -> bytes:
        """Two texts may have become equal by the filter, and are still replaced differently."""
        return self.text_key(f"kept\0{record_id}\0{text}")

    def _manifest(self) -> dict[str, dict[str, Any]]:
        """What a staged record says besides its text, by id, of the records whose source is still the pipeline's."""
        numbers = {name: number for number, name in enumerate(self.spec.source_names)}
        own = {
            old: numbers[name]
            for old, name in enumerate(self.previous.sources.names)
            if name in numbers and self.spec.sources[numbers[name]].pipeline is None
        }
        found = {}
        for row in origins(self.previous):
            if row["source"] in own:
                day = row.pop("day")
                if self.retention is not None and day is None:  # of a version from before there was a retention
                    day = self.retention.today
                found[row.pop("record_id")] = {**row, "source": own[row["source"]], "date": day, "carried": True}
        return found

    def _is_past(self, day: Day | None) -> bool:
        return self.retention is not None and day is not None and self.retention.leaves(day) <= self.retention.today

    def _filtered(self, texts: Path) -> Path:
        """Their filtered texts, with what was replaced in them then and, where they are filtered anew, now."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        again = None if self.refilter is None else self.refilter(texts)
        folder = self.work / "carried-filtered"
        folder.mkdir(mode=0o700)
        types, hashes = personal_data(self.previous)
        for bucket in range(BUCKETS):
            rows = read_bucket(texts, bucket, ["id", "text", "text_key"]).to_pylist()
            anew = {} if again is None else _by_key(again, bucket)
            found = []
            for row in rows:
                now = anew.get(row["text_key"], {"text": row["text"], "pii_types": [], "pii_hashes": []})
                found.append(
                    {
                        "text_key": row["text_key"],
                        "text": now["text"],
                        "pii_types": types[row["id"]] + now["pii_types"],
                        "pii_hashes": hashes[row["id"]] + now["pii_hashes"],
                    }
                )
            table = pa.Table.from_pylist(found, schema=filtered_schema())
            pq.write_table(table, bucket_path(folder, bucket, "parquet"))
        return folder


def _join(bucket: int, today: tuple[Path, Path], kept: tuple[Path, Path], selected: Path, filtered: Path) -> None:
    """A bucket of both."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    own = read_bucket(today[0], bucket).select(staged_schema().names)
    own = own.append_column("raw_key", own.column("text_key"))
    own = own.append_column("carried", pa.array([False] * len(own), pa.bool_()))
    tables = [own, read_bucket(kept[0], bucket)]
    write_bucket(pa.concat_tables(tables).sort_by("id"), selected, bucket)
    texts = [_filtered_texts(folder, bucket) for _, folder in (today, kept)]
    pq.write_table(pa.concat_tables(texts), bucket_path(filtered, bucket, "parquet"))


def _by_key(filtered: Path, bucket: int) -> dict[bytes, dict[str, Any]]:
    return {row["text_key"]: row for row in _filtered_texts(filtered, bucket).to_pylist()}


def _filtered_texts(folder: Path, bucket: int) -> Any:
    """A bucket of a filter's cache, which has no file for one without records."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = bucket_path(folder, bucket, "parquet")
    if not path.exists():
        return pa.Table.from_pylist([], schema=filtered_schema())
    return pq.read_table(path).select(filtered_schema().names).cast(filtered_schema())


def personal_data(version: DatasetVersion) -> tuple[dict[str, list[str]], dict[str, list[bytes]]]:
    """Types and keyed hashes of what was replaced in each record, by its id."""
    import pyarrow.parquet as pq

    types: dict[str, list[str]] = defaultdict(list)
    hashes: dict[str, list[bytes]] = defaultdict(list)
    for row in pq.read_table(version.path / PII_FILE).to_pylist():
        types[row["record_id"]].append(row["type"])
        hashes[row["record_id"]].append(row["hash"])
    return types, hashes


def _not_among(ids: Path, known: dict[str, dict[str, Any]]) -> set[str]:
    """Those that today's sources do not have."""
    left = set(known)
    for bucket in range(BUCKETS):
        left.difference_update(read_bucket(ids, bucket).column("id").to_pylist())
    return left


def _keys_of_today(notes: Path) -> npt.NDArray[np.uint64]:
    """64 bits of the key of each of today's texts, sorted: eight bytes a record."""
    import numpy as np

    columns = (read_bucket(notes, bucket).column("text_key").drop_null() for bucket in range(BUCKETS))
    content = b"".join(key for column in columns for key in column.to_pylist())
    return np.unique(np.frombuffer(content, np.uint64)[::2])


def _is_among(key: bytes | None, keys: npt.NDArray[np.uint64]) -> bool:
    import numpy as np

    if key is None:
        return False
    begin = np.frombuffer(key, np.uint64)[0]
    place = int(np.searchsorted(keys, begin))
    return place < len(keys) and bool(keys[place] == begin)
