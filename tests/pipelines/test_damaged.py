"""A damaged row costs that row alone: quotes without an end, NULs, cells that cannot be decoded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import DataError
from pipelines.sources import Record, Unreadable, list_files, read_records
from pipelines.spec import SourceSpec
from tests.pipelines.test_sources import GOOD, LIMIT, read, reasons, texts

HEADER = "text,id\n"
#: Lines of one row each: a plain one, one over two lines, one whose field is only a quote, one with a quote too many.
ROWS: dict[str, Callable[[int], str]] = {
    "plain": lambda n: f"row {n},{n}\n",
    "two lines": lambda n: f'"row {n}\nand more",{n}\n',
    "quoted quote": lambda n: f'"",{n}\n',
    "stray": lambda n: f'"row {n},{n}\n',
}


def read_csv(path: Path, content: str, max_bytes: int = 1_000_000) -> list[Record | Unreadable]:
    path.write_text(content)
    source = SourceSpec.model_validate({"path": path.name, "id": "id"})
    [file] = list_files(source, str(path.parent))
    return list(read_records(file, source, domain="tax", max_bytes=max_bytes))


@settings(max_examples=150, deadline=None)
@given(kinds=st.lists(st.sampled_from(sorted(ROWS)), max_size=30))
def test_a_stray_quote_costs_its_own_row(tmp_path_factory: pytest.TempPathFactory, kinds: list[str]) -> None:
    lines = [ROWS[kind](number) for number, kind in enumerate(kinds)]
    found = read_csv(tmp_path_factory.mktemp("csv") / "a.csv", HEADER + "".join(lines))
    ids = [row.id for row in found if isinstance(row, Record)]
    assert ids == [str(number) for number, kind in enumerate(kinds) if kind != "stray"]
    starts = [2 + sum(line.count("\n") for line in lines[:number]) for number in range(len(lines))]
    expected = [starts[number] for number, kind in enumerate(kinds) if kind == "stray"]
    assert [row for row, _ in reasons(found)] == expected


NO_END = "not valid CSV: a quoted field goes on for more than 1,000 lines"
REST = "a quote in a field that has none around it, behind a bad row"


@pytest.mark.parametrize(
    ("opens", "closes", "bad"),
    [
        (500, None, [(502, NO_END)]),
        (500, 1_700, [(502, NO_END)]),
        (2_300, None, [(2_302, "not valid CSV: unexpected end of data")]),
    ],
)
def test_a_quote_without_an_end_does_not_join_the_rows_behind_it(
    tmp_path: Path, opens: int, closes: int | None, bad: list[tuple[int, str]]
) -> None:
    """A second one closes what the first one opened: what is between them would be one record."""
    rows = [f"row {number},{number}\n" for number in range(2_500)]
    rows[opens] = f'x,"{opens}\n'
    if closes is not None:
        rows[closes] = f'row {closes},{closes}"\n'
    found = read_csv(tmp_path / "a.csv", HEADER + "".join(rows))
    assert reasons(found) == bad
    assert [r.row for r in found if isinstance(r, Record)] == [n + 2 for n in range(2_500) if n != opens]


@pytest.mark.parametrize(
    ("rows", "ids", "bad"),
    [
        ('"' + "line\n" * 998 + '",long\nb,2\n', ["long", "2"], []),
        ('5" pipe,1\n"a ""b""",2\n', ["1", "2"], []),
        ('"one\ntwo\nthree"\nb,2\n', ["2"], [(2, "1 values for 2 columns")]),
        (
            'a,b,"c\nd,3\ne,4\nf"\n"g ""h""",5\n',
            ["3", "4", "5"],
            [(2, "3 values for 2 columns"), (5, "1 values for 2 columns")],
        ),
        ('"a\nb"c,3\nd,4\n', ["4"], [(2, "not valid CSV: ',' expected after '\"'"), (3, REST)]),
        (
            '"a\n\0\nb",3\nc,4\n',
            ["4"],
            [(2, "the line holds NULs")],
        ),
    ],
)
def test_rows_of_several_lines(tmp_path: Path, rows: str, ids: list[str], bad: list[tuple[int, str]]) -> None:
    found = read_csv(tmp_path / "a.csv", HEADER + rows)
    assert [r.id for r in found if isinstance(r, Record)] == ids
    assert reasons(found) == bad


