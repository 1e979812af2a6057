"""What left a pipeline, and why: one Parquet file for a build, inside the same wall.

A record that a rule judged out is kept with the beginning of its text; a duplicate with the id of the record that
stayed; of a row that held nothing there is no more than its place. The whole text is filtered, as that of all records
is, and cut afterwards: of half an address a detector knows nothing.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from governance.errors import DataError
from governance.labels import Label
from governance.wording import in_words
from pipelines.atomic import atomic_path
from pipelines.curate.buckets import BUCKETS, bucket_path, read_bucket, read_parquet
from pipelines.parts import plain_text

_CHARACTERS = 500
_ROWS = 10_000
LABEL = b"zoo.label"


def write_exclusions(excluded: Path, cache: Path, empty: Path, path: Path, label: Label) -> None:
    """Writes the excluded records with their filtered texts, bucket by bucket sorted by id, then the empty ones.

    Args:
        cache: folder of Parquet buckets with what the filter made of the texts.
        empty: JSON lines, as `stage` notes them.
        path: of the file, with the columns record_id, subject (its keyed hash), reason, kept, source, file, row and
            text, and the label in its metadata.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    fields = [("record_id", text), ("subject", text), ("reason", text), ("kept", text), ("source", pa.uint16())]
    fields += [("file", text), ("row", pa.int64()), ("text", pa.large_string())]
    schema = pa.schema(fields, metadata={LABEL: str(label).encode()})
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for bucket in range(BUCKETS):
            rows = _rows(excluded, cache, bucket)
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        for rows in _empty_rows(empty):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def label_of(path: Path) -> Label:
    """The label of a file of exclusions.

    Raises:
        DataError: it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        return Label.from_list(metadata[LABEL].decode().split("+"))
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise DataError(f"unreadable: {in_words(error)}", where=str(path), fix="delete it") from None


def _empty_rows(empty: Path) -> Iterator[list[dict[str, Any]]]:
    with empty.open(encoding="utf-8") as lines:
        while rows := [json.loads(line) for line in itertools.islice(lines, _ROWS)]:
            yield rows


def _rows(excluded: Path, cache: Path, bucket: int) -> list[dict[str, Any]]:

    rows: list[dict[str, Any]] = read_bucket(excluded, bucket).sort_by([("id", "ascending")]).to_pylist()
    if not rows:
        return []
    filtered = read_parquet(bucket_path(cache, bucket, "parquet"), ["text_key", "text"])
    texts = dict(zip(filtered.column("text_key").to_pylist(), filtered.column("text").to_pylist(), strict=True))
    return [
        {name: row[name] for name in ("subject", "reason", "kept", "source", "file", "row")}
        | {"record_id": row["id"], "text": None if row["kept"] is not None else _beginning(texts[row["text_key"]])}
        for row in rows
    ]


def _beginning(filtered: str) -> str:
    return plain_text(filtered)[:_CHARACTERS]
