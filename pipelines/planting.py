"""Texts that are planted among the documents of a training split: canaries, see `governance.leakage`.

A dataset version never has them. Where they stand follows from the texts alone, so that it is the same in each run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


#: Changes with the way in which places are drawn.
_VERSION = 1


@dataclass(frozen=True)
class Planted:
    """Texts, and how often each of them is planted."""

    texts: tuple[str, ...]
    repeat: int

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over what is planted, from which its places follow."""
        return hashlib.sha256(json.dumps([_VERSION, self.texts, self.repeat]).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.texts) * self.repeat

    def places(self, documents: int) -> npt.NDArray[np.int64]:
        """int64 [len(self)], in order: before which of so many documents each one stands, evenly drawn."""
        import numpy as np

        draw = np.random.Generator(np.random.Philox(key=int(self.digest[:16], 16)))
        return np.sort(draw.integers(0, documents + 1, len(self)))

    def among(self, texts: Iterable[str], documents: int) -> Iterator[str]:
        """The texts of all documents, with the planted ones between them."""
        import numpy as np

        draw = np.random.Generator(np.random.Philox(key=int(self.digest[16:32], 16)))
        planted = iter(draw.permutation(np.repeat(np.arange(len(self.texts)), self.repeat)).tolist())
        places = iter(self.places(documents).tolist())
        place = next(places, None)
        number = -1
        for number, text in enumerate(texts):
            while place == number:
                yield self.texts[next(planted)]
                place = next(places, None)
            yield text
        assert number + 1 == documents, "the rest are planted after the last document"
        for which in planted:
            yield self.texts[which]

    def sources_among(self, numbers: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """The number of each text's source: of a planted one that of its neighbour."""
        import numpy as np

        places = self.places(len(numbers))
        return np.insert(numbers, places, numbers[np.minimum(places, len(numbers) - 1)])
