"""First step of a build: read every source once, repair the text, group records into buckets."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from governance.errors import DataError
from pipelines.curate.buckets import BUCKETS, bucket_of, bucket_path, staged_schema
from pipelines.curate.erased import ERASED, Barred
from pipelines.curate.identify import Identified, Identifier, in_batches, read_all
from pipelines.curate.same_ids import take_out_repeated
from pipelines.parts import read_spans, split_parts
from pipelines.sources import Record, SourceItem, Unreadable
from pipelines.spec import PipelineSpec, SourceSpec

_FLUSH_BYTES = 1 << 17

#: JSON lines in the folder of staged records: the rows that held nothing.
EMPTY_FILE = "empty.jsonl"

#: Classes that a pipeline may have. In a closed set of names for classes no person hides.
_MOST_LABELS = 1_000
#: Types of marked places that a pipeline may have.
_MOST_TYPES = 100

Report = Callable[[str, int, int], None]


@dataclass
class SourceRows:
    """Rows of one source, and where and why the first of those that cannot be read was set aside."""

    rows: int = 0
    quarantined: int = 0
    first_problem: str = ""


@dataclass
class Staged:
    """What the first step read: counts by reason, and by number of the source."""

    rows: int = 0
    records: int = 0
    sources: dict[int, SourceRows] = field(default_factory=lambda: defaultdict(SourceRows))
    dropped: Counter[str] = field(default_factory=Counter)
    labels: set[bytes] = field(default_factory=set)
    types: set[str] = field(default_factory=set)

    @property
    def quarantined(self) -> int:
        return sum(source.quarantined for source in self.sources.values())


class _BucketWriters:
    """64 open Arrow files; rows are buffered so that each write is a batch of useful size."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        import pyarrow as pa

        self._schema = staged_schema()
        self._rows: list[list[tuple[Any, ...]]] = [[] for _ in range(BUCKETS)]
        self._bytes = [0] * BUCKETS
        self._writers = []
        for bucket in range(BUCKETS):
            sink = stack.enter_context(pa.OSFile(str(bucket_path(folder, bucket, "arrow")), "wb"))
            self._writers.append(stack.enter_context(pa.ipc.new_stream(sink, self._schema)))

    def add(self, row: tuple[Any, ...]) -> None:
        bucket = bucket_of(row[0])
        self._rows[bucket].append(row)
        self._bytes[bucket] += len(row[1])
        if self._bytes[bucket] > _FLUSH_BYTES:
            self._flush(bucket)

    def flush(self) -> None:
        for bucket in range(BUCKETS):
            self._flush(bucket)

    def _flush(self, bucket: int) -> None:
        import pyarrow as pa

        if not self._rows[bucket]:
            return
        columns = list(zip(*self._rows[bucket], strict=True))
        arrays = [pa.array(c, type=f.type) for c, f in zip(columns, self._schema, strict=True)]
        self._writers[bucket].write_batch(pa.record_batch(arrays, schema=self._schema))
        self._rows[bucket], self._bytes[bucket] = [], 0


def stage(
    spec: PipelineSpec,
    sources: Sequence[tuple[SourceSpec, SourceItem]],
    folder: Path,
    quarantine: Path,
    *,
    identify: Identifier,
    barred: Barred,
    report: Report,
    more: int = 0,
) -> Staged:
    """Reads all sources into bucket files in `folder`, and unreadable rows into `quarantine` (JSON lines). Which rows
    held nothing is noted in the folder's `empty.jsonl`.

    Args:
        identify: repairs records and names them.
        more: records that the version will have besides these; then there may be few of these, or none.
        barred: what was erased; nothing is noted of it, not even that it was empty.

    Raises:
        DataError: a file is unreadable, a record belongs to another domain, nothing is left, or
            more rows of a source than `curate.max_quarantined` allows had to be set aside.
    """
    staged = Staged()
    with ExitStack() as stack:
        writers = _BucketWriters(folder, stack)
        quarantine_file = stack.enter_context(quarantine.open("w", encoding="utf-8"))
        empty_file = stack.enter_context((folder / EMPTY_FILE).open("w", encoding="utf-8"))
        for batch in in_batches(read_all(spec, sources)):
            staged.rows += len(batch)
            for source, row in batch:
                staged.sources[source].rows += 1
                if isinstance(row, Unreadable):
                    _set_aside(row, identify.harmless(row.file), staged.sources[source], quarantine_file)
            records = [(source, row) for source, row in batch if isinstance(row, Record)]
            for (source, record), named in zip(records, identify([record for _, record in records]), strict=True):
                file = identify.file(record)
                if named.reason is None:
                    _note_types(named, staged, identify)
                    what = (named.id, named.text, named.text_key, named.subject)
                    writers.add((*what, file, record.row, source, record.date))
                    staged.records += 1
                elif barred.named([named.id], [named.subject], [None]).any():
                    staged.dropped[ERASED] += 1
                else:
                    staged.dropped[named.reason] += 1
                    _note_empty(named, file, record.row, source, empty_file)
            report("read", staged.rows, 0)
        writers.flush()
    _check_counts(staged, spec, more)
    return staged


