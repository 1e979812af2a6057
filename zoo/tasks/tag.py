"""Tagging: which tokens of a text are part of a marked place, and of which type (begin, inside, outside).

As in BERT's named entity recognition (Devlin et al. 2019, section 5.3), with a decision for each token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.bucketed import Rows
from zoo.objectives.base import Batch, Unit
from zoo.tasks.base import NEW_HEAD_RATE, Measured, Setting, Task, TaskObjective, padded
from zoo.tasks.frames import AROUND, framed, framed_lengths, pad_id

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from zoo.families.base import Family


#: Kinds of runs beside the numbers of the types, and the tag with which a place of an unknown type goes on.
_OUTSIDE, _UNKNOWN = -2, -1
_REST_OF_UNKNOWN = -2


class Tag(TaskObjective):
    """Cross-entropy of each token's tag. A type that the training split does not have weighs nothing in the loss; the
    figures count its places as missed, and so those in what was cut off."""

    name: ClassVar[str] = "tag"
    unit: ClassVar[Unit] = "token"

    @property
    def fewest_tokens(self) -> int:
        return AROUND + 1

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
        gold = padded(tags, rows.length, 0)
        for row, text in enumerate(texts):
            weights[row, 1 : len(text) - 1] = rows.weights[row]
        return {
            "inputs": padded(texts, rows.length, pad_id(self.setting)),
            "padding_mask": padded([np.ones_like(text) for text in texts], rows.length, 0),
            "targets": np.maximum(gold, 0),
            "weights": weights * (gold >= 0),
            "gold": gold,
            "places": np.array([self._places(split, example) for example in rows.index], np.int32),
            "counted": rows.weights,
        }

    def _places(self, split: ExampleSplit, example: int) -> int:
        """Marked places of an example, before it is cut."""
        assert split.tags is not None
        offsets = split.parts["text"].offsets
        return sum(1 for _ in runs(split.tags[offsets[example] : offsets[example + 1]]))

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

    def figures(self, measured: Measured, validation: Mapping[str, float] | None = None) -> dict[str, float]:
        """span_precision, span_recall, span_f1: a place counts when its type and both of its ends are right."""
        hits = said = real = 0
        for batch, found in measured:
            for row in (batch["counted"] > 0).nonzero()[0]:
                text = slice(1, int(batch["padding_mask"][row].sum()) - 1)
                gold = set(runs(batch["gold"][row][text]))
                chosen = set(runs(found[row][text]))
                hits, said = hits + len(gold & chosen), said + len(chosen)
                real += int(batch["places"][row])
        precision, recall = hits / max(said, 1), hits / max(real, 1)
        f1 = 2 * hits / max(said + real, 1)
        return {"span_precision": precision, "span_recall": recall, "span_f1": f1}


def runs(tags: Sequence[int] | npt.NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """Places in a row of tags: (first token, one after the last, number of the type). One that goes on
    without having begun begins there. Tags of -1 and -2 are of a type without a number, which is given as -1."""
    start, kind = 0, _OUTSIDE
    for position, tag in enumerate([*map(int, tags), 0]):
        goes_on = tag == (_REST_OF_UNKNOWN if kind == _UNKNOWN else 2 + 2 * kind) and kind != _OUTSIDE
        if goes_on:
            continue
        if kind != _OUTSIDE:
            yield start, position, kind
        start, kind = position, _OUTSIDE if tag == 0 else _UNKNOWN if tag < 0 else (tag - 1) // 2


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
    rate_share=NEW_HEAD_RATE,
    head=True,
)
