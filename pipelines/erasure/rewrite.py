"""A dataset version without the erased, made from its own shards: for when the source cannot be read."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.assemble import assemble
from pipelines.carry import carried_schema, origins, personal_data
from pipelines.curate.buckets import BUCKETS, bucket_of, bucket_path, filtered_schema, write_bucket
from pipelines.place import Place, work_folder
from pipelines.spec import PipelineSpec
from pipelines.versions import SPLITS, DatasetVersion

_Rows = dict[int, list[dict[str, Any]]]


def rewrite(
    spec: PipelineSpec, version: DatasetVersion, place: Place, is_erased: Callable[[str, str | None], bool]
) -> DatasetVersion:
    """Writes the version that is left; the old one stays as it is. The texts are held in memory.

    Args:
        spec: of the version's domain; the label of the version is kept.
        is_erased: told a record's id and its subject's hash.

    Raises:
        DataError: nothing is left for training or validation, or the disk is full.
    """
    others = tuple(sorted(version.label.domains - {spec.domain}))  # what is left came with the label that it had
    spec = spec.model_copy(update={"joined": others, "derived_from": dict(version.derived_from)})
    records, filtered = _rows(version, is_erased)
    with work_folder(place) as work:
        _write(records, filtered, work / "selected", work / "filtered")
        return assemble(spec, work / "selected", work / "filtered", place.datasets, version)


def _rows(version: DatasetVersion, is_erased: Callable[[str, str | None], bool]) -> tuple[_Rows, _Rows]:
    known = {row.pop("record_id"): {"date": row.pop("day"), **row} for row in origins(version)}
    found_types, found_hashes = personal_data(version)
    records: _Rows = defaultdict(list)
    filtered: _Rows = defaultdict(list)
    for split in SPLITS:
        for record_id, text in version.stored(split):
            if is_erased(record_id, known[record_id]["subject"]):
                continue
            key = hashlib.sha256(record_id.encode()).digest()[:16]  # only joins the two: the text's own is not kept
            records[bucket_of(record_id)].append({"id": record_id, "text": "", "text_key": key} | known[record_id])
            content = {"pii_types": found_types[record_id], "pii_hashes": found_hashes[record_id]}
            filtered[bucket_of(record_id)].append({"text_key": key, "text": text} | content)
    return records, filtered


def _write(records: _Rows, filtered: _Rows, selected: Path, cache: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    cache.mkdir(mode=0o700)
    for bucket in range(BUCKETS):
        rows = sorted(records[bucket], key=lambda row: str(row["id"]))
        write_bucket(pa.Table.from_pylist(rows, schema=carried_schema()), selected, bucket)
        table = pa.Table.from_pylist(filtered[bucket], schema=filtered_schema())
        pq.write_table(table, bucket_path(cache, bucket, "parquet"))
