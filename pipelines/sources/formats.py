"""Readers of jsonl, parquet, txt and html, and what the one of csv shares with them: each yields rows, and a reason for
each row it cannot read."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from governance.errors import DataError, did_you_mean
from governance.wording import kind_of_value
from pipelines.sources.files import SourceFile
from pipelines.spec import SourceSpec


@dataclass(frozen=True)
class Row:
    """Fields of one row; `row` counts from 1 as an editor or a data frame's reader would."""

    file: str
    row: int
    fields: dict[str, Any]
    default_id: str | None = None


@dataclass(frozen=True)
class BadRow:
    file: str
    row: int
    reason: str


Rows = Iterator[Row | BadRow]

#: Bytes at a file's start that tell whether it is text at all.
_FIRST_BLOCK = 8_000

#: What may be shown as a suggestion; a cell with digits or spaces may be somebody's data.
_COLUMN_NAME = re.compile(r"[a-z_]+", re.IGNORECASE)

#: A physical line with its number, or why it cannot be read.
Line = tuple[int, bytes] | BadRow


def numbered_lines(file: SourceFile, max_bytes: int) -> Iterator[Line]:
    """A line longer than `max_bytes` is not held in memory.

    Raises:
        DataError: the file is no text.
    """
    with file.open() as stream:
        number, offset = 0, 0
        while line := stream.readline(max_bytes + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if _is_binary(line[: max(0, _FIRST_BLOCK - offset)], number):
                raise DataError(
                    f"this is binary data, not {file.format} text", where=f"{file.name}:{number}", fix="check the file"
                )
            offset += len(line)
            if len(line) > max_bytes and not line.endswith(b"\n"):
                while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
                    pass
                yield BadRow(file.name, number, f"the line is longer than {max_bytes:,} bytes")
            elif b"\0" in line:
                yield BadRow(file.name, number, "the line holds NULs")
            else:
                yield number, line


def _is_binary(line: bytes, number: int) -> bool:
    """Whether one of a file's first lines shows that the file is no text. Zeros alone behind good lines do not: a file
    that was being written when a machine stopped ends in them."""
    if b"\0" not in line:
        return False
    try:
        codecs.utf_8_decode(line, "strict", False)  # what was cut off may end inside a character
    except UnicodeDecodeError:
        return True
    return number == 1


def _decoded_lines(file: SourceFile, max_bytes: int) -> Iterator[tuple[int, str] | BadRow]:
    for item in numbered_lines(file, max_bytes):
        if isinstance(item, BadRow):
            yield item
            continue
        number, line = item
        try:
            yield number, line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield BadRow(file.name, number, f"not UTF-8 at byte {error.start} of the line")


def read_jsonl(file: SourceFile, source: SourceSpec, max_bytes: int) -> Rows:
    for item in _decoded_lines(file, max_bytes):
        if isinstance(item, BadRow):
            yield item
            continue
        number, line = item
        if not line.strip():
            continue
        try:
            fields = json.loads(line.rstrip("\r\n"))
        except ValueError as error:
            place = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            yield BadRow(file.name, number, f"not valid JSON{place}")
            continue
        except RecursionError:
            yield BadRow(file.name, number, "JSON is nested too deep")
            continue
        if isinstance(fields, dict):
            yield Row(file.name, number, fields)
        else:
            yield BadRow(file.name, number, f"not a JSON object but a {kind_of_value(fields)}")


def read_parquet(file: SourceFile, source: SourceSpec, max_bytes: int) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.open() as stream:
            parquet = pq.ParquetFile(stream)
            names = parquet.schema_arrow.names
            require_columns(names, file.name, source, fix=f"columns: {', '.join(names[:20])}")
            wanted = [n for n in names if n in source.fields or n == source.domain_field]
            number = 0
            for batch in parquet.iter_batches(batch_size=512, columns=wanted):
                for fields in _rows_of(batch):
                    number += 1
                    is_good = isinstance(fields, dict)
                    yield Row(file.name, number, fields) if is_good else BadRow(file.name, number, fields)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"not a readable Parquet file: {first}", where=file.name, fix="write or copy it again"
        ) from None


