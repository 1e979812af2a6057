"""What records and the people in them are called: ids, subjects, and names of files that say who a text is about."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.keys import Keys
from governance.policy import Domain, Policy
from pipelines.build import build
from pipelines.curate.identify import Identifier, detector_of_names, hides_persons
from pipelines.erasure.find import Searched, Target, find_records
from pipelines.erasure.store import add_tombstones
from pipelines.sources import Record, Unreadable
from pipelines.sources.records import _name
from pipelines.spec import PipelineSpec
from tests.pipelines.test_tables import read
from tests.support.traces import traces

KEYS = Keys(b"m" * 32)
NO_SUBJECT = 'the subject ("who") is no string or whole number'
NO_ID = 'the id ("who") is null, empty, or no string or whole number'


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("17", "17"),
        ("17.0", "17"),  # as pandas writes a column of whole numbers with gaps
        ("1.7e1", "17"),
        ("-0.0", "0"),
        ('"17.0"', "17.0"),
        ("null", None),
        ("NaN", None),
        ('""', None),
        ("17.5", False),
        ("true", False),
        ("[17]", False),
        ('{"n": 17}', False),
        ("Infinity", False),
        ("9007199254740993.0", False),  # is another number as a float
    ],
)
def test_numbers_that_name(tmp_path: Path, written: str, name: str | bool | None) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "x", "who": {written}}}\n')
    [of_subject] = read(tmp_path, path="a.jsonl", subject="who")
    [of_id] = read(tmp_path, path="a.jsonl", id="who")
    if name is False:
        assert of_subject == Unreadable("a.jsonl", 1, NO_SUBJECT)
    else:
        assert isinstance(of_subject, Record) and of_subject.subject == name
    if not name:
        assert of_id == Unreadable("a.jsonl", 1, NO_ID)
    else:
        assert isinstance(of_id, Record) and of_id.id == name


@given(number=st.integers(-(2**53) + 1, 2**53 - 1), places=st.integers(0, 10))
def test_a_whole_number_has_one_name(number: int, places: int) -> None:
    for value in (number, float(number), Decimal(f"{number}.{'0' * places}")):
        assert _name("n", {"n": value}) == str(number)
        assert _name("C-{n}", {"n": value}) == f"C-{number}"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"a": "x", "b": None}, "x-"),
        ({"a": None, "b": None}, None),
        ({"a": "x", "b": 17.5}, False),
        ({"a": "x", "b": b"17"}, False),
        ({"a": Decimal("NaN"), "b": Decimal(10) ** 80}, False),
    ],
)
def test_names_from_several_fields(fields: dict[str, Any], name: str | bool | None) -> None:
    assert _name("{a}-{b}", fields) == name


def test_exact_numbers_of_tables(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    who = pa.array([Decimal("17.00"), None, Decimal("17.50")], pa.decimal128(10, 2))
    pq.write_table(pa.table({"text": ["a", "b", "c"], "who": who}), tmp_path / "a.parquet")
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("create table notes (text text, who decimal(10, 2))")
        connection.executemany("insert into notes values (?, ?)", [("a", "17.00"), ("b", None), ("c", "17.50")])
    sqlite3.register_converter("DECIMAL", lambda written: Decimal(written.decode()).quantize(Decimal("0.01")))
    try:
        sql = {"url": "sqlite:///a.db?detect_types=1", "query": "select text, who from notes"}
        of_query = read(tmp_path, sql=sql, subject="who")
        price = read(tmp_path, sql=sql, text="{text}: {who}")
    finally:
        sqlite3.converters.pop("DECIMAL")  # type: ignore[attr-defined]
    of_file = read(tmp_path, path="a.parquet", subject="who")
    for found, name in ((of_query, "sql:sqlite/a.db"), (of_file, "a.parquet")):
        assert [row.subject for row in found if isinstance(row, Record)] == ["17", None]
        assert found[2] == Unreadable(name, 3, NO_SUBJECT)
    assert [row.text for row in price if isinstance(row, Record)][0] == "a: 17.00", "in a text it is as it was written"


NAME = "Maren Oakley"


def titled(folder: Path, *, keeps_names: bool) -> tuple[PipelineSpec, dict[str, Any]]:
    """A pipeline over files that are named after people."""
    (folder / "notes").mkdir(parents=True)
    for number in range(24):
        text = f"Note {number}: " + " ".join(f"word{(number * 31 + place) % 977}" for place in range(40))
        (folder / "notes" / f"{NAME if number == 7 else f'Person {number}'}.txt").write_text(text)
    (folder / "notes" / f"{NAME} the elder.txt").write_text(" ")
    rules = {"default": "keep"} if keeps_names else {"default": "keep", "PERSON": "redact"}
    domain = Domain(owner="o", may_derive_from=["notes"], pii=rules)
    spec = {"domain": "notes", "sources": [{"path": "notes"}], "split": {"validation": 0.3, "test": 0.0}}
    named = PipelineSpec.model_validate(spec).model_copy(update={"name": "notes", "folder": str(folder)})
    policy = Policy(domains={"notes": domain})
    return named, {"policy": policy, "keys": KEYS, "storage": folder / "state", "processes": 1}


def ids(version: Any) -> set[str]:
    return set(version.manifest(["record_id"]).column("record_id").to_pylist())


def test_a_file_named_after_a_person_is_found_and_stays_unnamed(tmp_path: Path) -> None:
    spec, arguments = titled(tmp_path, keeps_names=False)
    built = build(spec, **arguments)
    assert built.dropped == {"empty": 1} and len(ids(built.version)) == 24
    assert traces(arguments["storage"], [NAME, "Oakley"]) == []
    (tmp_path / "notes" / "Person 0.txt").write_text("Another text of the same file.")
    changed = build(spec, **arguments)
    assert changed.changed == {"added": 0, "updated": 1, "removed": 0}, "the id is the file's, whatever it says"

    searched = [Searched("notes", "notes", spec, (changed.version,))]
    target = Target("record", f"notes/{NAME}.txt", "notes")
    found = find_records(target, searched, policy=arguments["policy"], keys=KEYS, report=lambda *_: None)
    assert len(found.hits["notes"].named) == 1 and found.hits["notes"].unread is None
    add_tombstones(arguments["storage"], "notes", found.tombstones["notes"])
    assert ids(build(spec, **arguments).version) == ids(changed.version) - found.hits["notes"].named


def test_a_domain_that_keeps_names_keeps_those_of_files(tmp_path: Path) -> None:
    spec, arguments = titled(tmp_path, keeps_names=True)
    assert f"notes/{NAME}.txt" in ids(build(spec, **arguments).version)


@pytest.mark.parametrize(
    ("file", "spec", "stays"),
    [
        ("a.html", {}, False),
        ("a.txt", {"records": "line"}, False),
        ("a.jsonl", {}, True),
        ("a.csv", {}, True),
    ],
)
def test_whose_names_may_be_those_of_people(tmp_path: Path, file: str, spec: dict[str, Any], stays: bool) -> None:
    row = {"text": "A few words about a refund that came late."}
    page = f"<html><body><main><p>{row['text']}</p></main></body></html>"
    content = {"html": page, "csv": f"text\n{row['text']}\n", "jsonl": json.dumps(row)}
    (tmp_path / file).write_text(content.get(file.rpartition(".")[2], row["text"]))
    pipeline = PipelineSpec.model_validate({"domain": "notes", "sources": [{"path": file, **spec}]})
    policy = Policy(domains={"notes": Domain(owner="o", may_derive_from=["notes"], pii={"default": "redact"})})
    identify = Identifier(
        pipeline,
        text_key=KEYS.derive("notes", "texts"),
        subject_key=KEYS.derive("notes", "subjects"),
        detector=detector_of_names(policy, "notes"),
        hide_titles=hides_persons(policy, "notes"),
    )
    [record] = read(tmp_path, path=file, **spec)
    assert isinstance(record, Record)
    assert (identify.file(record) == file) == stays
