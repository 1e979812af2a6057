"""Which of many MinHash signatures agree with one in so many places: a vectorised pass for each one.

Of each place the low byte is held, a quarter of the signature. Equal places have equal bytes, so no signature that
agrees is missed; those that seem to agree are looked at whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Signatures that are read, or compared with one, at a time.
_ROWS_AT_ONCE = 8192
_SEED = 1
#: Of no more records nothing is held, and they are compared as they are.
_FEW = 32
#: Bytes of the values that are held while they are counted.
_BYTES_COUNTED = 1 << 25
#: Records in whose place nothing was found before a count is tried, which takes about as long as so many comparisons.
_IN_VAIN = 64


class Signatures(Protocol):
    """uint32 [records, places]: in memory, or in a file (`pipelines.curate.near_files`)."""

    def __len__(self) -> int: ...
    def __getitem__(self, records: npt.NDArray[np.int64], /) -> npt.NDArray[np.uint32]: ...


class Waiting:
    """Records that wait to be found alike, or to be the next with which others are compared.

    A byte for each place of each record is held. Time is one pass over those that wait for each record that is taken
    out. So it is linear where many are alike, and also where a count tells that most have too many values of their own
    to be like another. In between, as for forms that are alike in a little less than `least` places, it is quadratic,
    with about ten nanoseconds a pair.

    Args:
        members: numbers of the records.
        least: places in which two that are alike have equal values.
    """

    def __init__(self, members: npt.NDArray[np.int64], signed: Signatures, least: int) -> None:
        import numpy as np

        self._signed, self._least, self._members = signed, least, members
        self._low = None if len(members) <= _FEW else _low_bytes(members, signed)
        self._waits = np.ones(len(members), bool)
        self._left = len(members)
        self._in_vain: int | None = 0

    def next(self) -> int | None:
        """Takes one out, if there is one that may be like another. To be called when all that were taken out before
        have been compared with those that wait."""
        import numpy as np

        if self._left > _FEW and self._in_vain is not None and self._in_vain >= _IN_VAIN:
            self._leave_unlike_out()
        if not self._left:
            return None
        row = int(self._waits.argmax())
        record = int(self._members[row])
        self._take(np.array([row]))
        return record

    def alike(self, record: int) -> list[int]:
        """Takes out those that are like this record."""
        import numpy as np

        if not self._left:
            return []
        own = self._signed[np.array([record])][0]
        rows = np.flatnonzero(self._waits) if self._low is None else agreeing(self._low, own, self._least)
        rows = rows[self._waits[rows]]
        found = rows[_agree(self._signed, self._members[rows], own, self._least)]
        records: list[int] = self._members[found].tolist()
        self._take(found)
        if self._in_vain is not None:
            self._in_vain += not records
        return records

    def _leave_unlike_out(self) -> None:
        """Who has more values of its own than places in which two may differ is like none of the others."""
        import numpy as np

        members = self._members[self._waits]
        places = self._signed[members[:1]].shape[1]
        own = np.zeros(len(members), np.int64)
        some = max(1, _BYTES_COUNTED // (4 * len(members)))
        for start in range(0, places, some):
            for values in _columns(members, self._signed, slice(start, start + some)):
                own += _once(values)
        self._take(np.flatnonzero(self._waits)[own > places - self._least])
        self._in_vain = None

    def _take(self, rows: npt.NDArray[np.int64]) -> None:
        """Arrays are copied when a quarter of them waits no more, not each time."""
        self._waits[rows] = False
        self._left -= len(rows)
        if 4 * self._left < 3 * len(self._members):
            self._members = self._members[self._waits]
            if self._low is not None:
                self._low = self._low[:, self._waits]
            self._waits = self._waits[self._waits]


def agreeing(low: npt.NDArray[np.uint8], own: npt.NDArray[np.uint32], least: int) -> npt.NDArray[np.int64]:
    """Numbers of the signatures that may agree with `own` in `least` places, and of all that do.

    Args:
        low: uint8 [places, signatures], their low bytes.
        own: uint32 [places].
    """
    import numpy as np

    byte = own.astype(np.uint8)[:, np.newaxis]
    some = (low[:, start : start + _ROWS_AT_ONCE] == byte for start in range(0, low.shape[1], _ROWS_AT_ONCE))
    counts = [np.add.reduce(equal.view(np.uint8), axis=0, dtype=np.uint8) for equal in some]
    return np.flatnonzero(np.concatenate(counts) >= least) if counts else np.empty(0, np.int64)


def low_bytes(signed: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """uint8 [places, signatures]."""
    import numpy as np

    return np.ascontiguousarray(signed.astype(np.uint8).T)


class Known:
    """Signatures that others are compared with, again and again.

    Two that may differ in so many places are equal in one of one block more: blocks are looked up, and whoever shares
    none has no match. The others are compared with all that are known, about ten nanoseconds each.

    Args:
        signed: uint32 [known, places].
        least: places in which two that are alike have equal values.
    """

    def __init__(self, signed: npt.NDArray[np.uint32], least: int) -> None:
        import numpy as np

        self._signed, self._least = signed, least
        self._low = low_bytes(signed)
        self._blocks = [np.unique(keys) for keys in self._keys(signed)]

    def alike(self, signed: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
        """bool [records]: which are like a known one."""
        import numpy as np

        found = np.zeros(len(signed), bool)
        if not len(self._signed):
            return found
        for keys, known in zip(self._keys(signed), self._blocks, strict=True):
            places = np.searchsorted(known, keys)
            found |= known[np.minimum(places, len(known) - 1)] == keys
        for row in np.flatnonzero(found).tolist():
            seeming = self._signed[agreeing(self._low, signed[row], self._least)]
            found[row] = ((seeming == signed[row]).sum(axis=1) >= self._least).any()
        return found

    def _keys(self, signed: npt.NDArray[np.uint32]) -> Iterator[npt.NDArray[np.uint64]]:
        """uint64 [signatures] of each block. That two blocks may have the same one by chance costs time alone."""
        import numpy as np

        places = signed.shape[1]
        factors = np.random.default_rng(_SEED).integers(0, 2**64, places, np.uint64) | np.uint64(1)
        for block in np.array_split(np.arange(places), places - self._least + 1):
            yield (signed[:, block] * factors[block]).sum(axis=1, dtype=np.uint64)


def _low_bytes(members: npt.NDArray[np.int64], signed: Signatures) -> npt.NDArray[np.uint8]:
    import numpy as np

    first = low_bytes(signed[members[:_ROWS_AT_ONCE]])
    if len(members) <= _ROWS_AT_ONCE:
        return first
    low = np.empty((len(first), len(members)), np.uint8)
    for start in range(0, len(members), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        low[:, part] = low_bytes(signed[members[part]])
    return low


def _agree(
    signed: Signatures, members: npt.NDArray[np.int64], own: npt.NDArray[np.uint32], least: int
) -> npt.NDArray[np.bool_]:
    """bool [members]: which have `least` equal places."""
    import numpy as np

    parts = (members[start : start + _ROWS_AT_ONCE] for start in range(0, len(members), _ROWS_AT_ONCE))
    found = [(signed[part] == own).sum(axis=1) >= least for part in parts]
    return np.concatenate(found) if found else np.empty(0, bool)


def _columns(members: npt.NDArray[np.int64], signed: Signatures, places: slice) -> npt.NDArray[np.uint32]:
    """uint32 [some places, members]: the values at these places."""
    import numpy as np

    parts = (members[start : start + _ROWS_AT_ONCE] for start in range(0, len(members), _ROWS_AT_ONCE))
    return np.concatenate([signed[part][:, places].T for part in parts], axis=1)


def _once(values: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """bool [values]: which are there once."""
    import numpy as np

    order = np.argsort(values)
    changes = np.concatenate([[True], np.diff(values[order]) != 0, [True]])
    alone = np.empty(len(values), bool)
    alone[order] = changes[:-1] & changes[1:]
    return alone
