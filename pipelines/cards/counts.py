"""What a data card counts in a version's tables, some rows at a time.

Of each record its lengths are held, in as few bytes as they take: the median needs all of them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import word_tokens
from pipelines.versions import MANIFEST_FILE, PII_FILE, DatasetVersion

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

UNITS = ("characters", "words", "bytes")
#: Of which each record's length is in the manifest.
LENGTHS = (*UNITS, word_tokens.COLUMN)
COLUMNS = ("split", "source", *LENGTHS, "personal_data", "content_sha256", "carried")
_ROWS = 10_000
#: Hashes of replaced strings that are told apart at a time, of 16 bytes each.
_HASHES_A_SHARE = 1 << 18


@dataclass
class Sizes:
    """Sums over some records, by unit."""

    records: int = 0
    of_units: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(self.records + other.records, self.of_units + other.of_units)


@dataclass
class Counts:
    """What the manifest says.

    Attributes:
        carried: records that were taken over from the version before.
        with_personal_data: records in which some was found.
        sizes: by number of the source, and split.
        lengths: by unit, of each record, unsigned.
        smallest: places, in the training split, of the records whose content has the smallest hashes.
    """

    carried: int = 0
    with_personal_data: int = 0
    sizes: dict[tuple[int, str], Sizes] = field(default_factory=dict)
    lengths: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    smallest: list[int] = field(default_factory=list)

    def of_split(self, split: str) -> Sizes:
        return sum((one for (_, other), one in self.sizes.items() if other == split), Sizes())


def count_manifest(version: DatasetVersion, examples: int) -> Counts:
    """Args: `examples` is how many of `Counts.smallest` are wanted."""
    import numpy as np
    import pyarrow.compute as pc

    counts = Counts()
    lengths: dict[str, list[npt.NDArray[Any]]] = {unit: [] for unit in LENGTHS}
    for batch in rows_of(version.path / MANIFEST_FILE, COLUMNS):
        counts.carried += pc.sum(batch.column("carried")).as_py() or 0
        counts.with_personal_data += pc.sum(pc.greater(batch.column("personal_data"), 0)).as_py() or 0
        _add_sizes(batch, counts.sizes)
        for unit, parts in lengths.items():
            parts.append(_narrow(batch.column(unit).to_numpy()))
    counts.lengths = {unit: np.concatenate(lengths.pop(unit)) for unit in LENGTHS}
    counts.smallest = [place for _, place in heapq.nsmallest(examples, _training_contents(version))]
    return counts


def rows_of(table: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Arrow RecordBatches of a Parquet file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(table) as file:
        yield from file.iter_batches(_ROWS, columns=list(columns))


def count_replaced(version: DatasetVersion) -> dict[str, tuple[int, int]]:
    """By type, in how many places personal data was replaced, and how many different strings."""
    places: Counter[str] = Counter()
    for batch in rows_of(version.path / PII_FILE, ["type"]):
        for one in batch.column("type").value_counts().to_pylist():
            places[one["values"]] += one["counts"]
    different: Counter[str] = Counter()
    shares = 1 + places.total() // _HASHES_A_SHARE
    for share in range(shares):
        different += _different(version, share, shares)
    return {kind: (count, different[kind]) for kind, count in places.items()}


def _add_sizes(batch: Any, sizes: dict[tuple[int, str], Sizes]) -> None:
    import pyarrow as pa

    summed = [("bytes", "count"), *((unit, "sum") for unit in UNITS)]
    for row in pa.Table.from_batches([batch]).group_by(["source", "split"]).aggregate(summed).to_pylist():
        found = sizes.setdefault((row["source"], row["split"]), Sizes())
        found.records += row["bytes_count"]
        found.of_units.update({unit: row[f"{unit}_sum"] for unit in UNITS})


def _narrow(values: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    import numpy as np

    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _training_contents(version: DatasetVersion) -> Iterator[tuple[bytes, int]]:
    import pyarrow.compute as pc

    place = 0
    for batch in rows_of(version.path / MANIFEST_FILE, ["split", "content_sha256"]):
        contents = batch.filter(pc.equal(batch.column("split"), "train")).column("content_sha256").to_pylist()
        yield from zip(contents, range(place, place + len(contents)), strict=True)
        place += len(contents)


def _different(version: DatasetVersion, share: int, shares: int) -> Counter[str]:
    """By type, how many of the hashes of a share of them there are."""
    import numpy as np

    found: dict[str, list[npt.NDArray[Any]]] = {}
    for batch in rows_of(version.path / PII_FILE, ["type", "hash"]):
        hashes = np.frombuffer(b"".join(batch.column("hash").to_pylist()), np.uint64).reshape(-1, 2)
        kinds = np.asarray(batch.column("type").to_pylist())
        own = hashes[:, 0] % shares == share
        for kind in np.unique(kinds[own]).tolist():
            found.setdefault(kind, []).append(hashes[own & (kinds == kind)])
    return Counter({kind: len(np.unique(np.concatenate(parts), axis=0)) for kind, parts in found.items()})
