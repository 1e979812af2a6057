"""Embeddings from pairs of texts that mean the same: contrastive, with the other pairs of a batch as negatives.

InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) on mean-pooled, normalised states (Reimers & Gurevych
2019, arXiv:1908.10084), from texts to their pairs and back, at temperature 0.05 (Gao et al. 2021,
arXiv:2104.08821).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.bucketed import Rows
from zoo.objectives.base import Batch, Unit
from zoo.tasks.base import Task, TaskObjective, padded
from zoo.tasks.frames import framed, framed_lengths, pad_id
from zoo.tasks.instruct import itself

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from zoo.families.base import Family

TEMPERATURE = 0.05
_FAR = -1e9


class Embed(TaskObjective):
    """Rows [0, n) of a batch are texts, rows [n, 2 n) their pairs."""

    name: ClassVar[str] = "embed"
    unit: ClassVar[Unit] = "example"

    def lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        import numpy as np

        context = self.setting.context
        return np.maximum(framed_lengths(split.parts["text"], context), framed_lengths(split.parts["similar"], context))

    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        import numpy as np

        texts = [
            framed(split.parts[name][example], self.setting) for name in ("text", "similar") for example in rows.index
        ]
        return {
            "inputs": padded(texts, rows.length, pad_id(self.setting)),
            "padding_mask": padded([np.ones_like(text) for text in texts], rows.length, 0),
            "weights": rows.weights,
        }

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        from zoo.families.base import hidden_states
        from zoo.tasks.heads import normalised, pooled

        mask = batch["padding_mask"]
        states = hidden_states(family, task.backbone, batch["inputs"], mask, training)
        vectors = normalised(pooled(ops.cast(states, "float32"), mask, "mean"))
        texts, pairs = ops.split(vectors, 2)
        similarity = ops.matmul(texts, ops.transpose(pairs)) / TEMPERATURE
        # A row that only fills the batch is nobody's negative.
        filler = ops.where(batch["weights"] > 0, 0.0, _FAR)
        own = ops.arange(ops.shape(texts)[0])
        there = ops.sparse_categorical_crossentropy(own, similarity + filler[None, :], from_logits=True)
        back = ops.sparse_categorical_crossentropy(own, ops.transpose(similarity) + filler[None, :], from_logits=True)
        return 0.5 * (there + back)

    def size(self, split: ExampleSplit, batch: Batch) -> tuple[int, int]:
        count = int(batch["weights"].sum())
        return count, count


EMBED = Task(
    name="embed",
    parts=("text", "similar"),
    shapes=("encoder",),
    objective=Embed,
    model=itself,
    learning_rate=5e-5,
)
