"""Sources: each format, and what a row that cannot be read becomes."""

from __future__ import annotations

import bz2
import csv
import dataclasses
import gzip
import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from governance.errors import DataError
from pipelines.sources import Record, Unreadable, list_files, read_records, source_digest
from pipelines.spec import SourceSpec

LIMIT = 1000  # bytes


def read(folder: Path, **spec: object) -> list[Record | Unreadable]:
    source = SourceSpec.model_validate(spec)
    files = list_files(source, str(folder))
    return [r for file in files for r in read_records(file, source, domain="tax", max_bytes=LIMIT)]


def texts(results: list[Record | Unreadable]) -> list[str]:
    return [result.text for result in results if isinstance(result, Record)]


def reasons(results: list[Record | Unreadable]) -> list[tuple[int, str]]:
    return [(result.row, result.reason) for result in results if isinstance(result, Unreadable)]


def test_jsonl_with_template_id_and_subject(tmp_path: Path) -> None:
    rows = [
        {"n": 1, "section": "A", "text": "one", "who": "C-1"},
        {"n": 2, "section": None, "text": "two", "who": None},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    found = read(tmp_path, path="*.jsonl", text="{section}: {text}", id="n", subject="who")
    assert found == [Record("A: one", "1", "C-1", "a.jsonl", 1), Record(": two", "2", None, "a.jsonl", 2)]


@pytest.mark.parametrize("compress", [False, True])
def test_csv_counts_physical_lines_and_reads_quoted_breaks(tmp_path: Path, compress: bool) -> None:
    content = b'text,id\n"two\nlines",a\nplain,b\n'
    path = tmp_path / ("a.csv.gz" if compress else "a.csv")
    path.write_bytes(gzip.compress(content) if compress else content)
    found = read(tmp_path, path="a.csv*", id="id")
    assert [(r.text, r.id, r.row) for r in found if isinstance(r, Record)] == [
        ("two\nlines", "a", 3),
        ("plain", "b", 4),
    ]


def test_parquet_reads_only_what_is_needed(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["x", "y"], "id": [7, 8], "other": [[1], [2]]}), tmp_path / "a.parquet")
    found = read(tmp_path, path="a.parquet", id="id")
    assert [(r.text, r.id) for r in found if isinstance(r, Record)] == [("x", "7"), ("y", "8")]


@pytest.mark.parametrize(
    ("records", "expected"),
    [("file", ["one\nmore\n\ntwo\n"]), ("paragraph", ["one\nmore", "two"]), ("line", ["one", "more", "two"])],
)
def test_txt_records(tmp_path: Path, records: str, expected: list[str]) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\nmore\r\n\r\ntwo\r\n")
    found = texts(read(tmp_path, path="*.txt", records=records))
    assert [text.replace("\r\n", "\n") for text in found] == expected


def test_a_folder_is_read_whole_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text("a")
    (tmp_path / "in" / "deep" / "b.txt").write_text("b")
    (tmp_path / "in" / ".c.txt").write_text("c")
    (tmp_path / "in" / "README.md").write_text("d")
    assert texts(read(tmp_path, path="in")) == ["a", "b"]


GOOD = b'{"text": "good"}\n'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "x"', "not valid JSON at column 13"),
        (b'["text"]', "not a JSON object but a list"),
        (b'{"text": "\xff"}', "not UTF-8 at byte 10 of the line"),
        (b'{"other": "x"}', 'no field "text"'),
        (b'{"text": null}', 'the text ("text") is null or no string'),
        (b'{"text": 5}', 'the text ("text") is null or no string'),
        (b'{"text": "' + b"x" * 2000 + b'"}', "the line is longer than 1,000 bytes"),
        (b"[" * 100_000, "the line is longer than 1,000 bytes"),
        ('{"text": "' + "\\u00e9" * 160 + '"}', None),
    ],
)
def test_a_bad_line_is_set_aside_and_the_rest_is_read(tmp_path: Path, line: bytes | str, reason: str | None) -> None:
    content = line.encode() if isinstance(line, str) else line
    (tmp_path / "a.jsonl").write_bytes(GOOD + content + b"\n" + GOOD)
    found = read(tmp_path, path="a.jsonl")
    assert reasons(found) == ([] if reason is None else [(2, reason)])
    assert texts(found).count("good") == 2
    assert [r.row for r in found] == [1, 2, 3]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"a,b,c\n", "3 values for 2 columns"),
        (b"\xff,b\n", "not UTF-8"),
        (b'"a"b,c\n', "not valid CSV"),
        (b"x" * 2000 + b",b\n", "the line is longer than 1,000 bytes"),
    ],
)
def test_a_bad_csv_row_is_set_aside(tmp_path: Path, row: bytes, reason: str) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,id\ngood,1\n" + row + b"good,2\n")
    found = read(tmp_path, path="a.csv", id="id")
    assert texts(found) == ["good", "good"]
    assert [text.startswith(reason) for _, text in reasons(found)] == [True]


