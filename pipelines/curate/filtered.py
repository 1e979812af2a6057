"""The step cache of filtered texts: a Parquet file for each bucket, read and written a part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.atomic import atomic_path
from pipelines.curate.buckets import filtered_schema, read_parquet

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: Bytes of a row group, about: what is in memory of a file.
_GROUP_BYTES = 1 << 20


def filtered_keys(path: Path) -> set[bytes]:
    """The keys of the texts that a file holds; none where it is missing."""
    return set(read_parquet(path, ["text_key"]).column("text_key").to_pylist()) if path.exists() else set()


class FilteredFile:
    """A file that is being written. Open one with `replacing`."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._waiting: list[pa.Table] = []
        #: Keys of the texts that it holds.
        self.known: set[bytes] = set()

    @classmethod
    @contextmanager
    def replacing(cls, path: Path, wanted: Set[bytes]) -> Iterator[FilteredFile]:
        """Begins with what the file at `path` has of the `wanted` texts, and takes its place when the block succeeds:
        what the sources no longer hold leaves the cache too.

        Raises:
            DataError: the disk is full, the folder is read-only.
        """
        import pyarrow.parquet as pq

        with (
            atomic_path(path) as temporary,
            pq.ParquetWriter(temporary, filtered_schema(), compression="zstd") as writer,
        ):
            file = cls(writer)
            for table in _row_groups(path):
                file._add_wanted(table, wanted)
            yield file
            file._flush()

    def add(self, rows: pa.Table) -> None:
        """Adds texts that it does not hold yet. Args: `rows` with the columns of `filtered_schema`."""
        self.known.update(rows.column("text_key").to_pylist())
        self._waiting.append(rows)
        if sum(table.nbytes for table in self._waiting) >= _GROUP_BYTES:
            self._flush()

    def _add_wanted(self, table: pa.Table, wanted: Set[bytes]) -> None:
        import pyarrow as pa

        rows = [row for row, key in enumerate(table.column("text_key").to_pylist()) if key in wanted]
        self.add(table if len(rows) == len(table) else table.take(pa.array(rows, pa.int64())))

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []


def _row_groups(path: Path) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    if not path.exists():
        return
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, use_threads=False)