def _rows_of(batch: Any) -> list[Any]:
    """Of each row its fields, or the reason why it cannot be read. Cells are taken one by one only where one is bad."""
    try:
        return list(batch.to_pylist())
    except (ValueError, OverflowError):  # no UTF-8, or a day that no calendar has
        return [_fields_of(batch, row) for row in range(batch.num_rows)]


def _fields_of(batch: Any, row: int) -> dict[str, Any] | str:
    fields = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            fields[name] = column[row].as_py()
        except UnicodeDecodeError as error:
            return f'the field "{name}" is not UTF-8 at byte {error.start}'
        except (ValueError, OverflowError):
            return f'the field "{name}" has a value that cannot be read'
    return fields


def read_txt(file: SourceFile, source: SourceSpec, max_bytes: int) -> Rows:
    """A whole file, a paragraph (set off by blank lines) or a line as one record with the field "text"."""
    if source.records == "file":
        yield from _whole_file(file, max_bytes)
        return
    paragraph: list[str] = []
    start, size = 1, 0
    for item in _decoded_lines(file, max_bytes):
        if isinstance(item, BadRow):
            yield item
            continue
        number, line = item
        if source.records == "line":
            if line.strip():
                yield Row(file.name, number, {"text": line.rstrip("\r\n")})
        elif line.strip():
            start = start if size else number
            size += len(line)
            # A paragraph without an end is not held in memory; its length alone tells that it is too long.
            if size <= max_bytes:
                paragraph.append(line)
            else:
                paragraph = []
        elif size:
            yield _paragraph(file, start, paragraph, max_bytes)
            paragraph, size = [], 0
    if size:
        yield _paragraph(file, start, paragraph, max_bytes)


def _paragraph(file: SourceFile, start: int, lines: list[str], max_bytes: int) -> Row | BadRow:
    if not lines:
        return BadRow(file.name, start, f"the paragraph is longer than {max_bytes:,} bytes")
    return Row(file.name, start, {"text": "".join(lines).strip("\r\n")})


def _whole_file(file: SourceFile, max_bytes: int) -> Rows:
    with file.open() as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        hint = "set `records: paragraph` or `records: line`, or raise curate.max_record_bytes"
        yield BadRow(file.name, 1, f"the file is longer than {max_bytes:,} bytes; {hint}")
        return
    first_lines = enumerate(content[:_FIRST_BLOCK].split(b"\n"), 1)
    if any(_is_binary(line, number) for number, line in first_lines):
        raise DataError("this is binary data, not text", where=file.name, fix="check the file")
    if b"\0" in content:
        yield BadRow(file.name, 1, "the text holds NULs")
        return
    try:
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=None).read()
    except UnicodeDecodeError as error:
        yield BadRow(file.name, 1, f"not UTF-8 at byte {error.start}")
        return
    yield Row(file.name, 1, {"text": text}, default_id=file.name)


def require_columns(columns: list[str], where: str, source: SourceSpec, *, fix: str) -> None:
    """Raises DataError where a field of the source is no column."""
    for name in sorted(source.fields):
        if name not in columns:
            words = [column for column in columns if _COLUMN_NAME.fullmatch(column)]
            raise DataError(f'there is no column "{name}"{did_you_mean(name, words)}', where=where, fix=fix)


def read_html(file: SourceFile, source: SourceSpec, max_bytes: int) -> Rows:
    """A page as one record with the fields "text", its main content, and "title"; trafilatura tells navigation and the
    like from content, and finds out the encoding."""
    import trafilatura

    with file.open() as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        yield BadRow(file.name, 1, f"the file is longer than {max_bytes:,} bytes; raise curate.max_record_bytes")
        return
    page: Any = trafilatura.bare_extraction(content, favor_recall=True, include_comments=False, with_metadata=True)
    if page is None or not page.text:
        yield BadRow(file.name, 1, "no text was found in this page")
        return
    yield Row(file.name, 1, {"text": page.text, "title": page.title or ""}, default_id=file.name)


def reader_version(file_format: str) -> str:
    """Changes when the same file may be read otherwise."""
    return metadata.version("trafilatura") if file_format == "html" else ""
