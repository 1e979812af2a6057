"""What an objective is: how windows of tokens become examples, and what the loss of an example is.

Everything random in an example is a stateless function of (seed, epoch, window), computed on the
host. So it is the same after a restart, for any number of workers and on each backend, which masks
drawn inside a compiled graph are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.tokens import TokenSplit
    from zoo.families.base import Family
    from zoo.fit.plan import TrainPlan

Batch = Mapping[str, "npt.NDArray[np.int32] | npt.NDArray[np.float32]"]
"""Arrays of static shapes by name. "weights", float32, says how much each position counts; without it
all count the same."""

Unit = Literal["byte", "example", "token"]
"""What losses are given in bits per: language models are compared per byte of text, which does not depend on
the tokenizer; a task that decides once for each example is, per example."""

SOURCE = "source"
"""Name of an int32 array that a batch of a validation may have beside "weights", of the same shape: the number of
the pipeline's source that a predicted position came from. It is not for the forward pass."""


@dataclass(frozen=True)
class Validation:
    """Batches in order, and what is predicted in all of them together.

    Attributes:
        tokens: that are predicted.
        bytes: of UTF-8 text that these tokens stand for, the denominator of bits per byte; or, of an objective
            with another unit, that many units.
        bytes_by_source: the same for each source of the pipeline; empty where batches have no `SOURCE`.
    """

    batches: Iterator[Batch]
    tokens: int
    bytes: int
    bytes_by_source: Sequence[int] = ()


class Objective(Protocol):
    """What the training loop asks of an objective, on windows of text or on examples of a task."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> Unit: ...

    def stream(self, split: Any, plan: TrainPlan, start_step: int) -> Iterator[Batch]:
        """Endless batches of a split, from the one of update `start_step` on; a function of the plan's seed."""
        ...

    def validation(self, split: Any, *, batch_size: int, window: int) -> Validation:
        """All of a split, each token once, with "weights" that are 0 where the last batch is filled up."""
        ...

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        """Loss of each predicted position in nats, float32 on each dtype policy."""
        ...

    def tokens(self, batch: Batch, plan: TrainPlan) -> int:
        """Tokens that a batch of the stream reads, padding not counted."""
        ...


def count_predicted(
    batches: Iterable[Batch], bytes_of: npt.NDArray[np.int32], split: TokenSplit
) -> tuple[int, int, list[int]]:
    """How many tokens batches predict, their UTF-8 bytes, and these by source.

    Args:
        bytes_of: int32 [vocabulary], of each token.
        split: that the batches go over once.
    """
    import numpy as np

    tokens = size = 0
    by_source = np.zeros(0 if split.sources is None else len(split.sources.names), np.int64)
    for batch in batches:
        predicted = batch["weights"] > 0
        sizes = bytes_of[batch["targets"][predicted]]
        tokens, size = tokens + len(sizes), size + int(sizes.sum())
        if SOURCE in batch:
            np.add.at(by_source, batch[SOURCE][predicted], sizes)
    return tokens, size, by_source.tolist()


class WindowObjective:
    """Base of the objectives on windows of packed text; see `pipelines.stream.Examples` for the methods that
    a subclass adds: `overlap`, `span`, `signature`, `examples`."""

    unit: ClassVar[Unit] = "byte"
    with_sources: ClassVar[bool] = False

    def tokens(self, batch: Batch, plan: TrainPlan) -> int:
        """Of windows, which are full."""
        return plan.tokens_per_step

    def stream(self, split: TokenSplit, plan: TrainPlan, start_step: int) -> Iterator[Batch]:
        """See `Objective`."""
        from pipelines.stream import stream

        windows: Any = self
        batches = stream(
            split,
            windows,
            batch_size=plan.rows_per_step,
            window=plan.window,
            seed=plan.seed,
            start_step=start_step,
        )
        return iter(batches.as_numpy_iterator())
