"""Last step of a build: filtered records become ArrayRecord shards, a manifest and a digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from governance.errors import DataError
from governance.labels import Label
from pipelines.atomic import atomic_path
from pipelines.cards.croissant import CROISSANT_FILE, croissant
from pipelines.curate.buckets import BUCKETS, bucket_path, read_bucket, shard_count, shard_of, split_of
from pipelines.parts import plain_text
from pipelines.spec import PipelineSpec
from pipelines.versions import (
    MANIFEST_FILE,
    PII_FILE,
    SPLITS,
    VERSION_FILE,
    DatasetVersion,
    combine,
    record_digest,
    version_header,
)


@dataclass(frozen=True)
class FinalRecord:
    id: str
    text: str
    subject: str | None
    file: str
    row: int
    source: int
    pii_types: list[str]
    pii_hashes: list[bytes]


@dataclass
class _Tally:
    """What is counted while shards are written."""

    records: Counter[str] = field(default_factory=Counter)
    text_bytes: Counter[str] = field(default_factory=Counter)
    shard_lengths: dict[str, list[int]] = field(default_factory=dict)
    stored_bytes: Counter[str] = field(default_factory=Counter)
    pii: Counter[str] = field(default_factory=Counter)
    shard_digests: dict[str, bytes] = field(default_factory=dict)
    sources: Any = field(default_factory=hashlib.sha256)


def assemble(spec: PipelineSpec, selected: Path, cache: Path, datasets: Path) -> DatasetVersion:
    """Writes a dataset version and renames it into `datasets/<digest>`; an equal one is kept as it is.

    The digest says what the text is, not which source it came from: a version of the same text from other
    sources is replaced, and so is one whose manifest lacks a column.

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
        tally = _write_shards(spec, selected, cache, counts, folder)
        digest = _digest(spec, tally)
        _write_metadata(spec, digest, tally, folder)
    final = datasets / digest[:16]
    if final.is_dir() and _equal(DatasetVersion.open(final), DatasetVersion.open(building)):
        _remove_tree(building)
        return DatasetVersion.open(final)
    replaced = datasets / f".replaced-{os.getpid()}"
    try:
        if final.is_dir():
            os.rename(final, replaced)
        os.rename(building, final)
    except OSError as error:
        raise DataError(f"cannot write: {error.strerror}", where=str(final)) from None
    if replaced.is_dir():
        _remove_tree(replaced)
    return DatasetVersion.open(final)


def _equal(old: DatasetVersion, new: DatasetVersion) -> bool:
    same_origin = old.sources == new.sources and old.derived_from == new.derived_from
    return same_origin and old.columns == new.columns


def _remove_tree(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


def final_records(bucket: int, selected: Path, cache: Path) -> Iterator[FinalRecord]:
    """Joins a bucket's records with their filtered texts, in the order of ids."""
    import pyarrow.parquet as pq

    rows = read_bucket(selected, bucket, ["id", "text_key", "subject", "file", "row", "source"]).to_pylist()
    if not rows:
        return
    filtered = pq.read_table(bucket_path(cache, bucket, "parquet")).to_pylist()
    by_key = {row["text_key"]: row for row in filtered}
    for row in rows:
        content = by_key[row["text_key"]]
        yield FinalRecord(
            id=row["id"],
            text=content["text"],
            subject=row["subject"],
            file=row["file"],
            row=row["row"],
            source=row["source"],
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


def _write_shards(spec: PipelineSpec, selected: Path, cache: Path, counts: Counter[str], folder: Path) -> _Tally:
    shards = {split: shard_count(counts[split]) for split in SPLITS if counts[split]}
    tally = _Tally(shard_lengths={split: [0] * n for split, n in shards.items()})
    with _Tables(folder, spec) as tables:
        for split, number in shards.items():
            for shard in range(number):
                buckets = [b for b in range(BUCKETS) if shard_of(b, number) == shard]
                _write_shard(spec, split, shard, number, buckets, (selected, cache), folder, tally, tables)
    return tally


def _write_shard(
    spec: PipelineSpec,
    split: str,
    shard: int,
    shards: int,
    buckets: list[int],
    inputs: tuple[Path, Path],
    folder: Path,
    tally: _Tally,
    tables: _Tables,
) -> None:
    name = f"{spec.name}-{split}.array_record-{shard:05d}-of-{shards:05d}"
    features = _features()
    digests: list[bytes] = []
    with _array_record(folder / name) as write:
        for bucket in buckets:
            for record in final_records(bucket, *inputs):
                if _split(spec, record.id) != split:
                    continue
                example = features.serialize_example({"id": record.id, "text": record.text})
                write(example)
                digests.append(record_digest(record.id, record.text, spec.label))
                tally.records[split] += 1
                tally.text_bytes[split] += len(record.text.encode())
                tally.stored_bytes[split] += len(example)
                tally.pii.update(record.pii_types)
                tally.sources.update(f"{record.source}\0{record.id}\0".encode())
                tables.add(record, split, name)
    tally.shard_lengths[split][shard] = len(digests)
    if digests:
        tally.shard_digests[name] = combine(digests, header=name)


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


def _features() -> Any:
    import tensorflow_datasets as tfds

    return tfds.features.FeaturesDict({"id": tfds.features.Text(), "text": tfds.features.Text()})


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
        manifest += [("characters", pa.int64()), ("words", pa.int64())]
        self._label = spec.label
        self._schemas = (pa.schema(manifest), pa.schema([("record_id", text), ("type", text), ("hash", hashes)]))
        names = (MANIFEST_FILE, PII_FILE)
        self._writers = [
            pq.ParquetWriter(folder / name, schema, compression="zstd")
            for name, schema in zip(names, self._schemas, strict=True)
        ]
        self._rows: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])

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
            }
        )
        pairs = zip(record.pii_types, record.pii_hashes, strict=True)
        personal.extend({"record_id": record.id, "type": kind, "hash": value} for kind, value in pairs)
        if len(manifest) >= self._ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

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
    import tensorflow_datasets as tfds

    infos = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=lengths,
            num_bytes=tally.stored_bytes[split],
            filename_template=tfds.core.ShardedFileTemplate(
                dataset_name=spec.name, data_dir=str(folder), split=split, filetype_suffix="array_record"
            ),
        )
        for split, lengths in tally.shard_lengths.items()
    ]
    tfds.folder_dataset.write_metadata(
        data_dir=str(folder),
        features=_features(),
        split_infos=infos,
        version="1.0.0",
        check_data=False,
        description=f"Dataset version {digest} of the pipeline {spec.name}, label {spec.label}.",
    )
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
        "files": files,
    }
    text = json.dumps(content, sort_keys=True, indent=1) + "\n"
    (folder / VERSION_FILE).write_text(text, encoding="utf-8")
