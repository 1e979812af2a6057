"""The signature of each text for near duplicates, in a pool of processes, bucket by bucket.

Signatures are kept in the step cache under the keyed hash of the text, so that a build after a change signs only texts
that are new. A signature is no text, but who has a text can test it against one: what is erased has to leave this cache
as it has to leave that of filtered texts. A build leaves in it only texts that it selected.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.atomic import atomic_path
from pipelines.curate import near
from pipelines.curate.buckets import BUCKETS, bucket_batches, bucket_keys, bucket_path, read_bucket, write_table
from pipelines.curate.runners import DoesBucket, Runner
from pipelines.curate.steps import TEXT, Step
from pipelines.parts import plain_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from pipelines.curate.stage import Report

_KEY, _SIGNATURE = "text_key", "signature"
_BYTES = 4 * near.PERMUTATIONS
#: Texts that are signed at once.
_ROWS = 1024
#: The least number of bytes of text that is worth a second process.
_SERIAL_BYTES = 40_000_000


class Sign(Step):
    """Gives each text its signature: the column `signature`, 448 bytes, uint32 [112] as the machine has them."""

    name = "sign"

    @property
    def version(self) -> str:
        return near.version()

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        signed = near.signatures([plain_text(text) for text in batch.column(TEXT).to_pylist()])
        return batch.append_column(_SIGNATURE, pa.array([row.tobytes() for row in signed], pa.binary(_BYTES)))


@dataclass(frozen=True)
class SignTask:
    """Brings a bucket of `cache` up to date with the same one of `selected`."""

    selected: Path
    cache: Path
    purpose = "signs text"

    def start(self) -> DoesBucket:
        def sign(bucket: int) -> int:
            sign_bucket(bucket, self.selected, self.cache)
            return 1

        return sign


def sign_buckets(selected: Path, cache: Path, *, runner: Runner, report: Report) -> None:
    """Brings `cache` up to date with the records in `selected`.

    Args:
        selected: folder of Arrow buckets.
        cache: folder of Arrow buckets with keyed hashes and signatures; kept between builds.

    Raises:
        DataError: a worker died (out of memory, killed).
    """
    report("sign", 0, BUCKETS)
    todo = [bucket for bucket in range(BUCKETS) if _keys(selected, bucket) != _keys(cache, bucket)]
    size = sum(bucket_path(selected, bucket, "arrow").stat().st_size for bucket in todo)
    done = BUCKETS - len(todo)
    for buckets in runner.run(SignTask(selected, cache), todo, small=size < _SERIAL_BYTES):
        done += buckets
        report("sign", done, BUCKETS)


def sign_bucket(bucket: int, selected: Path, cache: Path) -> None:
    """Signs the texts of a bucket that the cache lacks, and forgets those that are not selected any more. The order is
    that of the records."""
    import pyarrow as pa

    keys = bucket_keys(selected, bucket)
    known = dict(zip(_keys(cache, bucket), _signed(cache, bucket), strict=True))
    for batch in bucket_batches(selected, bucket, [_KEY, TEXT]):
        new = [row for row, key in enumerate(batch.column(0).to_pylist()) if key not in known]
        for start in range(0, len(new), _ROWS):
            signed = Sign().process_batch(batch.take(pa.array(new[start : start + _ROWS], pa.int64())))
            known.update(zip(signed.column(_KEY).to_pylist(), signed.column(_SIGNATURE).to_pylist(), strict=True))
    _write(bucket_path(cache, bucket, "arrow"), keys, [known[key] for key in keys])


def _signed(cache: Path, bucket: int) -> list[bytes]:
    if not bucket_path(cache, bucket, "arrow").exists():
        return []
    signed: list[bytes] = read_bucket(cache, bucket, [_SIGNATURE]).column(_SIGNATURE).to_pylist()
    return signed


def read_signatures(cache: Path, bucket: int) -> npt.NDArray[np.uint32]:
    """uint32 [records, 112], in the order of the selected records of the last build."""
    import numpy as np

    if not bucket_path(cache, bucket, "arrow").exists():
        return np.empty((0, near.PERMUTATIONS), np.uint32)
    column = read_bucket(cache, bucket, [_SIGNATURE]).column(_SIGNATURE)
    content = b"".join(column.to_pylist())
    return np.frombuffer(content, np.uint32).reshape(-1, near.PERMUTATIONS)


def _keys(folder: Path, bucket: int) -> list[bytes]:
    if not bucket_path(folder, bucket, "arrow").exists():
        return []
    return bucket_keys(folder, bucket)


def _write(path: Path, keys: list[bytes], signed: list[bytes]) -> None:
    import pyarrow as pa

    columns: dict[str, Any] = {_KEY: pa.array(keys, pa.binary(16)), _SIGNATURE: pa.array(signed, pa.binary(_BYTES))}
    table = pa.table(columns)
    with atomic_path(path) as temporary:
        write_table(table, temporary)
