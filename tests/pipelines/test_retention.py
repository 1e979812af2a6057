"""Records leave at the first build after their time, by the date of their source or the day they were first seen."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from governance import DataError, Domain, Keys, Policy
from governance.config import validate
from pipelines import BuildResult, build
from pipelines.curate.buckets import BUCKETS, bucket_of, read_bucket, staged_schema, write_bucket
from pipelines.curate.retention import Retained, Retention, retain_buckets
from pipelines.sources import Record, Unreadable, read_records
from pipelines.sources.files import list_files
from pipelines.spec import PipelineSpec, SourceSpec
from tests.support.workspace import write_jsonl

START = datetime.date(2026, 3, 1)
KEYS = Keys(b"k" * 32)


def day(number: int) -> datetime.date:
    return START + datetime.timedelta(days=number)


class Built:
    """A pipeline over one file, built on days of our choice."""

    def __init__(self, home: Path, *, date: str | None = None, days: int | None = 30) -> None:
        self.home = home
        self.policy = Policy(domains={"tax": _domain(days)})
        source = {"path": "data.jsonl", "id": "id"} | ({} if date is None else {"date": date})
        content: dict[str, Any] = {"domain": "tax", "sources": [source], "split": {"validation": 0.3, "test": 0.0}}
        spec = validate(content, PipelineSpec, where="p.yaml")
        self.spec = spec.model_copy(update={"name": "p", "folder": str(home)})

    def write(self, names: str, **fields: str) -> None:
        write_jsonl(self.home / "data.jsonl", [{"id": n, "text": f"text {n * 9}", **fields} for n in names])

    def on(self, number: int) -> BuildResult:
        storage = self.home / "storage"
        return build(self.spec, policy=self.policy, keys=KEYS, storage=storage, processes=1, today=day(number))

    def keep(self, days: int | None) -> None:
        self.policy = Policy(domains={"tax": _domain(days)})


def _domain(days: int | None) -> Domain:
    return Domain.model_validate(
        {"owner": "o", "may_derive_from": ["tax"], "pii": "keep"} | ({} if days is None else {"retention_days": days})
    )


def ids(result: BuildResult) -> str:
    return "".join(sorted(result.version.manifest(["record_id"]).column("record_id").to_pylist()))


def test_without_a_date_the_day_counts_on_which_a_build_saw_a_record_first(tmp_path: Path) -> None:
    built = Built(tmp_path)
    built.write("abcdefgh")
    built.on(0)
    built.write("abcdefghstuvwxyz")
    assert ids(built.on(10)) == "abcdefghstuvwxyz"
    assert built.on(30).reused, "the last day that they are kept"
    later = built.on(31)
    assert not later.reused and later.dropped == {"retention": 8} and ids(later) == "stuvwxyz"
    assert later.changed["removed"] == 8 and built.on(40).reused
    built.write("abcdefghstuvwxyzABCDEFGH")
    assert ids(built.on(40)) == "ABCDEFGHstuvwxyz", "who is past their time does not come back"
    assert ids(built.on(41)) == "ABCDEFGH"


def rows_of(*records: tuple[str, str, datetime.date | None]) -> dict[int, Any]:
    """Staged tables by bucket, for records of (id, text, date)."""
    found: dict[int, list[dict[str, Any]]] = {bucket: [] for bucket in range(BUCKETS)}
    for name, text, date in records:
        key = text.encode().ljust(16)
        row = {"id": name, "text": text, "text_key": key, "subject": None, "file": "f", "row": 1, "source": 0}
        found[bucket_of(name)].append(row | {"date": date})
    return {bucket: pa.Table.from_pylist(rows, schema=staged_schema()) for bucket, rows in found.items()}


def left_on(folder: Path, number: int, *records: tuple[str, str, datetime.date | None]) -> tuple[str, Retained]:
    """Ids of the records that stay on a day, which are kept for 30."""
    for bucket, table in rows_of(*records).items():
        write_bucket(table, folder, bucket)
    retained = retain_buckets(folder, Retention(30, day(number), b"k" * 32, folder / "seen.parquet"))
    stay = [name for bucket in range(BUCKETS) for name in read_bucket(folder, bucket).column("id").to_pylist()]
    return "".join(sorted(stay)), retained


def test_a_record_that_was_away_is_as_old_as_it_was_and_a_changed_one_is_new(tmp_path: Path) -> None:
    assert left_on(tmp_path, 0, ("a", "one", None)) == ("a", Retained(0, day(31)))
    assert left_on(tmp_path, 20, ("b", "one", None)) == ("b", Retained(0, day(51)))
    assert left_on(tmp_path, 31, ("a", "one", None), ("b", "one", None)) == ("b", Retained(1, day(51)))
    assert left_on(tmp_path, 31, ("a", "two", None)) == ("a", Retained(0, day(62)))
    assert left_on(tmp_path, 90, ("a", "two", None)) == ("", Retained(1, None))


def test_a_date_of_the_source_counts_if_it_is_earlier(tmp_path: Path) -> None:
    old, future = ("a", "one", day(-20)), ("b", "two", datetime.date(2199, 1, 1))
    assert left_on(tmp_path, 0, old, future) == ("ab", Retained(0, day(11)))
    assert left_on(tmp_path, 11, old, future) == ("b", Retained(1, day(31)))
    assert left_on(tmp_path, 31, old, future) == ("", Retained(2, None))


@pytest.mark.parametrize(
    ("said", "date"),
    [
        ("2026-01-31", datetime.date(2026, 1, 31)),
        ("2026-01-31T23:30:00-05:00", datetime.date(2026, 2, 1)),
        ("2026-01-31T23:30:00Z", datetime.date(2026, 1, 31)),
        (None, None),
        ("last May", None),
        (20260131, None),
    ],
)
def test_a_record_without_a_readable_date_is_set_aside(
    tmp_path: Path, said: object, date: datetime.date | None
) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": "a", "on": said}])
    source = SourceSpec(path="a.jsonl", date="on")
    [file] = list_files(source, str(tmp_path))
    [found] = read_records(file, source, domain="tax", max_bytes=1000)
    if date is None:
        assert isinstance(found, Unreadable) and found.reason == 'the date ("on") is null or no ISO 8601 date'
    else:
        assert isinstance(found, Record) and found.date == date


def test_another_retention_is_another_input(tmp_path: Path) -> None:
    built = Built(tmp_path, date="{y}-{m}-01")
    built.write("abcdefgh", y="2026", m="01")
    with pytest.raises(DataError, match="all 8"):
        built.on(0)
    built.keep(90)
    assert ids(built.on(0)) == "abcdefgh"
    built.keep(None)
    assert ids(built.on(999)) == "abcdefgh" and built.on(9999).reused


def test_the_file_of_first_days_holds_hashes_alone_and_is_needed_whole(tmp_path: Path) -> None:
    built = Built(tmp_path)
    built.write("abcdefgh")
    built.on(0)
    path = tmp_path / "storage" / "datasets" / "p" / "first_seen.parquet"
    table = pq.read_table(path)
    assert table.column_names == ["bucket", "record", "day"] and len(set(table.column("record").to_pylist())) == 8
    assert str(table.schema.field("record").type) == "fixed_size_binary[16]"
    path.write_bytes(path.read_bytes()[:-40])
    built.write("abcdefghi")
    with pytest.raises(DataError, match="the first days of the records are unreadable"):
        built.on(1)
