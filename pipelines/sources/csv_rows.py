"""Rows of CSV; a quote too many costs the row that it stands in, not those behind it."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Any

from governance.errors import DataError
from pipelines.sources.files import SourceFile
from pipelines.sources.formats import BadRow, Line, Row, Rows, numbered_lines, require_columns
from pipelines.spec import SourceSpec

#: In a row; one that goes on for longer is taken for a quote without an end.
_MOST_LINES = 1_000
#: The same in lines that were read before, as a part of a row that had no end: else each line may cost as many.
_FEW_LINES = 50


class _RowLines:
    """The lines of a CSV file as `csv.reader` takes them. Those of the present row are kept, to be read once more.

    A quote that is never closed would make one row of all that follows; so a row has a length at which this raises
    `csv.Error`, as the reader does of a row that is not valid.
    """

    def __init__(self, lines: Iterator[Line], max_bytes: int) -> None:
        self._lines, self._max_bytes = lines, max_bytes
        self._again: deque[Line] = deque()
        self._row: list[Line] = []
        self._size = 0
        self._read_twice = 0  # up to which line

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._row.append(line)
        content = b"\n" if isinstance(line, BadRow) else line[1]
        self._size += len(content)
        most = _FEW_LINES if self.first <= self._read_twice else _MOST_LINES
        if len(self._row) > most:
            raise csv.Error(f"a quoted field goes on for more than {most:,} lines")
        if self._size > self._max_bytes:
            raise csv.Error(f"the row is longer than {self._max_bytes:,} bytes")
        return _csv_text(content)

    @property
    def is_empty(self) -> bool:
        """Whether no line was read since the last row."""
        return not self._row

    @property
    def first(self) -> int:
        """Number of the row's first line."""
        return _number(self._row[0])

    @property
    def last(self) -> int:
        return _number(self._row[-1])

    def next_row(self) -> None:
        """What was read belongs to a row that is done."""
        self._row, self._size = [], 0

    def go_back(self) -> None:
        """To the row's second line: a quote that is too many must not take the rows behind it along."""
        self._again.extendleft(reversed(self._row[1:]))
        self._read_twice = max(self._read_twice, self.last)

    def problem(self, values: list[str], columns: int) -> str | None:
        """Why the row, whose values these are, cannot be read."""
        unreadable = next((line.reason for line in self._row if isinstance(line, BadRow)), None)
        if unreadable is not None or not values:
            return unreadable
        if len(values) != columns:
            return f"{len(values)} values for {columns} columns"
        if self._is_rest(values):
            return "a quote in a field that has none around it, behind a bad row"
        if any("\udc80" <= character <= "\udcff" for value in values for character in value):
            return "not UTF-8"
        return None

    def _is_rest(self, values: list[str]) -> bool:
        """Whether the row may be the end of a bad one that went on over several lines: read again, it has a quote where
        none may be. Elsewhere such a quote (`5" pipe`) is a part of the text."""
        if self.last > self._read_twice or not any('"' in value for value in values):
            return False
        return not any(b'""' in line[1] for line in self._row if not isinstance(line, BadRow))

    def is_followed_by_a_row(self, columns: int) -> bool:
        """Whether the row's second line is a whole row by itself."""
        second = self._row[1] if len(self._row) > 1 else None
        if second is None or isinstance(second, BadRow):
            return False
        try:
            return len(next(csv.reader([_csv_text(second[1])], strict=True))) == columns
        except csv.Error:
            return False


def _number(line: Line) -> int:
    return line.row if isinstance(line, BadRow) else line[0]


def _csv_text(line: bytes) -> str:
    return line.decode("utf-8", errors="surrogateescape")


def read_csv(file: SourceFile, source: SourceSpec, max_bytes: int) -> Rows:
    """CSV as RFC 4180 has it, with a header; a quoted field may hold line breaks."""
    csv.field_size_limit(max_bytes)
    lines = _RowLines(numbered_lines(file, max_bytes), max_bytes)
    reader = csv.reader(lines, strict=True)
    header = _header(reader, lines, file, source)
    while True:
        lines.next_row()
        try:
            values: list[str] | None = next(reader, None)
        except csv.Error as error:
            yield BadRow(file.name, lines.first, f"not valid CSV: {error}")
            lines.go_back()
            continue
        if values is None:
            return
        if (problem := lines.problem(values, len(header))) is not None:
            yield BadRow(file.name, lines.first, problem)
            if lines.is_followed_by_a_row(len(header)):
                lines.go_back()
        elif values:
            yield Row(file.name, lines.last, dict(zip(header, values, strict=True)))


def _header(reader: Any, lines: _RowLines, file: SourceFile, source: SourceSpec) -> list[str]:
    try:
        header: list[str] = next(reader, [])
        problem = lines.problem(header, len(header))
    except csv.Error as error:
        problem = str(error)
    if problem is not None:
        raise DataError(f"the header is not valid CSV: {problem}", where=f"{file.name}:1", fix="mend it")
    if lines.is_empty:
        return []
    # The first line of a file without a header is a record: its values are never shown.
    require_columns(header, file.name, source, fix=f"the first line, taken as header, has {len(header)} columns")
    return header
