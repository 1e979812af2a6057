"""Signatures of more records than memory holds: on disk, and grouped by bands a share of the keys at a time.

Files are read, not mapped: what is mapped counts as memory of the process as soon as it has been looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pipelines.curate import near

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Keys of one share: about 40 bytes each while they are grouped.
_KEYS_A_SHARE = 1 << 17
_KEYS_A_READ = 1 << 16
_BYTES_A_SIGNATURE = 4 * near.PERMUTATIONS


class SignatureFiles:
    """Signatures and, band by band, their keys, in a folder; written once from front to back, then read.

    Args:
        threshold: least share of equal places of two duplicates, 0 to 1; it decides the bands.
    """

    def __init__(self, folder: Path, threshold: float) -> None:
        self._threshold = threshold
        self._records = 0
        bands = near.PERMUTATIONS // near.rows_of_bands(threshold)
        self._stack = ExitStack()
        self._signatures = self._open(folder / "signatures")
        self._bands = [self._open(folder / f"band-{band}") for band in range(bands)]

    def _open(self, path: Path) -> IO[bytes]:
        return self._stack.enter_context(open(path, "w+b"))

    def __enter__(self) -> SignatureFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def append(self, signed: npt.NDArray[np.uint32]) -> None:
        """Adds uint32 [some records, 112]."""
        self._records += len(signed)
        _append(self._signatures, signed)
        for file, keys in zip(self._bands, near.band_keys(signed, self._threshold), strict=True):
            _append(file, keys)

    def __len__(self) -> int:
        return self._records

    def __getitem__(self, records: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        import numpy as np

        rows = np.empty((len(records), near.PERMUTATIONS), np.uint32)
        for row, record in zip(rows, records.tolist(), strict=True):
            os.preadv(self._signatures.fileno(), [row.data], record * _BYTES_A_SIGNATURE)
        return rows

    def clusters(self) -> npt.NDArray[np.int64]:
        """int64 [records]: as `near.clusters`."""
        return near.joined(self, self._threshold, self._shares())

    def _shares(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]]:
        import numpy as np

        passes = 1 + self._records // _KEYS_A_SHARE
        for file in self._bands:
            for turn in range(passes):
                found = [(numbers[own], keys[own]) for numbers, keys in _read(file) for own in [keys % passes == turn]]
                if found:
                    numbers, keys = zip(*found, strict=True)
                    yield np.concatenate(numbers), np.concatenate(keys)


def _append(file: IO[bytes], content: npt.NDArray[np.uint32] | npt.NDArray[np.uint64]) -> None:
    file.write(content.tobytes())
    file.flush()


def _read(file: IO[bytes]) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]]:
    """Numbers of records with their keys, some at a time."""
    import numpy as np

    file.seek(0)
    start = 0
    while len(keys := np.fromfile(file, np.uint64, _KEYS_A_READ)):
        yield np.arange(start, start + len(keys)), keys
        start += len(keys)
