"""By what an erasure tells the named records and those that are like them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.curate.agreement import Known
from pipelines.curate.likeness import known, plain_signatures
from pipelines.curate.near import PERMUTATIONS
from pipelines.erasure.batches import Batch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass
class Likenesses:
    """Signatures of texts, plain, with what a filter had taken out of them.

    Of a filtered text its words say too little: letters of one form are all equal once names and numbers are gone.
    Two filtered texts are alike where their words are, and half of what was taken out of either is the same.

    Attributes:
        contents: hashes of the texts.
    """

    contents: set[bytes] = field(default_factory=set)
    _raw: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    _filtered: dict[frozenset[bytes], list[npt.NDArray[np.uint32]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.contents)

    def add(self, batch: Batch, signed: npt.NDArray[np.uint32], rows: Sequence[int]) -> None:
        """Adds rows of a batch. Args: `signed` are their signatures, uint32 [rows, 112]."""
        if not rows:
            return
        of_batch = batch.contents()
        self.contents.update(of_batch[row] for row in rows)
        if batch.replaced is None:
            self._raw.append(signed)
            return
        for row, signature in zip(rows, signed, strict=True):
            self._filtered.setdefault(batch.replaced[row], []).append(signature[None])

    def as_written(self) -> npt.NDArray[np.uint32]:
        """uint32 [texts, 112], each once: of texts from which nothing was taken out. The others would be like all
        letters of their form."""
        return _unique([*self._raw, *self._filtered.get(frozenset(), ())])

    def known(self, threshold: float) -> KnownTexts:
        """These, to be looked for. Args: `threshold` is the least share of equal places, 0 to 1."""
        signed = [signature for of_taken in self._filtered.values() for signature in of_taken]
        taken = [taken for taken, of_taken in self._filtered.items() for _ in of_taken]
        filtered = _concatenated(signed)
        return KnownTexts(known(_unique(self._raw), threshold), known(filtered, threshold), filtered, taken, threshold)


@dataclass(frozen=True)
class KnownTexts:
    """Texts that others are compared with: as a source has them, and as a filter left them.

    Attributes:
        signed, taken: signatures of the filtered ones, uint32 [texts, 112], and what was taken out of each.
    """

    raw: Known
    filtered: Known
    signed: npt.NDArray[np.uint32]
    taken: list[frozenset[bytes]]
    threshold: float

    def alike(self, batch: Batch, signed: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
        """bool [records]: which of a batch are like one of these.

        Args:
            signed: signatures of the batch, uint32 [records, 112].
        """
        import numpy as np

        found, maybe = self.raw.alike(signed), self.filtered.alike(signed)
        if batch.replaced is None:
            return found | maybe
        least = math.ceil(self.threshold * PERMUTATIONS)
        for row in np.flatnonzero(maybe & ~found).tolist():
            same = np.flatnonzero((self.signed == signed[row]).sum(axis=1) >= least).tolist()
            own = batch.replaced[row]
            found[row] = any(_shares(taken, own) for taken in {self.taken[place] for place in same})
        return found


def _shares(taken: frozenset[bytes], own: frozenset[bytes]) -> bool:
    """Whether at least half of what was taken out of two texts was taken out of both."""
    return 2 * len(taken & own) >= len(taken | own)


def _unique(signed: Sequence[npt.NDArray[np.uint32]]) -> npt.NDArray[np.uint32]:
    import numpy as np

    return np.unique(np.concatenate([*signed, plain_signatures([""])]), axis=0)


def _concatenated(signed: Sequence[npt.NDArray[np.uint32]]) -> npt.NDArray[np.uint32]:
    import numpy as np

    return np.concatenate([*signed, np.empty((0, PERMUTATIONS), np.uint32)])
