"""Tagging: which tokens of a text are part of a marked place, and of which type (begin, inside, outside).

As in BERT's named entity recognition (Devlin et al. 2019, section 5.3), with a decision for each token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.bucketed import Rows
from zoo.objectives.base import Batch, Unit
from zoo.tasks.base import Setting, Task, TaskObjective, padded
from zoo.tasks.frames import AROUND, framed, framed_lengths, pad_id

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from zoo.families.base import Family


class Tag(TaskObjective):
    """Cross-entropy of each token's tag."""

    name: ClassVar[str] = "tag"
    unit: ClassVar[Unit] = "token"

    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        return framed_lengths(split.parts["text"])

    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        import numpy as np

        assert split.tags is not None
        texts, tags = [], []
        offsets = split.parts["text"].offsets
        for example in rows.index:
            texts.append(framed(split.parts["text"][example], self.setting))
            end = offsets[example] + len(texts[-1]) - AROUND
            tags.append(np.concatenate([[0], split.tags[offsets[example] : end], [0]]).astype(np.int32))
        weights = np.zeros((len(texts), rows.length), np.float32)
        for row, text in enumerate(texts):
            weights[row, 1 : len(text) - 1] = rows.weights[row]
        return {
            "inputs": padded(texts, rows.length, pad_id(self.setting)),
            "padding_mask": padded([np.ones_like(text) for text in texts], rows.length, 0),
            "targets": padded(tags, rows.length, 0),
            "weights": weights,
        }

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        logits = task({name: batch[name] for name in ("inputs", "padding_mask")}, training=training)
        return ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)

    def size(self, split: ExampleSplit, batch: Batch) -> tuple[int, int]:
        count = int((batch["weights"] > 0).sum())
        return count, count

    def outputs(self, task: Any, family: Family, batch: Mapping[str, Any]) -> Any:
        from keras import ops

        logits = task({name: batch[name] for name in ("inputs", "padding_mask")}, training=False)
        return ops.argmax(logits, axis=-1)

    def figures(self, measured: list[tuple[Batch, npt.NDArray[Any]]]) -> dict[str, float]:
        """span_precision, span_recall, span_f1: a place counts when its type and both of its ends are right."""
        hits = said = real = 0
        for batch, found in measured:
            for row, weights in enumerate(batch["weights"] > 0):
                gold = set(runs(batch["targets"][row][weights]))
                chosen = set(runs(found[row][weights]))
                hits, said, real = hits + len(gold & chosen), said + len(chosen), real + len(gold)
        precision, recall = hits / max(said, 1), hits / max(real, 1)
        f1 = 2 * hits / max(said + real, 1)
        return {"span_precision": precision, "span_recall": recall, "span_f1": f1}


def runs(tags: Sequence[int] | npt.NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """Places in a row of tags: (first token, one after the last, number of the type). One that goes on
    without having begun begins there."""
    start, kind = 0, -1
    for position, tag in enumerate([*map(int, tags), 0]):
        goes_on = kind >= 0 and tag == 2 + 2 * kind
        if goes_on:
            continue
        if kind >= 0:
            yield start, position, kind
        start, kind = position, (tag - 1) // 2 if tag else -1


def model(language_model: keras.Model, setting: Setting) -> keras.Model:
    """The backbone under a head with an output at each token."""
    from zoo.tasks.heads import Head

    outputs = 1 + 2 * len(setting.classes)
    return Head(language_model.backbone, outputs, family=setting.family, pooling="none", seed=setting.seed)


TAG = Task(
    name="tag",
    parts=("text", "spans"),
    shapes=("encoder",),
    objective=Tag,
    model=model,
    learning_rate=1e-4,
    head=True,
)