def test_a_row_over_several_lines_has_a_size(tmp_path: Path) -> None:
    content = HEADER + f'"{"x" * 300},1\n' + "".join(f"{'y' * 300},{n}\n" for n in range(5)) + 'z",6\n'
    found = read_csv(tmp_path / "a.csv", content, max_bytes=LIMIT)
    assert reasons(found) == [(2, "not valid CSV: the row is longer than 1,000 bytes")]
    assert [r.id for r in found if isinstance(r, Record)] == ["0", "1", "2", "3", "4", "6"]


def test_a_long_line_counts_as_a_line(tmp_path: Path) -> None:
    found = read_csv(tmp_path / "a.csv", f"{HEADER}a,1\n{'x' * 2000},2\nb,3\n", max_bytes=LIMIT)
    assert [(row.row, isinstance(row, Record)) for row in found] == [(2, True), (3, False), (4, True)]


def test_memory_does_not_grow_with_what_follows_a_quote(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + '"open,1\n' + "a row of some length that is no row to itself\n" * 100_000)
    source = SourceSpec.model_validate({"path": "a.csv", "id": "id"})
    [file] = list_files(source, str(tmp_path))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_records(file, source, domain="tax", max_bytes=100_000))
        assert count == 100_001 and tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content", "spec", "bad"),
    [
        ("a.jsonl", GOOD * 1000 + b"\0" * 500 + b"\n", {}, [(1001, "the line holds NULs")]),
        ("a.jsonl", GOOD + b"\0" * 500, {}, [(2, "the line holds NULs")]),
        ("a.jsonl", GOOD + b'{"text": "a\0b"}\n' + GOOD, {}, [(2, "the line holds NULs")]),
        ("a.jsonl", GOOD * 1000 + b"\xff\0\n" + GOOD, {}, [(1001, "the line holds NULs")]),
        ("a.csv", b"text,id\ngood,1\n\0\0\0\ngood,2\n", {}, [(3, "the line holds NULs")]),
        ("a.txt", b"good\n\0\0\ngood\n", {"records": "line"}, [(2, "the line holds NULs")]),
        ("a.txt", b"good\n\0\0\n", {}, [(1, "the text holds NULs")]),
    ],
)
def test_nuls_behind_good_lines(
    tmp_path: Path, name: str, content: bytes, spec: dict[str, object], bad: list[tuple[int, str]]
) -> None:
    (tmp_path / name).write_bytes(content)
    found = read(tmp_path, path=name, **spec)
    assert reasons(found) == bad
    assert len(texts(found)) == content.count(b"good") - (name == "a.txt" and not spec)


@pytest.mark.parametrize(
    ("name", "content", "spec"),
    [
        ("a.jsonl", '{"text": "x"}\n'.encode("utf-16"), {}),
        ("a.jsonl", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xf8\n", {}),
        ("a.csv", "text\nx\n".encode("utf-16"), {}),
        ("a.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xf8\n", {}),
    ],
)
def test_what_begins_as_binary_data_stops_the_reading(
    tmp_path: Path, name: str, content: bytes, spec: dict[str, object]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="this is binary data"):
        read(tmp_path, path=name, **spec)


def test_cells_of_parquet_that_cannot_be_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = [b"good"] * 1500
    content[700] = b"caf\xe9"
    days = [0] * 1500
    days[1400] = 2**62
    text = pa.array(content, pa.binary()).view(pa.string())
    table = pa.table({"text": text, "id": list(range(1500)), "day": pa.array(days, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "a.parquet")
    found = read(tmp_path, path="a.parquet", id="id", date="day")
    assert reasons(found) == [
        (701, 'the field "text" is not UTF-8 at byte 3'),
        (1401, 'the field "day" has a value that cannot be read'),
    ]
    assert [r.id for r in found if isinstance(r, Record)] == [str(n) for n in range(1500) if n not in (700, 1400)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ('"text,id', "the header is not valid CSV: unexpected end of data"),
        ("text," + "x" * 2000, "the header is not valid CSV: the line is longer than 1,000 bytes"),
        ("text,\udcff", "the header is not valid CSV: not UTF-8"),
    ],
)
def test_a_header_that_cannot_be_read(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(f"{header}\na,1\n".encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=f"a.csv:1: {message}"):
        read(tmp_path, path="a.csv")


def test_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    assert read_csv(tmp_path / "a.csv", "") == []
