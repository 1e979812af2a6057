"""Texts and names of which an earlier build found that nothing need be done to them: a file of keyed hashes.

The file holds nothing else, and only of what the last build saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.atomic import atomic_path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Name of the file in the cache of a step.
KEYS_FILE = "keys"


class Seen:
    """A set of keyed hashes (16 bytes each, which is what it takes in memory). Open one with `seen`."""

    def __init__(self, known: npt.NDArray[np.uint64]) -> None:
        self._high, self._low = known[:, 0].copy(), known[:, 1].copy()  # side by side in memory, to be searched
        self._now = bytearray()

    def __contains__(self, key: bytes) -> bool:
        import numpy as np

        high, low = np.frombuffer(key, np.uint64)
        begin = int(np.searchsorted(self._high, high))
        while begin < len(self._high) and self._high[begin] == high:
            if self._low[begin] == low:
                return True
            begin += 1
        return False

    def note(self, key: bytes) -> None:
        """Keeps it for the next build."""
        self._now += key

    @property
    def now(self) -> npt.NDArray[np.uint64]:
        """uint64 [noted, 2], ascending, each once."""
        import numpy as np

        return np.unique(np.frombuffer(bytes(self._now), np.uint64).reshape(-1, 2), axis=0)


def nothing_seen() -> Seen:
    """The empty set; what is noted goes nowhere."""
    import numpy as np

    return Seen(np.empty((0, 2), np.uint64))


@contextmanager
def seen(path: Path) -> Iterator[Seen]:
    """Reads the set from a file, and replaces it by what was noted if the block succeeds."""
    import numpy as np

    known = np.fromfile(path, np.uint64).reshape(-1, 2) if path.exists() else np.empty((0, 2), np.uint64)
    found = Seen(known)
    yield found
    if not np.array_equal(now := found.now, known):
        with atomic_path(path) as temporary:
            now.tofile(temporary)
