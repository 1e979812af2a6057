"""Some records of a place at once: of a source, a dataset version, or the list of what a build left out."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from governance.errors import DataError
from governance.wording import in_words
from pipelines.versions import PII_FILE, SPLITS, DatasetVersion

_ROWS = 2_000


@dataclass(frozen=True)
class Batch:
    """Some records of one place.

    Attributes:
        text_keys: keyed hashes of the texts as the source has them; None where nobody noted it.
        replaced: keyed hashes of what the filter took out of each text; None where the texts are as the source has
            them.
    """

    ids: list[str]
    subjects: list[str | None]
    text_keys: list[bytes | None]
    texts: list[str]
    replaced: list[frozenset[bytes]] | None = None

    def contents(self) -> list[bytes]:
        """Hashes of the texts with what was taken out: two letters that a filter made equal stay two."""
        replaced = self.replaced or [frozenset()] * len(self.texts)
        return [_hash(text, taken) for text, taken in zip(self.texts, replaced, strict=True)]


def _hash(text: str, taken: frozenset[bytes]) -> bytes:
    content = b"".join([text.encode("utf-8", "surrogatepass"), *sorted(taken)])
    return hashlib.blake2b(content, digest_size=16).digest()


def stored_batches(version: DatasetVersion) -> Iterator[Batch]:
    """The records of a dataset version.

    Raises:
        DataError: it is damaged.
    """
    noted = ["text_key"] if "text_key" in version.columns else []
    columns = version.manifest(["record_id", "subject", *noted]).to_pydict()
    subjects = dict(zip(columns["record_id"], columns["subject"], strict=True))
    keys = dict(zip(columns["record_id"], columns.get("text_key", [None] * len(subjects)), strict=True))
    records = itertools.chain.from_iterable(version.stored(split) for split in SPLITS)
    taken = _taken(version)
    while some := list(itertools.islice(records, _ROWS)):
        ids, texts = [record_id for record_id, _ in some], [text for _, text in some]
        replaced = [next(taken)[1] if taken.peek() == record_id else frozenset() for record_id in ids]
        yield Batch(ids, [subjects[one] for one in ids], [keys[one] for one in ids], texts, replaced)
    if taken.peek() is not None:
        raise DataError(f"{PII_FILE} names a record that is not there", where=str(version.path), fix="build it again")


class _Peekable:
    """Groups of hashes by record, the next of which can be looked at."""

    def __init__(self, groups: Iterator[tuple[str, frozenset[bytes]]]) -> None:
        self._groups = groups
        self._next = next(groups, None)

    def peek(self) -> str | None:
        return None if self._next is None else self._next[0]

    def __next__(self) -> tuple[str, frozenset[bytes]]:
        if (current := self._next) is None:
            raise StopIteration
        self._next = next(self._groups, None)
        return current


def _taken(version: DatasetVersion) -> _Peekable:
    """What the filter took out, by record, in the order of the records."""
    import pyarrow.parquet as pq

    def rows() -> Iterator[tuple[str, bytes]]:
        with pq.ParquetFile(version.path / PII_FILE) as file:
            for batch in file.iter_batches(columns=["record_id", "hash"]):
                columns = batch.to_pydict()
                yield from zip(columns["record_id"], columns["hash"], strict=True)

    grouped = itertools.groupby(rows(), key=lambda row: row[0])
    return _Peekable((record_id, frozenset(taken for _, taken in group)) for record_id, group in grouped)


def excluded_batches(path: Path) -> Iterator[Batch]:
    """What a build left out; of the texts there are beginnings, and of some nothing.

    Raises:
        DataError: the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in ("record_id", "subject") if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=_ROWS, columns=names):
                rows = batch.to_pydict()
                ids = rows["record_id"]
                nothing: list[None] = [None] * len(ids)
                yield Batch(ids, rows.get("subject", nothing), [None] * len(ids), [""] * len(ids))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"unreadable: {in_words(error)}", where=str(path), fix="delete it") from None