@pytest.mark.parametrize(
    ("name", "content", "spec", "message"),
    [
        ("a.jsonl", b"\x00\x01\x02", {}, "a.jsonl:1: this is binary data"),
        ("a.txt", b"\x00\x01\x02", {}, "a.txt: this is binary data"),
        ("a.jsonl", GOOD, {"text": "txet"}, 'a.jsonl: no row has a field "txet" (did you mean "text"?)'),
        ("a.csv", b"text,id\na,1\n", {"text": "body"}, 'a.csv: there is no column "body"'),
        ("a.parquet", b"PAR1 but not really", {}, "a.parquet: not a readable Parquet file"),
        ("a.parquet", b"", {}, "a.parquet: not a readable Parquet file"),
        ("a.jsonl.gz", gzip.compress(GOOD * 500, mtime=0)[:-20], {}, "a.jsonl.gz: the file is truncated or corrupt"),
        ("a.jsonl.gz", b"no gzip at all", {}, "a.jsonl.gz: the file cannot be read"),
        ("a.doc", b"x", {"path": "a.doc"}, 'a.doc: the suffix ".doc" is no known format'),
        (
            "a.jsonl",
            b'{"text": "x", "domain": "support"}\n',
            {},
            'a.jsonl:1: this record says domain "support"',
        ),
    ],
)
def test_a_bad_file_stops_the_reading(
    tmp_path: Path, name: str, content: bytes, spec: dict[str, object], message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read(tmp_path, **({"path": "a.*"} | spec))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstandard.compress)],
)
def test_compressed_files_are_read_whole_or_refused(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.jsonl.{suffix}"
    whole = compress(GOOD * 500)
    path.write_bytes(whole)
    assert texts(read(tmp_path, path="a.*")) == ["good"] * 500
    path.write_bytes(whole + compress(GOOD))  # files that were put together are such
    assert len(texts(read(tmp_path, path="a.*"))) == 501
    path.write_bytes(whole[:-8])
    with pytest.raises(DataError, match="the file is truncated or corrupt"):
        read(tmp_path, path="a.*")


def test_a_record_taken_for_a_header_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Erna Text,900-11-2222,erna@example.org\n")
    with pytest.raises(DataError) as error:
        read(tmp_path, path="a.csv")
    assert "has 3 columns" in str(error.value) and not re.search("Erna|900|example", str(error.value))


def test_a_store_without_times_is_read_again(tmp_path: Path) -> None:
    import fsspec

    def digest(content: bytes) -> str:
        fsspec.filesystem("memory").pipe("/stampless/a.txt", content)
        [file] = list_files(SourceSpec(path="memory://stampless/a.txt"), "")
        return source_digest([dataclasses.replace(file, stamp='{"size": "3"}')], tmp_path / "cache.json")

    assert digest(b"one") == digest(b"one") != digest(b"two")


def test_no_file_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data/\*\.jsonl: no file matches"):
        read(tmp_path, path="data/*.jsonl")


def test_writers_of_csv_and_readers_agree(tmp_path: Path) -> None:
    rows = [["text", "id"], ['with "quotes", commas', "1"], ["line\nbreak", "2"], ["", "3"]]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    found = read(tmp_path, path="a.csv", id="id")
    assert [[r.text, r.id] for r in found if isinstance(r, Record)] == rows[1:]
