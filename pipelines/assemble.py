"""Last step of a build: filtered records become ArrayRecord shards, a manifest and a digest.

A shard whose records are those of the previous version's is copied from there: compressing takes longer than all else.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from governance.errors import DataError
from governance.labels import Label
from pipelines.atomic import atomic_path, exchanged
from pipelines.cards.croissant import CROISSANT_FILE, croissant
from pipelines.curate.buckets import BUCKETS, bucket_path, read_bucket, read_parquet, shard_count, shard_of, split_of
from pipelines.parts import plain_text
from pipelines.place import REPLACED
from pipelines.spec import PipelineSpec
from pipelines.tfds_layout import serialized_example, write_metadata
from pipelines.versions import (
    MANIFEST_FILE,
    PII_FILE,
    SPLITS,
    VERSION_FILE,
    DatasetVersion,
    ShardFile,
    combine,
    record_digest,
    version_header,
)
from pipelines.word_tokens import COLUMN, WordTokens


@dataclass(frozen=True)
class FinalRecord:
    id: str
    text: str
    subject: str | None
    file: str
    row: int
    source: int
    day: datetime.date | None
    carried: bool | None
    text_key: bytes | None
    pii_types: list[str]
    pii_hashes: list[bytes]

    @property
    def origin(self) -> str:
        """All that the manifest says of a record besides its text."""
        key = None if self.text_key is None else self.text_key.hex()
        place = (self.source, self.id, self.subject, self.file, self.row, self.day, self.carried, key)
        return "\0".join(map(str, place)) + "\n"


@dataclass
class _Tally:
    """What is counted while shards are written."""

    records: Counter[str] = field(default_factory=Counter)
    text_bytes: Counter[str] = field(default_factory=Counter)
    shard_lengths: dict[str, list[int]] = field(default_factory=dict)
    stored_bytes: Counter[str] = field(default_factory=Counter)
    pii: Counter[str] = field(default_factory=Counter)
    shard_digests: dict[str, bytes] = field(default_factory=dict)
    shard_files: dict[str, ShardFile] = field(default_factory=dict)
    sources: Any = field(default_factory=hashlib.sha256)


def assemble(
    spec: PipelineSpec, selected: Path, cache: Path, datasets: Path, previous: DatasetVersion | None
) -> DatasetVersion:
    """Writes a dataset version and renames it into `datasets/<digest>`; an equal one is kept as it is.

    The digest says what the text is, not which source it came from: a version of the same text from other
    sources is replaced, and so is one whose manifest lacks a column.

    Args:
        previous: version of this pipeline; shards that did not change are taken from it.

    Raises:
        DataError: the disk is full, the folder is read-only.
    """
    counts = _split_counts(spec, selected)
    if not counts["train"] or not counts["validation"]:
        empty = "train" if not counts["train"] else "validation"
        raise DataError(
            f"of {sum(counts.values()):,} records none falls into the {empty} split",
            where=spec.name,
            fix="add records, or raise split.validation in the pipeline",
        )
    building = datasets / f".building-{os.getpid()}"
    with atomic_path(building) as folder:
        folder.mkdir(parents=True)
        tally = _write_shards(spec, (selected, cache), counts, folder, previous)
        digest = _digest(spec, tally)
        _write_metadata(spec, digest, tally, folder)
    final = datasets / digest[:16]
    if final.is_dir() and _equal(DatasetVersion.open(final), DatasetVersion.open(building)):
        _remove_tree(building)
        return DatasetVersion.open(final)
    try:
        _put(building, final, datasets / f"{REPLACED}{digest[:16]}")
    except OSError as error:
        raise DataError(f"cannot write: {error.strerror}", where=str(final)) from None
    return DatasetVersion.open(final)


def _put(building: Path, final: Path, replaced: Path) -> None:
    """Gives a version its name, which another one of the same text may have: that one leaves."""
    if not final.is_dir():
        os.rename(building, final)
    elif exchanged(building, final):
        _remove_tree(building)
    else:  # a kill in between leaves the old one aside: `remove_leftovers` brings it back
        os.rename(final, replaced)
        os.rename(building, final)
        _remove_tree(replaced)


def _equal(old: DatasetVersion, new: DatasetVersion) -> bool:
    same_origin = old.sources == new.sources and old.derived_from == new.derived_from
    return same_origin and old.columns == new.columns


def _remove_tree(folder: Path) -> None:
    shutil.rmtree(folder)


def final_records(bucket: int, selected: Path, cache: Path, wanted: Callable[[str], bool]) -> Iterator[FinalRecord]:
    """Joins records of a bucket with their filtered texts, in the order of ids. Args: `wanted` says of which ids.

    Selected records may have the columns `carried`, which says that they are of an earlier version and in no source
    any more, and `raw_key`, the key of the text that they had before the filter.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = read_bucket(selected, bucket)
    rows = [row for row in table.drop_columns(["text"]).to_pylist() if wanted(row["id"])]
    if not rows:
        return
    filtered = read_parquet(bucket_path(cache, bucket, "parquet"))
    keys = pa.array([row["text_key"] for row in rows], pa.binary(16))
    contents = filtered.take(pc.index_in(keys, value_set=filtered.column("text_key"))).to_pylist()
    for row, content in zip(rows, contents, strict=True):
        if content["text_key"] != row["text_key"]:
            raise RuntimeError(f"the text of a record of bucket {bucket} was not filtered")
        yield FinalRecord(
            id=row["id"],
            text=content["text"],
            subject=row["subject"],
            file=row["file"],
            row=row["row"],
            source=row["source"],
            day=row["date"],
            carried=row.get("carried", False),
            text_key=row.get("raw_key", row["text_key"]),
            pii_types=content["pii_types"],
            pii_hashes=content["pii_hashes"],
        )


