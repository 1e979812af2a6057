"""Rows of source files as records: text, id, subject. A row that cannot be read says why."""

from __future__ import annotations

import datetime
import decimal
import lzma
import math
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import zstandard

from governance.errors import DataError, did_you_mean
from governance.wording import in_words
from pipelines.parts import check_spans, join_parts, without_separators, write_spans
from pipelines.sources.csv_rows import read_csv
from pipelines.sources.files import SourceFile, list_files
from pipelines.sources.formats import BadRow, Row, Rows, read_html, read_jsonl, read_parquet, read_txt
from pipelines.sources.other_pipeline import OtherPipeline
from pipelines.sources.sql import SqlQuery
from pipelines.sources.tfds_data import TfdsSource
from pipelines.spec import Format, SourceSpec, template_fields

_SURROGATE = re.compile("[\ud800-\udfff]")
_DOMAIN = re.compile(r"[a-z][a-z0-9_-]{0,62}")
#: What a field of text may hold; an exact number, as databases have them, is text in writing.
_TEXT = (str, decimal.Decimal)
#: Whole numbers above it are not exact in a float: two people might get one name.
_EXACT_FLOAT = 2**53
#: No column of exact numbers is wider.
_EXACT_DECIMAL = 10**76

_READERS: dict[Format, Callable[[SourceFile, SourceSpec, int], Rows]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "parquet": read_parquet,
    "txt": read_txt,
    "html": read_html,
}

#: What a source consists of.
SourceItem = SourceFile | SqlQuery | TfdsSource | OtherPipeline


def list_items(source: SourceSpec, folder: str) -> list[SourceItem]:
    """What a source of rows consists of, in a stable order.

    Args:
        folder: what relative paths start from.

    Raises:
        ConfigError, DataError: there is nothing, or it cannot be told what.
    """
    if source.sql is not None:
        return [SqlQuery.of(source.sql, source, folder)]
    if source.tfds is not None:
        return [TfdsSource.of(source.tfds, folder)]
    return list(list_files(source, folder))


@dataclass(frozen=True)
class Record:
    """One document as the source has it, before curation.

    `text` is one text or, as `pipelines.parts` writes them, several parts. `id` is None where the source
    names no id field; `subject` is who the record is about; `date`, in UTC, is None where the source names none.
    `titled` tells that the file's name may be the title of a text or page, and so say who it is about.
    """

    text: str
    id: str | None
    subject: str | None
    file: str
    row: int
    date: datetime.date | None = None
    titled: bool = False


@dataclass(frozen=True)
class Unreadable:
    """A row that is set aside. `reason` never holds content of the row."""

    file: str
    row: int
    reason: str


def _rows(listed: SourceFile | SqlQuery | TfdsSource, source: SourceSpec, max_bytes: int) -> Rows:
    if isinstance(listed, SourceFile):
        return _READERS[listed.format](listed, source, max_bytes)
    return listed.rows(source, max_bytes)


def read_records(file: SourceItem, source: SourceSpec, *, domain: str, max_bytes: int) -> Iterator[Record | Unreadable]:
    """Streams a file's rows in order.

    Args:
        max_bytes: UTF-8 bytes of one row's line, or of its text; longer ones are set aside.

    Raises:
        DataError: the file as a whole cannot be read, lacks a field in every row, or a row says
            that it belongs to another domain.
    """
    if isinstance(file, OtherPipeline):
        yield from _records_of(file, max_bytes)
        return
    titled = isinstance(file, SourceFile) and file.format in ("txt", "html")
    to_record = _record_maker(source, domain, titled)
    missing = 0
    good = False
    try:
        for row in _rows(file, source, max_bytes):
            result = Unreadable(row.file, row.row, row.reason) if isinstance(row, BadRow) else to_record(row)
            if isinstance(result, Record):
                good = True
                if len(result.text) * 4 > max_bytes and len(result.text.encode()) > max_bytes:
                    result = Unreadable(row.file, row.row, f"the text is longer than {max_bytes:,} bytes")
            elif isinstance(row, Row) and result.reason.startswith("no field"):
                missing += 1
                if missing == 1 and not good:
                    first_without, available = result, sorted(row.fields)
            yield result
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise DataError(f"the file is truncated or corrupt: {error}", where=file.name, fix="copy it again") from None
    except OSError as error:
        reason = in_words(error, detail=True)
        raise DataError(f"the file cannot be read: {reason}", where=file.name) from None
    if missing and not good:
        name = first_without.reason.split('"')[1]
        raise DataError(
            f'no row has a field "{name}"{did_you_mean(name, available)}',
            where=file.name,
            fix=f"fields of the first row: {', '.join(available)}",
        )


def _records_of(other: OtherPipeline, max_bytes: int) -> Iterator[Record | Unreadable]:
    for number, stored in enumerate(other.records(), 1):
        if len(stored.text.encode()) > max_bytes:
            yield Unreadable(other.name, number, f"the text is longer than {max_bytes:,} bytes")
        else:
            yield Record(stored.text, stored.id, stored.subject, other.name, number)


