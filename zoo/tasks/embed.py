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
from zoo.tasks.base import Measured, Setting, Task, TaskObjective, padded
from zoo.tasks.frames import AROUND, framed, framed_lengths, pad_id

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from zoo.families.base import Family

TEMPERATURE = 0.05
_FAR = -1e9
_MOST_COMPARED = 2_000


class Embed(TaskObjective):
    """Rows [0, n) of a batch are texts, rows [n, 2 n) their pairs."""

    name: ClassVar[str] = "embed"
    unit: ClassVar[Unit] = "example"

    @property
    def fewest_tokens(self) -> int:
        return AROUND + 1

    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        import numpy as np

        return np.maximum(*(framed_lengths(split.parts[name]) for name in ("text", "similar")))

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

        texts, pairs = ops.split(task({name: batch[name] for name in ("inputs", "padding_mask")}, training=training), 2)
        similarity = ops.matmul(texts, ops.transpose(pairs)) / TEMPERATURE
        # A row that only fills the batch is nobody's negative.
        filler = ops.where(batch["weights"] > 0, 0.0, _FAR)
        own = ops.arange(ops.shape(texts)[0])
        there = ops.sparse_categorical_crossentropy(own, similarity + filler[None, :], from_logits=True)
        back = ops.sparse_categorical_crossentropy(own, ops.transpose(similarity) + filler[None, :], from_logits=True)
        return 0.5 * (there + back)

    def outputs(self, task: Any, family: Family, batch: Mapping[str, Any]) -> Any:
        from keras import ops

        vectors = task({name: batch[name] for name in ("inputs", "padding_mask")}, training=False)
        return ops.stack(ops.split(vectors, 2), axis=1)

    def figures(self, measured: Measured, validation: Mapping[str, float] | None = None) -> dict[str, float]:
        """found_first: how often a text's own pair is the nearest of at most 2,000 pairs."""
        import numpy as np

        kept: list[npt.NDArray[np.float32]] = []
        every = 1  # batches go by length: some of each
        for number, one in enumerate(row for batch, found in measured for row in found[batch["weights"] > 0]):
            if number % every == 0:
                kept.append(one)
            if len(kept) > _MOST_COMPARED:
                kept, every = kept[::2], 2 * every
        vectors = np.stack(kept)
        nearest = (vectors[:, 0] @ vectors[:, 1].T).argmax(axis=1)
        return {"found_first": float((nearest == np.arange(len(vectors))).mean())}

    def size(self, split: ExampleSplit, batch: Batch) -> tuple[int, int]:
        count = int(batch["weights"].sum())
        return count, count


def model(language_model: keras.Model, setting: Setting) -> keras.Model:
    """The backbone with pooling on top; the language model around it stays as it is."""
    from zoo.tasks.heads import Pooled

    return Pooled(language_model.backbone, family=setting.family)


EMBED = Task(
    name="embed",
    parts=("text", "similar"),
    shapes=("encoder",),
    objective=Embed,
    model=model,
    rate_share=0.5,
    splittable=False,
)
