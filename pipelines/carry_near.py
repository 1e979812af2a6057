"""Near duplicates of today's records among those that are carried over, told by the signatures of their raw texts.

The raw text of a carried record is nowhere, but the signature that a build made of it stays in the step cache for as
long as the record is carried on. One whose signature is not there, since the cache was removed or signatures are made
otherwise now, is not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.atomic import atomic_path
from pipelines.curate.buckets import BUCKETS, bucket_path, read_bucket, write_bucket, write_table
from pipelines.curate.near_files import SignatureFiles
from pipelines.curate.sign import read_signatures

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_COLUMNS = ["text_key", "signature"]


def take_signatures(signed: Path, carried: Path, folder: Path) -> None:
    """Copies what the last build signed, and what it carried over, before this build leaves only its own there.

    Args:
        signed, carried: step caches; either may be missing.
        folder: gets a bucket file for each that there is.
    """
    import pyarrow as pa

    folder.mkdir(mode=0o700)
    for bucket in range(BUCKETS):
        known = [parent for parent in (signed, carried) if bucket_path(parent, bucket, "arrow").exists()]
        if known:
            tables = [read_bucket(parent, bucket, _COLUMNS) for parent in known]
            write_bucket(pa.concat_tables(tables), folder, bucket)


def leave_near_duplicates(records: Path, taken: Path, signed: Path, scratch: Path, threshold: float) -> None:
    """Takes those of `records` out that are in one cluster with a record of today's; of those alone nothing leaves.

    Args:
        records: buckets of carried records; their column `raw_key` names a signature in `taken`.
        signed: signatures of today's records.
        scratch: an empty folder.
        threshold: least share of equal places of two duplicates, 0 to 1.
    """
    import numpy as np
    import pyarrow as pa

    known: list[npt.NDArray[np.int64]] = []
    with SignatureFiles(scratch, threshold) as files:
        for bucket in range(BUCKETS):
            files.append(read_signatures(signed, bucket))
        today = len(files)
        for bucket in range(BUCKETS):
            rows, signatures = _of_records(records, taken, bucket)
            known.append(rows)
            files.append(signatures)
        stays = files.clusters()[today:] >= today  # a cluster is known by its first record
    for bucket, rows in enumerate(known):
        own, stays = stays[: len(rows)], stays[len(rows) :]
        if not own.all():
            table = read_bucket(records, bucket)
            staying = np.ones(len(table), bool)
            staying[rows[~own]] = False
            write_bucket(table.filter(pa.array(staying)), records, bucket)


def keep_signatures(records: Path, taken: Path, cache: Path) -> None:
    """Brings the cache of carried records' signatures up to date with those that stay."""
    for bucket in range(BUCKETS):
        path = bucket_path(cache, bucket, "arrow")
        rows = _known(records, taken, bucket)
        if rows is None or not len(rows):
            path.unlink(missing_ok=True)
            continue
        with atomic_path(path) as temporary:
            write_table(rows, temporary)


def _of_records(records: Path, taken: Path, bucket: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Which records of a bucket have a signature, int64 [some], and these, uint32 [some, 112]."""
    import numpy as np
    import pyarrow.compute as pc

    from pipelines.curate.near import PERMUTATIONS

    table = None if not bucket_path(taken, bucket, "arrow").exists() else read_bucket(taken, bucket)
    keys = read_bucket(records, bucket, ["raw_key"]).column("raw_key")
    if table is None or not len(table) or not len(keys):
        return np.empty(0, np.int64), np.empty((0, PERMUTATIONS), np.uint32)
    places = pc.index_in(keys, value_set=table.column("text_key").combine_chunks(), skip_nulls=True)
    rows = np.flatnonzero(~places.is_null().to_numpy())
    content = b"".join(table.column("signature").take(places.drop_null()).to_pylist())
    return rows, np.frombuffer(content, np.uint32).reshape(-1, PERMUTATIONS)


def _known(records: Path, taken: Path, bucket: int) -> Any:
    import pyarrow.compute as pc

    if not bucket_path(taken, bucket, "arrow").exists():
        return None
    table = read_bucket(taken, bucket)
    keys = read_bucket(records, bucket, ["raw_key"]).column("raw_key").combine_chunks()
    return table.filter(pc.is_in(table.column("text_key"), value_set=keys))


#: Takes near duplicates out of carried records, in buckets.
LeaveNear = Callable[[Path], None]
