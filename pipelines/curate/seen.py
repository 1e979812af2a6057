"""Texts and names of which an earlier build found that nothing need be done to them: a file of keyed hashes.

The file holds nothing else, and only of what the last build saw. It is read a block at a time, and what is noted is put
in order on disk, so that memory does not grow with the corpus but for a hundredth of the file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pipelines.atomic import atomic_path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Name of the file in the cache of a step.
KEYS_FILE = "keys"
_BYTES_A_KEY = 16
#: Keys that are read to find one; of each block the half of a key is held.
_KEYS_A_BLOCK = 64
_KEYS_A_READ = 1 << 16
#: Keys of one share: about 50 bytes each while they are put in order.
_KEYS_A_SHARE = 1 << 18


class Seen:
    """A set of keyed hashes of 16 bytes. Open one with `seen`.

    Args:
        known: a file of them, ascending; none if absent.
        notes: gets those that are noted; they go nowhere if it is absent.
    """

    def __init__(self, known: IO[bytes] | None = None, notes: IO[bytes] | None = None) -> None:
        import numpy as np

        self._known, self._notes = known, notes
        # of each block the greater half of the first key
        blocks = [] if known is None else [keys[::_KEYS_A_BLOCK, 0].copy() for keys in _read(known)]
        self._first = np.concatenate([np.empty(0, np.uint64), *blocks])

    def __contains__(self, key: bytes) -> bool:
        import numpy as np

        half = np.frombuffer(key, np.uint64, 1)[0]
        for block in range(max(0, int(self._first.searchsorted(half)) - 1), len(self._first)):
            if self._first[block] > half:
                break
            if self._is_in_block(key, block):
                return True
        return False

    def note(self, key: bytes) -> None:
        """Keeps it for the next build."""
        if self._notes is not None:
            self._notes.write(key)

    def _is_in_block(self, key: bytes, number: int) -> bool:
        assert self._known is not None  # else there are no blocks
        size = _KEYS_A_BLOCK * _BYTES_A_KEY
        block = os.pread(self._known.fileno(), size, number * size)
        place = block.find(key)
        while place % _BYTES_A_KEY and place >= 0:  # the end of one key and the beginning of the next one
            place = block.find(key, place + 1)
        return place >= 0


def nothing_seen() -> Seen:
    """The empty set; what is noted goes nowhere."""
    return Seen()


@contextmanager
def seen(path: Path, scratch: Path) -> Iterator[Seen]:
    """Reads the set from a file, and replaces it by what was noted if the block succeeds.

    Args:
        scratch: folder on a disk with space for what is noted, twice.
    """
    with (
        open(path if path.exists() else os.devnull, "rb") as known,
        tempfile.TemporaryFile(dir=scratch) as notes,
        tempfile.TemporaryFile(dir=scratch) as now,
    ):
        yield Seen(known, notes)
        _write_in_order(notes, now)
        if not _same(known, now):
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                now.seek(0)
                shutil.copyfileobj(now, file)


def _write_in_order(notes: IO[bytes], now: IO[bytes]) -> None:
    """Each key once, ascending, a share of the keys at a time."""
    import numpy as np

    shares = np.uint64(1 + notes.tell() // _BYTES_A_KEY // _KEYS_A_SHARE)
    half = np.uint64(32)
    for share in range(int(shares)):
        parts = [keys[((keys[:, 0] >> half) * shares) >> half == share] for keys in _read(notes)]
        if parts:
            now.write(np.unique(np.concatenate(parts), axis=0).tobytes())
    now.flush()


def _read(file: IO[bytes]) -> Iterator[npt.NDArray[np.uint64]]:
    """uint64 [some keys, 2]."""
    import numpy as np

    file.seek(0)
    while content := file.read(_KEYS_A_READ * _BYTES_A_KEY):
        yield np.frombuffer(content, np.uint64).reshape(-1, 2)


def _same(one: IO[bytes], other: IO[bytes]) -> bool:
    one.seek(0)
    other.seek(0)
    size = _KEYS_A_READ * _BYTES_A_KEY
    while (content := one.read(size)) == other.read(size):
        if not content:
            return True
    return False