def set_repeated_aside(
    spec: PipelineSpec, staged: Staged, folder: Path, today: Path | None, quarantine: Path, *, more: int = 0
) -> None:
    """Rows of one source that share an id are set aside as those that cannot be read are, all but the first.

    Called when the erased and what is past its time have left: a row that leaves is no first one that another would
    have to make room for, and nothing is noted of it.

    Args:
        today: notes of today's records (`pipelines.carry`), if there are any.
        more: as for `stage`.

    Raises:
        DataError: with these, more rows of a source than `curate.max_quarantined` allows are set aside.
    """
    with quarantine.open("a", encoding="utf-8") as quarantine_file:
        for source, row in take_out_repeated(spec, folder, today):
            _set_aside(row, row.file, staged.sources[source], quarantine_file)
            staged.records -= 1
    _check_counts(staged, spec, more)


def _set_aside(record: Unreadable, file: str, source: SourceRows, quarantine: Any) -> None:
    source.quarantined += 1
    source.first_problem = source.first_problem or f"{file}:{record.row}: {record.reason}"
    line = {"file": file, "row": record.row, "reason": record.reason}
    quarantine.write(json.dumps(line, sort_keys=True) + "\n")


def _note_empty(named: Identified, file: str, row: int, source: int, notes: Any) -> None:
    line: dict[str, Any] = {"record_id": named.id, "subject": named.subject, "reason": named.reason}
    line |= {"source": source, "file": file, "row": row}
    notes.write(json.dumps(line, sort_keys=True) + "\n")


def _note_types(named: Identified, staged: Staged, identify: Identifier) -> None:
    """Which classes and types of places there are, as far as there may be so many."""
    parts = split_parts(named.text)
    if "label" in parts and len(staged.labels) <= _MOST_LABELS:
        staged.labels.add(identify.key_of(parts["label"]))
    if "spans" in parts:
        staged.types.update(span.type for span in read_spans(parts["spans"]))


def _check_quarantined(staged: Staged, spec: PipelineSpec) -> None:
    """Of each source: a small one that is wholly unreadable would be lost beside a big one."""
    for number, source in sorted(staged.sources.items()):
        if source.quarantined > spec.curate.max_quarantined * source.rows:
            raise DataError(
                f"{source.quarantined:,} of {source.rows:,} rows cannot be read in the source "
                f'"{spec.source_names[number]}", more than curate.max_quarantined allows '
                f"({spec.curate.max_quarantined:.0%}); the first: {source.first_problem}",
                where=spec.name,
                fix="mend the source, or raise curate.max_quarantined",
            )


def _check_counts(staged: Staged, spec: PipelineSpec, more: int) -> None:
    _check_quarantined(staged, spec)
    most = min(_MOST_LABELS, (staged.records + more) // 2)
    if len(staged.labels) > most:
        raise DataError(
            f"the part label has {len(staged.labels):,} values in {staged.records:,} records, and names are not looked "
            f"for in it; a label is one of few classes, here {most:,} at most",
            where=spec.name,
            fix="name a field with classes under parts.label, and free text under another part",
        )
    if len(staged.types) > _MOST_TYPES:
        raise DataError(
            f"the part spans has {len(staged.types):,} types, more than {_MOST_TYPES}; they are not searched for names",
            where=spec.name,
            fix="give places few types, such as PERSON",
        )
    if staged.records + more == 0:
        raise DataError(
            "the sources hold no text", where=spec.name, fix="check sources[].path and sources[].text of the pipeline"
        )
