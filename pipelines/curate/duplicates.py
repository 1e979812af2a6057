"""Which records stay in place of others, for more records than memory holds.

Equal texts are found by their keyed hashes, a share of them at a time; of near duplicates, 9 bytes a record are held
and the ids of those that leave. Of several records the one with the smallest id stays.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.curate.buckets import BUCKETS, bucket_path, read_bucket
from pipelines.curate.near_files import SignatureFiles
from pipelines.curate.sign import read_signatures

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Texts of one share: 8 bytes each, and about 300 of one that is there more than once.
_TEXTS_A_SHARE = 1 << 18

#: Which record stays in place of another one: (id, key of the text) to id.
Winners = dict[tuple[str, bytes], str]


def write_winners(staged: Path, folder: Path) -> None:
    """Writes, for each bucket, which of its records have a text that also stands under a smaller id, and that id."""
    import pyarrow as pa

    for bucket in range(BUCKETS):
        _winners_path(folder, bucket).unlink(missing_ok=True)
    records = sum(len(_keys(staged, bucket)) for bucket in range(BUCKETS))
    shares = 1 + records // _TEXTS_A_SHARE
    for share in range(shares):
        for bucket, losers in _losers(staged, share, shares):
            with (
                pa.OSFile(str(_winners_path(folder, bucket)), "ab") as sink,
                pa.ipc.new_stream(sink, losers.schema) as writer,
            ):
                writer.write_table(losers)


def read_winners(folder: Path, bucket: int) -> Winners:
    """Of the records of a bucket whose text also stands under a smaller id, that id."""
    import pyarrow as pa

    path = _winners_path(folder, bucket)
    winners: Winners = {}
    if not path.exists():
        return winners
    with pa.OSFile(str(path), "rb") as file:
        while file.tell() < file.size():
            columns = pa.ipc.open_stream(file).read_all().to_pydict()
            pairs = zip(columns["id"], columns["text_key"], strict=True)
            winners |= zip(pairs, columns["kept"], strict=True)
    return winners


def _winners_path(folder: Path, bucket: int) -> Path:
    return bucket_path(folder, bucket, "winners")


def _losers(staged: Path, share: int, shares: int) -> Iterator[tuple[int, Any]]:
    """Of each bucket a table of id, text_key and kept."""
    import pyarrow as pa

    repeated = _repeated(staged, share, shares)
    if not len(repeated):
        return
    smallest: dict[bytes, str] = {}
    for bucket in range(BUCKETS):
        for record_id, key in _with_keys(staged, bucket, repeated):
            smallest[key] = min(record_id, smallest.get(key, record_id))
    for bucket in range(BUCKETS):
        losing = {(name, key): smallest[key] for name, key in _with_keys(staged, bucket, repeated)}
        rows = [(name, key, kept) for (name, key), kept in losing.items() if name != kept]
        if rows:
            ids, keys, kept = zip(*rows, strict=True)
            yield bucket, pa.table({"id": ids, "text_key": pa.array(keys, pa.binary(16)), "kept": kept})


def _repeated(staged: Path, share: int, shares: int) -> npt.NDArray[np.uint64]:
    """The beginnings of keys that stand more than once, ascending; of this share of the keys."""
    import numpy as np

    begun = (_keys(staged, bucket) for bucket in range(BUCKETS))
    found, counts = np.unique(np.concatenate([keys[keys % shares == share] for keys in begun]), return_counts=True)
    several: npt.NDArray[np.uint64] = found[counts > 1]
    return several


def _with_keys(staged: Path, bucket: int, wanted: npt.NDArray[np.uint64]) -> Iterator[tuple[str, bytes]]:
    import numpy as np

    table = read_bucket(staged, bucket, ["id", "text_key"])
    rows = np.flatnonzero(np.isin(_beginnings(table), wanted))
    of_rows = table.take(rows)
    return zip(of_rows.column("id").to_pylist(), of_rows.column("text_key").to_pylist(), strict=True)


def _keys(staged: Path, bucket: int) -> npt.NDArray[np.uint64]:
    return _beginnings(read_bucket(staged, bucket, ["text_key"]))


def _beginnings(table: Any) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of each key."""
    import numpy as np

    content = b"".join(table.column("text_key").to_pylist())
    return np.frombuffer(content, np.uint64)[::2]


class NearDuplicates:
    """Which selected records leave as near duplicates, and whom they leave for.

    Args:
        selected: Arrow buckets of records, sorted by id.
        signed: folder of their signatures.
        scratch: an empty folder.
        threshold: least share of equal places of two duplicates, 0 to 1.
    """

    def __init__(self, selected: Path, signed: Path, scratch: Path, threshold: float) -> None:
        import numpy as np

        with SignatureFiles(scratch, threshold) as files:
            counts = []
            for bucket in range(BUCKETS):
                signatures = read_signatures(signed, bucket)
                files.append(signatures)
                counts.append(len(signatures))
            leaders = files.clusters()
        self._leaves = _leaving(selected, leaders, np.concatenate([[0], np.cumsum(counts)]))

    def __len__(self) -> int:
        return len(self._leaves)

    def kept(self, ids: Any) -> Any:
        """For each id (Arrow strings) the one that stays in its place; null where it stays itself."""
        import pyarrow.compute as pc

        return self._leaves.column("kept").take(pc.index_in(ids, value_set=self._leaves.column("id")))


def _leaving(selected: Path, leaders: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> Any:
    """A table of id and kept. Of a cluster the smallest id stays."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    of_buckets = [leaders[begin:end] for begin, end in itertools.pairwise(starts.tolist())]
    followed = np.zeros(len(leaders), bool)
    for begin, own in zip(starts.tolist(), of_buckets, strict=False):
        followed[own[own != np.arange(begin, begin + len(own))]] = True
    parts = []
    for bucket, own in enumerate(of_buckets):
        ids = read_bucket(selected, bucket, ["id"]).column("id").combine_chunks()
        rows = np.flatnonzero(followed[own])
        parts.append(pa.table({"cluster": own[rows], "id": ids.take(pa.array(rows))}))
    found = pa.concat_tables(parts)
    smallest = found.group_by("cluster").aggregate([("id", "min")])
    both = found.join(smallest, "cluster").rename_columns(["cluster", "id", "kept"])
    return both.filter(pc.not_equal(both.column("id"), both.column("kept"))).select(["id", "kept"])
