"""What an objective is: how windows of tokens become examples, and what the loss of an example is.

Everything random in an example is a stateless function of (seed, epoch, window), computed on the
host. So it is the same after a restart, for any number of workers and on each backend, which masks
drawn inside a compiled graph are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.stream import Signature, Windows
    from pipelines.tokens import TokenSplit
    from zoo.families.base import Family

Batch = Mapping[str, "npt.NDArray[np.int32] | npt.NDArray[np.float32]"]
"""Arrays of static shapes by name. "weights", float32, says how much each position counts; without it
all count the same."""

SOURCE = "source"
"""Name of an int32 array that a batch of a validation may have beside "weights", of the same shape: the number of
the pipeline's source that a predicted position came from. It is not for the forward pass."""


@dataclass(frozen=True)
class Validation:
    """Batches in order, and what is predicted in all of them together.

    Attributes:
        tokens: that are predicted.
        bytes: of UTF-8 text that these tokens stand for, the denominator of bits per byte.
        bytes_by_source: the same for each source of the pipeline; empty where batches have no `SOURCE`.
    """

    batches: Iterator[Batch]
    tokens: int
    bytes: int
    bytes_by_source: Sequence[int] = ()


class Objective(Protocol):
    """See `pipelines.stream.Examples` for the first methods."""

    @property
    def name(self) -> str: ...
    @property
    def overlap(self) -> int: ...
    def span(self, window: int) -> int: ...
    def signature(self, rows: int, window: int) -> Signature: ...
    def examples(self, windows: Windows) -> Batch: ...

    def validation(self, split: TokenSplit, *, batch_size: int, window: int) -> Validation:
        """All of a split, each token once, with "weights" that are 0 where the last batch is filled up."""
        ...

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        """Loss of each predicted position in nats, float32 on each dtype policy."""
        ...
