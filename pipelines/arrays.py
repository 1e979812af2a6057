"""Arrays on disk, memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def id_dtype(vocab_size: int) -> np.dtype[Any]:
    """Little-endian uint16, or uint32 for vocabularies above 65,536 words."""
    import numpy as np

    return np.dtype("<u2" if vocab_size <= 65_536 else "<u4")


def map_array(path: Path, dtype: np.dtype[Any], length: int) -> npt.NDArray[Any]:
    """Memory-maps a file whose length must be the one that was recorded.

    Raises:
        DataError: it is missing or has another length.
    """
    import numpy as np

    try:
        found = path.stat().st_size
    except OSError as error:
        raise damaged(path, str(error.strerror)) from None
    if found != length * dtype.itemsize:
        raise damaged(path, f"{found} bytes instead of {length * dtype.itemsize}")
    if length == 0:  # an empty file cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=(length,))


def damaged(path: Path, reason: str) -> DataError:
    """The error for token files that are not what was written."""
    return DataError(
        f"the token files are damaged: {reason}",
        where=str(path),
        fix="delete the folder; it is made again from the same text",
    )
