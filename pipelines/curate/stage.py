"""First step of a build: read every source once, repair the text, group records into buckets."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from pipelines.curate.buckets import BUCKETS, bucket_of, bucket_path, staged_schema
from pipelines.curate.repair import repair_record
from pipelines.curate.seen import Seen
from pipelines.parts import read_spans, split_parts
from pipelines.sources import Record, SourceItem, Unreadable, read_records
from pipelines.spec import PipelineSpec, SourceSpec

if TYPE_CHECKING:
    from governance.pii import Detector

_FLUSH_BYTES = 1 << 17

#: Classes that a pipeline may have. In a closed set of names for classes no person hides.
_MOST_LABELS = 1_000
#: Types of marked places that a pipeline may have.
_MOST_TYPES = 100

Report = Callable[[str, int, int], None]


@dataclass
class Staged:
    """What the first step read: counts by reason, and the first reason for quarantine."""

    rows: int = 0
    records: int = 0
    quarantined: int = 0
    first_problem: str = ""
    dropped: Counter[str] = field(default_factory=Counter)
    labels: set[bytes] = field(default_factory=set)
    types: set[str] = field(default_factory=set)


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
    text_key: bytes,
    subject_key: bytes,
    detector: Callable[[], Detector | None],
    sound_texts: Seen,
    harmless_names: Seen,
    report: Report,
) -> Staged:
    """Reads all sources into bucket files in `folder`, and unreadable rows into `quarantine` (JSON lines).

    Args:
        text_key: key of the hash that stands for a text wherever the text itself may not be kept.
        subject_key: key of the hash that stands for a subject.
        detector: makes one of personal data with a fixed form, for ids and file names; a keyed hash takes the
            place of one that holds some. It gives None where the domain keeps all of it.
        sound_texts: those that ftfy leaves as they are.
        harmless_names: those in which the detector finds nothing.

    Raises:
        DataError: a file is unreadable, a record belongs to another domain, nothing is left, or
            more rows than `curate.max_quarantined` allows had to be set aside.
    """
    staged = Staged()
    harmless = _Names(detector, text_key, harmless_names)
    with ExitStack() as stack:
        writers = _BucketWriters(folder, stack)
        quarantine_file = stack.enter_context(quarantine.open("w", encoding="utf-8"))
        for number, (source, record) in enumerate(_read_all(spec, sources)):
            staged.rows += 1
            if isinstance(record, Unreadable):
                _set_aside(record, staged, quarantine_file)
                continue
            text = _repaired(record.text, text_key, sound_texts) if spec.curate.repair else record.text
            parts = split_parts(text)
            if not all(content.strip() for name, content in parts.items() if name != "spans"):
                staged.dropped["empty"] += 1
                continue
            if "label" in parts and len(staged.labels) <= _MOST_LABELS:
                staged.labels.add(_keyed(text_key, parts["label"]))
            if "spans" in parts:
                staged.types.update(span.type for span in read_spans(parts["spans"]))
            key = _keyed(text_key, text)
            record_id = harmless(record.id) if record.id is not None else key.hex()
            subject = None if record.subject is None else _keyed(subject_key, record.subject).hex()
            writers.add((record_id, text, key, subject, harmless(record.file), record.row, source))
            staged.records += 1
            if number % 1000 == 0:
                report("read", staged.rows, 0)
        writers.flush()
    _check_counts(staged, spec)
    return staged


def _repaired(text: str, key: bytes, sound: Seen) -> str:
    keyed = _keyed(key, text)
    repaired = repair_record(text, sound=keyed in sound)
    if repaired.sound:
        sound.note(keyed)
    return repaired.record


class _Names:
    """Ids and file names as a dataset version may have them: an e-mail address as an id stays outside."""

    def __init__(self, detector: Callable[[], Detector | None], key: bytes, known: Seen) -> None:
        self._detector = functools.cache(detector)  # to load it takes seconds
        self._key = key
        self._known = known
        self._of = functools.lru_cache(maxsize=256)(self._examined)  # a file's name comes with each row

    def __call__(self, name: str) -> str:
        return self._of(name)

    def _examined(self, name: str) -> str:
        keyed = _keyed(self._key, name)
        if keyed not in self._known and (detector := self._detector()) is not None and detector.find([name])[0]:
            return keyed.hex()
        self._known.note(keyed)
        return name


def _read_all(
    spec: PipelineSpec, sources: Sequence[tuple[SourceSpec, SourceItem]]
) -> Iterator[tuple[int, Record | Unreadable]]:
    """Records with the numbers of their sources in the pipeline."""
    for source, file in sources:
        number = spec.sources.index(source)
        for record in read_records(file, source, domain=spec.domain, max_bytes=spec.curate.max_record_bytes):
            yield number, record


def _set_aside(record: Unreadable, staged: Staged, quarantine: Any) -> None:
    staged.quarantined += 1
    staged.first_problem = staged.first_problem or f"{record.file}:{record.row}: {record.reason}"
    line = {"file": record.file, "row": record.row, "reason": record.reason}
    quarantine.write(json.dumps(line, sort_keys=True) + "\n")


def _check_counts(staged: Staged, spec: PipelineSpec) -> None:
    share = staged.quarantined / max(1, staged.rows)
    if share > spec.curate.max_quarantined:
        raise DataError(
            f"{staged.quarantined:,} of {staged.rows:,} rows cannot be read, more than "
            f"curate.max_quarantined allows ({spec.curate.max_quarantined:.0%}); the first: {staged.first_problem}",
            where=spec.name,
            fix="mend the source, or raise curate.max_quarantined",
        )
    most = min(_MOST_LABELS, staged.records // 2)
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
    if staged.records == 0:
        raise DataError(
            "the sources hold no text", where=spec.name, fix="check sources[].path and sources[].text of the pipeline"
        )


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()[:16]
