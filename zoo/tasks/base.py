"""What a fine-tuning task is: which parts of a record it reads, and how examples become batches and a loss.

A task objective is an objective (`zoo.objectives.base`) on examples instead of windows: fitting,
checkpoints, evaluation and registration do not know the difference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.bucketed import BucketOrder, Rows, bucket_lengths, bucketed_stream
from zoo.objectives.base import SOURCE, Batch, Unit, Validation

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from pipelines.parts import PartName
    from pipelines.tokenizers import Encoder
    from zoo.families.base import Family, Shape
    from zoo.fit.plan import TrainPlan


Measured = Iterable[tuple[Batch, "npt.NDArray[Any]"]]
"""Batches, and what `TaskObjective.outputs` gave for each; to be gone through once."""


@dataclass(frozen=True)
class Setting:
    """What a task needs to know of a training.

    Attributes:
        classes: names, in the order of their numbers: of classes, or of types of marked places.
        context: tokens of an example at most; longer ones are cut as the task says.
    """

    family: Family
    encoder: Encoder
    classes: tuple[str, ...]
    context: int
    seed: int = 0


class TaskObjective(ABC):
    """Base of the objectives of all tasks.

    A batch has "weights", float32 [rows], with 0 for rows that only fill it; a task may weigh
    single positions instead.
    """

    name: ClassVar[str]
    unit: ClassVar[Unit]

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    @property
    @abstractmethod
    def fewest_tokens(self) -> int:
        """Of a context that has room for one token of each part."""

    def tokens(self, batch: Batch, plan: TrainPlan) -> int:
        """Tokens that the model reads in a batch, padding not counted."""
        if "padding_mask" in batch:
            return int(batch["padding_mask"].sum())
        counted = batch.get("answer", batch["weights"])[:, ::-1] > 0  # an answer is the last thing in its row
        lengths = counted.shape[1] - counted.argmax(axis=1)
        return int(lengths[counted.any(axis=1)].sum())

    @abstractmethod
    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        """int64 [examples], tokens of each one with what stands around its parts, before anything is cut."""

    def lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        """int64 [examples], tokens of each one, cut to the context."""
        import numpy as np

        return np.minimum(self.whole_lengths(split), self.setting.context)

    def cut(self, split: ExampleSplit) -> int:
        """Examples that are too long for the context, of which a part is lost."""
        return int((self.whole_lengths(split) > self.setting.context).sum())

    @abstractmethod
    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        """The arrays of a batch."""

    @abstractmethod
    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        """Losses in nats, float32 of the shape of "weights"."""

    @abstractmethod
    def outputs(self, task: Any, family: Family, batch: Mapping[str, Any]) -> Any:
        """What `figures` needs of a batch: one array whose first axis is that of the batch."""

    @abstractmethod
    def figures(self, measured: Measured, validation: Mapping[str, float] | None = None) -> dict[str, float]:
        """What people ask for, such as accuracy, of all batches with their outputs.

        Args:
            validation: the figures of the validation split, when these are another one's: what is fitted, such as a
                temperature, is taken from there.
        """

    def measure(
        self,
        task: keras.Model,
        family: Family,
        split: ExampleSplit,
        *,
        batch_size: int,
        validation: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """The figures of a model on a split; see `figures`."""
        import numpy as np

        from zoo.compiled import compiled

        outputs = compiled(task, lambda batch: self.outputs(task, family, batch))
        order = self._order(split, batch_size, seed=0, shuffle=False)
        batches = (self.batch(split, order.rows(step)) for step in range(order.batches))
        return self.figures(((batch, np.asarray(outputs(dict(batch)))) for batch in batches), validation)

    @abstractmethod
    def size(self, split: ExampleSplit, batch: Batch) -> tuple[int, int]:
        """What a batch of the validation predicts: (decisions, units); a unit is a byte, an example or a token."""

    def stream(self, split: ExampleSplit, plan: TrainPlan, start_step: int) -> Iterator[Batch]:
        """Endless batches, from the one of update `start_step` on."""
        return bucketed_stream(
            self._order(split, plan.rows_per_step, plan.seed), self._maker(split), start_step=start_step
        )

    def validation(self, split: ExampleSplit, *, batch_size: int, window: int) -> Validation:
        """All examples, each once, in an order that is always the same."""
        import numpy as np

        order = self._order(split, batch_size, seed=0, shuffle=False)

        def batches() -> Iterator[Batch]:
            return (self._with_sources(split, order.rows(step)) for step in range(order.batches))

        decisions = units = 0
        by_source = np.zeros(0 if split.sources is None else len(split.sources.names), np.int64)
        for batch in batches():
            more_decisions, more_units = self.size(split, batch)
            decisions, units = decisions + more_decisions, units + more_units
            for number in np.unique(batch[SOURCE]) if SOURCE in batch else ():
                own = {**batch, "weights": batch["weights"] * (batch[SOURCE] == number)}
                by_source[number] += self.size(split, own)[1]
        return Validation(batches(), decisions, units, by_source.tolist())

    def _with_sources(self, split: ExampleSplit, rows: Rows) -> Batch:
        """A batch that says for each weight which source its example came from, if that is known."""
        import numpy as np

        batch = self.batch(split, rows)
        if split.sources is None:
            return batch
        weights = batch["weights"]
        of_rows = split.sources.numbers[rows.index].astype(np.int32).reshape(-1, *[1] * (weights.ndim - 1))
        return {**batch, SOURCE: np.broadcast_to(of_rows, weights.shape)}

    def _maker(self, split: ExampleSplit) -> Callable[[Rows], Batch]:
        return lambda rows: self.batch(split, rows)

    def buckets(self, longest: int) -> list[int]:
        """Lengths of the buckets, in tokens, ascending, for examples of up to `longest` tokens."""
        return bucket_lengths(longest, self.setting.context)

    def _order(self, split: ExampleSplit, batch_size: int, seed: int, *, shuffle: bool = True) -> BucketOrder:
        lengths = self.lengths(split)
        longest = int(lengths.max()) if len(lengths) else 0
        buckets = self.buckets(longest)
        return BucketOrder(lengths, buckets, batch_size=batch_size, seed=seed, shuffle=shuffle)


class NeedsReference(ABC):
    """An objective that compares with the model as it was before the first update."""

    @abstractmethod
    def start(self, task: keras.Model, family: Family, splits: list[ExampleSplit]) -> None:
        """Must be called once with that model, before any batch of these splits is made."""

    @abstractmethod
    def leave_out(self) -> None:
        """Instead of `start`: from now on, nothing is compared with."""


#: Of a task whose new head has all to learn. From 229 questions, `bert` nano told 8 intents apart in 0.80 of those for
#: validation at the rate of reading on, in 0.96 at twice the rate, in 0.92 at five times.
NEW_HEAD_RATE = 2.0


@dataclass(frozen=True)
class Task:
    """A fine-tuning task.

    Attributes:
        parts: that each record must have.
        shapes: of the families that can learn it.
        objective: its class; one is made for a setting.
        model: (language model, setting) to what is trained: the model itself, or its backbone under a head
            whose initial weights follow from the seed.
        head: whether what is trained is a head on the backbone, and not a language model.
        splittable: whether a batch may be cut into micro-batches.
        from_base: whether it makes sense only on a model that was trained before.
        rate_share: of the learning rate at which the model that it starts from would go on reading text.
    """

    name: str
    parts: tuple[PartName, ...]
    shapes: tuple[Shape, ...]
    objective: type[TaskObjective]
    model: Callable[[keras.Model, Setting], keras.Model]
    rate_share: float = 1.0
    head: bool = False
    splittable: bool = True
    from_base: bool = False

    @property
    def writes_text(self) -> bool:
        """Whether the model that comes of it does."""
        return not self.head and "encoder" not in self.shapes


def padded(rows: list[npt.NDArray[np.int32]], length: int, fill: int) -> npt.NDArray[np.int32]:
    """int32 [rows, length]: each row from the left, the rest filled up."""
    import numpy as np

    out = np.full((len(rows), length), fill, np.int32)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return out
