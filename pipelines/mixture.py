"""How often the documents of each source are read in one pass over the training text.

A source's `weight` is the number of times; of 1.5, half of the documents are read twice, chosen by a hash of their
ids. A `temperature` T above 1 brings the sources closer together: a source of n bytes is read (n / largest)^(1/T - 1)
times, so that its share becomes proportional to n^(1/T) (Devlin 2018, multilingual BERT; Raffel et al. 2020,
arXiv:1910.10683, section 3.5.2), and the largest source once. Both multiply.

Copies of a document lie in different rounds through the text, so that a window rarely holds two. The dataset version
and the tokenizer know nothing of this: they are shared by trainings with other mixtures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.spec import PipelineSpec
    from pipelines.tokenizers import Texts

#: Text that is read more often adds little (Muennighoff et al. 2023, arXiv:2305.16264: up to four times, it is nearly
#: as good as new).
MOST_USEFUL_READINGS = 4

_VERSION = 1


@dataclass(frozen=True)
class Mixture:
    """What a pipeline asks for.

    Attributes:
        weights: of the sources, by number.
        temperature: 1 leaves the sources as large as they are.
    """

    weights: tuple[float, ...]
    temperature: float = 1.0

    @classmethod
    def of(cls, spec: PipelineSpec) -> Mixture | None:
        """None where each document is read once."""
        mixture = cls(tuple(source.weight for source in spec.sources), spec.mixture.temperature)
        return None if mixture.temperature == 1 and set(mixture.weights) == {1.0} else mixture

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that decides what is read."""
        return hashlib.sha256(json.dumps([_VERSION, self.weights, self.temperature]).encode()).hexdigest()

    def readings(self, sizes: Sequence[int]) -> list[float]:
        """How often each source is read.

        Args:
            sizes: of the sources' training text, in UTF-8 bytes.
        """
        largest = max(1, *sizes)
        power = 1 / self.temperature - 1
        return [
            weight * (size / largest) ** power if size else 0.0
            for weight, size in zip(self.weights, sizes, strict=True)
        ]

    def apply(self, version: Texts) -> MixedTexts:
        """The training text of a version, mixed. Reads it once, for the sizes of the sources."""
        import numpy as np

        numbers = version.source_numbers("train")
        sizes = np.zeros(len(self.weights), np.int64)
        for number, (_, text) in zip(numbers, version.texts("train"), strict=True):
            sizes[number] += len(text.encode())
        readings = np.asarray(self.readings(sizes.tolist()))
        drawn = (_uniform(record_id) for record_id, _ in version.texts("train"))
        of_each = readings[numbers]
        copies = np.floor(of_each).astype(np.int64)
        copies += np.fromiter(drawn, np.float64, len(numbers)) < of_each - copies
        return MixedTexts(version, numbers, copies, tuple(readings.tolist()))


@dataclass(frozen=True)
class MixedTexts:
    """The training text as often as it is read.

    Attributes:
        copies: int64 [records of the training split], how often each is read.
        readings: of each source.
    """

    _version: Texts
    _numbers: npt.NDArray[np.uint16]
    copies: npt.NDArray[np.int64]
    readings: tuple[float, ...]

    def texts(self) -> Iterator[str]:
        """Round after round: of those that are read k times, the k-th copy is in round k."""
        for round_ in range(self._rounds):
            for count, (_, text) in zip(self.copies.tolist(), self._version.texts("train"), strict=True):
                if count > round_:
                    yield text

    def numbers(self) -> npt.NDArray[np.uint16]:
        """uint16 [len(texts)], the source of each."""
        import numpy as np

        rounds = [self._numbers[self.copies > round_] for round_ in range(self._rounds)]
        return np.concatenate(rounds) if rounds else self._numbers[:0]

    @property
    def _rounds(self) -> int:
        return int(self.copies.max(initial=0))


def _uniform(record_id: str) -> float:
    """In [0, 1); the same for a record in each version, so that a change elsewhere changes nothing here."""
    return int.from_bytes(hashlib.blake2b(record_id.encode(), digest_size=8).digest(), "big") / 2**64