def _record_maker(source: SourceSpec, domain: str, titled: bool) -> Callable[[Row], Record | Unreadable]:
    needed = sorted(source.fields)
    if "domain_field" in source.model_fields_set and source.domain_field is not None:
        needed.append(source.domain_field)  # who names the field relies on it

    def make(row: Row) -> Record | Unreadable:
        _check_domain(row, source.domain_field, domain)
        for name in needed:
            if name not in row.fields:
                return Unreadable(row.file, row.row, f'no field "{name}"')
        text = _content(source, row)
        if isinstance(text, Unreadable):
            return text
        identifier = row.default_id
        if source.id is not None:
            identifier = _name(source.id, row.fields) or None
            if identifier is None:
                reason = f'the id ("{source.id}") is null, empty, or no string or whole number'
                return Unreadable(row.file, row.row, reason)
        subject = None if source.subject is None else _name(source.subject, row.fields)
        if subject is False:
            return Unreadable(row.file, row.row, f'the subject ("{source.subject}") is no string or whole number')
        date = None if source.date is None else _date(_fill(source.date, row.fields, (*_TEXT, datetime.date)))
        if source.date is not None and date is None:
            return Unreadable(row.file, row.row, f'the date ("{source.date}") is null or no ISO 8601 date')
        if any(_SURROGATE.search(part) for part in (text, identifier, subject) if part):
            return Unreadable(row.file, row.row, "half a surrogate pair, which is no character")
        return Record(text, identifier, subject or None, row.file, row.row, date, titled)

    return make


def _date(written: str | None) -> datetime.date | None:
    """Of an ISO 8601 date or time; one with an offset is taken to UTC. None of anything else."""
    try:
        moment = datetime.datetime.fromisoformat((written or "").strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo is None else moment.astimezone(datetime.UTC)).date()


def _content(source: SourceSpec, row: Row) -> str | Unreadable:
    if source.parts is None:
        text = _fill(source.text, row.fields, _TEXT)
        if text is None:
            return Unreadable(row.file, row.row, f'the text ("{source.text}") is null or no string')
        return without_separators(text)
    parts: dict[str, str] = {}
    for name, template in source.parts.items():
        if name == "spans":
            continue
        content = _fill(template, row.fields, (*_TEXT, int) if name == "label" else _TEXT)
        if content is None:
            return Unreadable(row.file, row.row, f'the part {name} ("{template}") is null or no string')
        parts[name] = without_separators(content)
    if "spans" in source.parts:
        spans = check_spans(row.fields[source.parts["spans"]], parts["text"])
        if isinstance(spans, str):
            return Unreadable(row.file, row.row, spans)
        parts["spans"] = write_spans(spans)
    return join_parts(parts)


def _check_domain(row: Row, field: str | None, domain: str) -> None:
    said = row.fields.get(field) if field is not None else None
    if said is not None and said != domain:
        # Only what looks like a domain's name is shown: the column may hold anything.
        shown = f'"{said}"' if isinstance(said, str) and _DOMAIN.fullmatch(said) else "another value"
        raise DataError(
            f'this record says domain {shown}, but the pipeline builds "{domain}"',
            where=f"{row.file}:{row.row}",
            fix="move the record to its own source, or name another domain_field if that field is no label",
        )


def _name(template: str, fields: dict[str, Any]) -> str | Literal[False] | None:
    """What a record is called, or somebody: a field's value or a filled template. None where there is no value; False
    where one is nothing that names: who cannot be named could not be erased."""
    parts = {name: _name_part(fields[name]) for name in template_fields(template)}
    if any(part is False for part in parts.values()):
        return False
    if all(part is None for part in parts.values()):
        return None
    if "{" not in template:
        return parts[template]
    return template.format(**{name: part or "" for name, part in parts.items()})


def _name_part(value: Any) -> str | Literal[False] | None:
    """A whole number is written as an integer, also where a program made a float of it, as pandas does of a column with
    gaps; its mark for a gap, not a number, is no value."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | decimal.Decimal):
        if math.isnan(value):
            return None
        most = _EXACT_FLOAT if isinstance(value, float) else _EXACT_DECIMAL
        return -most < value < most and value == int(value) and str(int(value))
    return False


def _fill(template: str, fields: dict[str, Any], plain: tuple[type, ...]) -> str | None:
    """A field's value or a filled template; None when a plain field has no usable value."""
    if "{" not in template:
        value = fields[template]
        return str(value) if isinstance(value, plain) and not isinstance(value, bool) else None
    values = {name: fields[name] for name in template_fields(template)}
    if all(value is None for value in values.values()):
        return None
    if any(not isinstance(value, str | int | float | decimal.Decimal | None) for value in values.values()):
        return None
    return template.format(**{name: "" if value is None else value for name, value in values.items()})
