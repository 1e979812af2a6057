"""Where words are below a folder: as bytes of any file, and inside what is compressed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


def traces(folder: Path, words: Sequence[str]) -> list[str]:
    """Files below a folder that hold one of the words, or are named so."""
    found = []
    for path in sorted(folder.rglob("*")):
        relative = str(path.relative_to(folder))
        contents: Iterable[bytes] = itertools.chain([relative.encode()], _contents(path) if path.is_file() else ())
        if any(word.encode() in content for content in contents for word in words):
            found.append(relative)
    return found


def _contents(path: Path) -> Iterator[bytes]:
    yield path.read_bytes()
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        yield repr(pq.read_table(path).to_pylist()).encode()
    elif path.suffix == ".arrow":
        import pyarrow as pa

        with pa.OSFile(str(path), "rb") as file:
            yield repr(pa.ipc.open_stream(file).read_all().to_pylist()).encode()
    elif ".array_record-" in path.name:
        from array_record.python.array_record_module import ArrayRecordReader

        reader = ArrayRecordReader(str(path))
        yield from reader.read_all() if reader.num_records() else ()
