"""Dataset versions: immutable TFDS data sets in ArrayRecord shards, a Parquet manifest, a digest.

The digest is a Merkle tree: SHA-256 over each record, over each shard's record digests, over the
version's shard digests. It says what is in a version, not how the bytes lie on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from governance.errors import DataError
from governance.labels import Label
from governance.wording import in_words
from pipelines.parts import plain_text, split_parts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

VERSION_FILE = "version.json"
MANIFEST_FILE = "manifest.parquet"
PII_FILE = "personal_data.parquet"
SPLITS = ("train", "validation", "test")
#: Without which its description is damaged.
_KEYS = ("pipeline", "domain", "digest", "label", "records", "bytes", "personal_data", "files")


def record_digest(record_id: str, text: str, label: Label) -> bytes:
    """SHA-256 over a record; each part is preceded by its length, so that no two records collide."""
    digest = hashlib.sha256()
    for part in (record_id, str(label), text):
        content = part.encode()
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.digest()


def combine(digests: list[bytes], *, header: str) -> bytes:
    """SHA-256 over a header and child digests: an inner node of the Merkle tree."""
    digest = hashlib.sha256(header.encode() + b"\0")
    for child in digests:
        digest.update(child)
    return digest.digest()


@dataclass(frozen=True)
class SourceTable:
    """The pipeline's sources that a version was built from.

    Attributes:
        names: by number, as the manifest's column "source" counts.
        digest: SHA-256 (hex) over the names and where each record came from, whom it is about and its day; empty in
            versions that do not say it.
    """

    names: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True)
class ShardFile:
    """What is known of a shard's file, so that a later build can take it over.

    Attributes:
        content: digest (hex) over its records.
        written_by: library and version; another one may write other bytes for the same records.
        sha256: (hex) over its bytes.
    """

    content: str
    written_by: str
    sha256: str


@dataclass(frozen=True)
class DatasetVersion:
    """A dataset version on disk; opening one reads only its small `version.json`.

    Attributes:
        derived_from: digests of the versions of other pipelines that are in it, by pipeline, also through others.
    """

    pipeline: str
    domain: str
    digest: str
    path: Path
    label: Label
    records: dict[str, int]
    text_bytes: dict[str, int]
    pii: dict[str, int]
    sources: SourceTable = SourceTable()
    shard_files: dict[str, ShardFile] = field(default_factory=dict)
    derived_from: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> DatasetVersion:
        """Opens a version.

        Raises:
            DataError: it is missing, unreadable, or lacks one of its files.
        """
        where = str(path / VERSION_FILE)
        try:
            content = json.loads((path / VERSION_FILE).read_text(encoding="utf-8"))
            version = cls(
                pipeline=content["pipeline"],
                domain=content["domain"],
                digest=content["digest"],
                path=path,
                label=Label.from_list(content["label"]),
                records=content["records"],
                text_bytes=content["bytes"],
                pii=content["personal_data"],
                sources=_source_table(content.get("sources")),
                shard_files={name: ShardFile(**known) for name, known in content.get("shard_files", {}).items()},
                derived_from=dict(content.get("derived_from", {})),
            )
            files = content["files"]
        except FileNotFoundError:
            raise DataError("there is no such dataset version", where=where, fix="run `zoo data build`") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = in_words(error, expected=_KEYS)
            raise DataError(f"the dataset version is unreadable: {reason}", where=where) from None
        for name, size in files.items():
            if not (path / name).is_file() or (path / name).stat().st_size != size:
                raise DataError(
                    "a file of the dataset version is missing or has another size",
                    where=str(path / name),
                    fix="restore it, or remove the version's folder and build again",
                )
        return version

    @property
    def total_records(self) -> int:
        return sum(self.records.values())

    @property
    def total_bytes(self) -> int:
        return sum(self.text_bytes.values())

    def texts(self, split: str) -> Iterator[tuple[str, str]]:
        """Yields (record id, text) of a split in shard order, the same order each time; of a record of parts
        what there is to read in it."""
        return ((record_id, plain_text(record)) for record_id, record in self.stored(split))

    def parts(self, split: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yields (record id, its parts by name), in the same order; see `pipelines.parts`."""
        return ((record_id, split_parts(record)) for record_id, record in self.stored(split))

    def texts_of(self, ids: Collection[str]) -> dict[str, str]:
        """All that these records hold, by id: a text, or each part under its name. Those that the version does not
        hold are left out, and no other record is read."""
        import tensorflow_datasets as tfds

        if not ids:
            return {}
        places: dict[str, list[int]] = {split: [] for split in SPLITS}
        counted = dict.fromkeys(SPLITS, 0)
        for row in self.manifest(["record_id", "split"]).to_pylist():
            if row["record_id"] in ids:
                places[row["split"]].append(counted[row["split"]])
            counted[row["split"]] += 1
        found: dict[str, str] = {}
        builder = tfds.builder_from_directory(str(self.path))
        for split, numbers in places.items():
            source: Any = builder.as_data_source(split=split) if numbers else ()
            for number in numbers:
                example = source[number]
                found[example["id"].decode()] = _with_names(example["text"].decode())
        return found

    def stored(self, split: str) -> Iterator[tuple[str, str]]:
        """Yields (record id, the record as `pipelines.parts` writes it), in the same order."""
        if not self.records.get(split):
            return
        import tensorflow_datasets as tfds

        source = tfds.builder_from_directory(str(self.path)).as_data_source(split=split)
        for example in source:
            yield example["id"].decode(), example["text"].decode()

    def some(self, split: str, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """(record id, what there is to read in it) of the records at these places of a split, as `texts` counts."""
        import tensorflow_datasets as tfds

        source: Any = tfds.builder_from_directory(str(self.path)).as_data_source(split=split) if numbers else ()
        examples = (source[number] for number in numbers)
        return [(example["id"].decode(), plain_text(example["text"].decode())) for example in examples]

    @property
    def columns(self) -> list[str]:
        """Names of the manifest's columns."""
        import pyarrow.parquet as pq

        return list(pq.read_schema(self.path / MANIFEST_FILE).names)

    def manifest(self, columns: list[str] | None = None) -> Any:
        """The manifest as a pyarrow Table: one row a record, without its text."""
        import pyarrow.parquet as pq

        return pq.read_table(self.path / MANIFEST_FILE, columns=columns)

    def source_numbers(self, split: str) -> npt.NDArray[np.uint16]:
        """uint16 [records of the split], in the order of `texts`: the number of each record's source.

        Raises:
            DataError: the version was built before sources were noted.
        """
        import numpy as np
        import pyarrow.compute as pc

        if not self.sources.names:
            raise DataError(
                "this dataset version does not say which source a record came from",
                where=str(self.path),
                fix=f"run `zoo data build {self.pipeline}`",
            )
        table = self.manifest(["split", "source"])
        of_split = table.filter(pc.equal(table.column("split"), split))
        return np.asarray(of_split.column("source").to_numpy(), np.uint16)

    def pii_hashes(self) -> set[bytes]:
        """Keyed hashes (16 bytes) of all strings that were replaced as personal data."""
        import pyarrow.parquet as pq

        return set(pq.read_table(self.path / PII_FILE, columns=["hash"]).column("hash").to_pylist())

    def verify(self) -> None:
        """Recomputes the digest from the shards.

        Raises:
            DataError: the content is not what the digest says.
        """
        shards = self.manifest(["record_id", "shard"]).to_pylist()
        by_shard: dict[str, list[bytes]] = {}
        place = {row["record_id"]: row["shard"] for row in shards}
        for split in SPLITS:
            for record_id, text in self.stored(split):
                by_shard.setdefault(place[record_id], []).append(record_digest(record_id, text, self.label))
        children = [combine(by_shard[name], header=name) for name in sorted(by_shard)]
        found = combine(children, header=version_header(self.pipeline, self.label)).hex()
        if found != self.digest:
            raise DataError(
                f"the content's digest is {found[:16]}, not {self.digest[:16]}",
                where=str(self.path),
                fix="the files were changed; remove the folder and build again",
            )


def _with_names(record: str) -> str:
    parts = split_parts(record)
    return record if list(parts) == ["text"] else "\n".join(f"{name}: {content}" for name, content in parts.items())


def _source_table(content: dict[str, Any] | None) -> SourceTable:
    return SourceTable() if content is None else SourceTable(tuple(content["names"]), content["digest"])


def version_header(pipeline: str, label: Label) -> str:
    return f"domain-zoo/1\0{pipeline}\0{label}"


#: Records of one version that are compared at a time: about 250 bytes each.
_RECORDS_AT_ONCE = 1 << 17


def changed_records(old: DatasetVersion | None, new: DatasetVersion) -> dict[str, int]:
    """Counts records added, updated and removed from one version to the next; big ones are read several times, a share
    of the records each."""
    counts = {"added": 0, "updated": 0, "removed": 0}
    shares = 1 + max(new.total_records, 0 if old is None else old.total_records) // _RECORDS_AT_ONCE
    for share in range(shares):
        before = {} if old is None else contents(old, share, shares)
        after = contents(new, share, shares)
        counts["added"] += sum(record not in before for record in after)
        counts["updated"] += sum(record in before and before[record] != content for record, content in after.items())
        counts["removed"] += sum(record not in after for record in before)
    return counts


def contents(version: DatasetVersion, share: int = 0, shares: int = 1) -> dict[str, bytes]:
    """SHA-256 of each record's text, by id; of all records or of a share of them."""
    import pyarrow.parquet as pq

    found: dict[str, bytes] = {}
    with pq.ParquetFile(version.path / MANIFEST_FILE) as file:
        for batch in file.iter_batches(columns=["record_id", "content_sha256"]):
            rows = zip(batch.column("record_id").to_pylist(), batch.column("content_sha256").to_pylist(), strict=True)
            found |= {name: content for name, content in rows if crc32(name.encode()) % shares == share}
    return found