def _split(spec: PipelineSpec, record_id: str) -> str:
    return split_of(record_id, validation=spec.split.validation, test=spec.split.test)


def _split_counts(spec: PipelineSpec, selected: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for bucket in range(BUCKETS):
        ids = read_bucket(selected, bucket, ["id"]).column("id").to_pylist()
        counts.update(_split(spec, record_id) for record_id in ids)
    return counts


def _write_shards(
    spec: PipelineSpec,
    inputs: tuple[Path, Path],
    counts: Counter[str],
    folder: Path,
    previous: DatasetVersion | None,
) -> _Tally:
    shards = {split: shard_count(counts[split]) for split in SPLITS if counts[split]}
    tally = _Tally(shard_lengths={split: [0] * n for split, n in shards.items()})
    with _Tables(folder, spec) as tables:
        for split, number in shards.items():
            for shard in range(number):
                records = _ShardRecords(spec, split, shard, number, inputs)
                count = _count_shard(records, tally, tables)
                tally.shard_lengths[split][shard] = count
                _write_shard(records, tally, folder, previous)
    return tally


@dataclass(frozen=True)
class _ShardRecords:
    """The records of a shard, read from their buckets as often as they are asked for."""

    spec: PipelineSpec
    split: str
    shard: int
    shards: int
    inputs: tuple[Path, Path]

    @property
    def name(self) -> str:
        return f"{self.spec.name}-{self.split}.array_record-{self.shard:05d}-of-{self.shards:05d}"

    def __iter__(self) -> Iterator[FinalRecord]:
        buckets = (bucket for bucket in range(BUCKETS) if shard_of(bucket, self.shards) == self.shard)
        return (record for bucket in buckets for record in final_records(bucket, *self.inputs, self._is_here))

    def _is_here(self, record_id: str) -> bool:
        return _split(self.spec, record_id) == self.split


def _count_shard(records: _ShardRecords, tally: _Tally, tables: _Tables) -> int:
    """Notes the records of a shard. Returns their number."""
    split, digests = records.split, []
    for record in records:
        digests.append(record_digest(record.id, record.text, records.spec.label))
        tally.records[split] += 1
        tally.text_bytes[split] += len(record.text.encode())
        tally.stored_bytes[split] += len(serialized_example(record.id, record.text))
        tally.pii.update(record.pii_types)
        tally.sources.update(record.origin.encode())
        tables.add(record, split, records.name)
    if digests:
        tally.shard_digests[records.name] = combine(digests, header=records.name)
    return len(digests)


def _write_shard(records: _ShardRecords, tally: _Tally, folder: Path, previous: DatasetVersion | None) -> None:
    """Copies the shard from the previous version where it holds the same, else writes it."""
    path = folder / records.name
    content = tally.shard_digests.get(records.name, b"").hex()
    written_by = f"array_record {metadata.version('array_record')}"
    known = None if previous is None else previous.shard_files.get(records.name)
    if previous is not None and known is not None and (known.content, known.written_by) == (content, written_by):
        shutil.copyfile(previous.path / records.name, path)
        if _sha256(path) == known.sha256:
            tally.shard_files[records.name] = known
            return
        path.unlink()  # somebody changed it there
    with _array_record(path) as write:
        for record in records:
            write(serialized_example(record.id, record.text))
    tally.shard_files[records.name] = ShardFile(content, written_by, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _array_record(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Yields what appends a record to a new ArrayRecord file; a full disk is said in one line."""
    from array_record.python.array_record_module import ArrayRecordWriter

    def translated(action: Callable[..., object], *arguments: object) -> None:
        try:
            action(*arguments)
        except RuntimeError as error:  # the only kind that its C++ code raises
            reason = str(error).split(";")[0]
            fix = "check free space, then run the same command again"
            raise DataError(f"cannot write a shard: {reason}", where=path.name, fix=fix) from None

    writer = ArrayRecordWriter(str(path), "group_size:1")
    try:
        yield partial(translated, writer.write)
    finally:
        translated(writer.close)


class _Tables:
    """The manifest and the table of replaced strings (as keyed hashes), written as they grow."""

    _ROWS = 10_000

    def __init__(self, folder: Path, spec: PipelineSpec) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text, hashes = pa.string(), pa.binary(16)
        manifest = [("record_id", text), ("content_sha256", pa.binary(32)), ("subject", text), ("split", text)]
        manifest += [("label", pa.list_(text)), ("shard", text), ("file", text), ("row", pa.int64())]
        manifest += [("source", pa.uint16()), ("bytes", pa.int64()), ("personal_data", pa.int32())]
        manifest += [("characters", pa.int64()), ("words", pa.int64()), ("day", pa.date32())]
        manifest += [("carried", pa.bool_()), ("text_key", pa.binary(16)), (COLUMN, pa.int64())]
        self._label = spec.label
        self._days_count = spec.refresh.mode == "incremental"
        self._schemas = (pa.schema(manifest), pa.schema([("record_id", text), ("type", text), ("hash", hashes)]))
        names = (MANIFEST_FILE, PII_FILE)
        self._writers = [
            pq.ParquetWriter(folder / name, schema, compression="zstd")
            for name, schema in zip(names, self._schemas, strict=True)
        ]
        self._rows: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        self._word_tokens = WordTokens()

    def __enter__(self) -> _Tables:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        for writer in self._writers:
            writer.close()

    def add(self, record: FinalRecord, split: str, shard: str) -> None:
        manifest, personal = self._rows
        content, readable = record.text.encode(), plain_text(record.text)
        manifest.append(
            {
                "record_id": record.id,
                "content_sha256": hashlib.sha256(content).digest(),
                "subject": record.subject,
                "split": split,
                "label": self._label.to_list(),
                "shard": shard,
                "file": record.file,
                "row": record.row,
                "source": record.source,
                "bytes": len(content),
                "personal_data": len(record.pii_types),
                "characters": len(readable),
                "words": len(readable.split()),
                "day": record.day if self._days_count else None,
                "carried": record.carried,
                "text_key": record.text_key,
            }
        )
        self._word_tokens.add(manifest[-1], readable)
        pairs = zip(record.pii_types, record.pii_hashes, strict=True)
        personal.extend({"record_id": record.id, "type": kind, "hash": value} for kind, value in pairs)
        if len(manifest) >= self._ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._word_tokens.fill()
        for writer, schema, rows in zip(self._writers, self._schemas, self._rows, strict=True):
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                rows.clear()


def _digest(spec: PipelineSpec, tally: _Tally) -> str:
    children = [tally.shard_digests[name] for name in sorted(tally.shard_digests)]
    return combine(children, header=version_header(spec.name, spec.label)).hex()


def _digest_of_sources(spec: PipelineSpec, tally: _Tally) -> str:
    content = "\0".join([*spec.source_names, str(tally.sources.hexdigest())])
    return hashlib.sha256(content.encode()).hexdigest()


def _write_metadata(spec: PipelineSpec, digest: str, tally: _Tally, folder: Path) -> None:
    description = f"Dataset version {digest} of the pipeline {spec.name}, label {spec.label}."
    write_metadata(folder, spec.name, description, tally.shard_lengths, tally.stored_bytes)
    described = croissant(folder, pipeline=spec.name, domain=spec.domain, digest=digest, label=spec.label)
    (folder / CROISSANT_FILE).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    content = {
        "pipeline": spec.name,
        "domain": spec.domain,
        "digest": digest,
        "label": Label.to_list(spec.label),
        "records": {split: tally.records[split] for split in SPLITS},
        "bytes": {split: tally.text_bytes[split] for split in SPLITS},
        "personal_data": dict(sorted(tally.pii.items())),
        "derived_from": dict(sorted(spec.derived_from.items())),
        "sources": {"names": spec.source_names, "digest": _digest_of_sources(spec, tally)},
        "shards": {name: value.hex() for name, value in sorted(tally.shard_digests.items())},
        "shard_files": {name: asdict(file) for name, file in sorted(tally.shard_files.items())},
        "files": files,
    }
    text = json.dumps(content, sort_keys=True, indent=1) + "\n"
    (folder / VERSION_FILE).write_text(text, encoding="utf-8")
