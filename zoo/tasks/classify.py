"""Text classification: one of the classes that the training split has.

The text is cut at the end where it is too long. Probabilities are calibrated after training with one
temperature that makes the validation labels likeliest (Guo et al. 2017, arXiv:1706.04599).
"""

from __future__ import annotations

from collections.abc import Mapping
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


#: In place of the class of a row that only fills a batch; -1 is a class that the training split does not have.
_FILLER = -2


class Classify(TaskObjective):
    """Cross-entropy of the class. One that the training split does not have weighs nothing in the loss; the figures
    count it as missed."""

    name: ClassVar[str] = "classify"
    unit: ClassVar[Unit] = "example"

    @property
    def fewest_tokens(self) -> int:
        return AROUND + 1

    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        return framed_lengths(split.parts["text"])

    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        import numpy as np

        texts = [framed(split.parts["text"][example], self.setting) for example in rows.index]
        assert split.labels is not None
        labels = np.asarray(split.labels[rows.index], np.int32)
        known = labels >= 0
        return {
            "inputs": padded(texts, rows.length, pad_id(self.setting)),
            "padding_mask": padded([np.ones_like(text) for text in texts], rows.length, 0),
            "targets": np.where(known, labels, 0).astype(np.int32),
            "weights": rows.weights * known.astype(np.float32),
            "labels": np.where(rows.weights > 0, labels, _FILLER).astype(np.int32),
        }

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        logits = task({name: batch[name] for name in ("inputs", "padding_mask")}, training=training)
        return ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)

    def outputs(self, task: Any, family: Family, batch: Mapping[str, Any]) -> Any:
        return task({name: batch[name] for name in ("inputs", "padding_mask")}, training=False)

    def figures(self, measured: Measured, validation: Mapping[str, float] | None = None) -> dict[str, float]:
        """accuracy, and that of always saying the most frequent class; macro_f1 over the classes that occur;
        temperature, and with it the expected calibration error."""
        import numpy as np

        kept = [(batch["labels"], found) for batch, found in measured]
        labels = np.concatenate([of_batch for of_batch, _ in kept])
        logits = np.concatenate([found for _, found in kept])[labels != _FILLER]
        labels = labels[labels != _FILLER]
        chosen, known = logits.argmax(axis=1), labels >= 0
        calm = temperature(logits[known], labels[known]) if validation is None else validation["temperature"]
        return {
            "accuracy": float((chosen == labels).mean()),
            "most_frequent_class": float(np.bincount(labels[known], minlength=1).max() / len(labels)),
            "macro_f1": macro_f1(chosen, labels),
            "temperature": calm,
            "calibration_error": calibration_error(softmax(logits / calm), labels),
        }

    def size(self, split: ExampleSplit, batch: Batch) -> tuple[int, int]:
        count = int(batch["weights"].sum())
        return count, count


def model(language_model: keras.Model, setting: Setting) -> keras.Model:
    """The backbone under a head with an output for each class."""
    from zoo.tasks.heads import Head

    pooling = "mean" if setting.family.shape == "encoder" else "last"
    return Head(
        language_model.backbone, len(setting.classes), family=setting.family, pooling=pooling, seed=setting.seed
    )


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Probabilities, of the shape of the logits."""
    import numpy as np

    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: npt.NDArray[Any] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def macro_f1(chosen: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """The mean over the classes among the labels of 2 hits / (chosen + labels)."""
    import numpy as np

    classes = np.unique(labels)
    hits = np.array([((chosen == one) & (labels == one)).sum() for one in classes])
    said = np.array([(chosen == one).sum() + (labels == one).sum() for one in classes])
    return float((2 * hits / said).mean())


def calibration_error(probabilities: npt.NDArray[Any], labels: npt.NDArray[Any], bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3): by how much accuracy and confidence differ in
    bins of equal confidence, weighted by their examples."""
    import numpy as np

    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[number == one].sum() - confidence[number == one].sum()) for one in range(bins)]
    return float(sum(gaps) / len(labels))


def temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]) -> float:
    """The temperature that makes these labels likeliest, between 0.05 and 20; 1 if there are none.

    Args:
        logits: float32 [examples, classes].
        labels: int32 [examples].
    """
    import numpy as np

    if len(labels) == 0:
        return 1.0

    def slope(inverse: float) -> float:
        """Of the loss in 1/T, in which it is convex: mean over examples of E[logit] - logit of the label."""
        scaled = logits.astype(np.float64) * inverse
        scaled -= scaled.max(axis=1, keepdims=True)
        probabilities = np.exp(scaled)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        expected = (probabilities * logits).sum(axis=1)
        return float((expected - logits[np.arange(len(labels)), labels]).mean())

    low, high = 1 / 20, 1 / 0.05
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / (low * high) ** 0.5


CLASSIFY = Task(
    name="classify",
    parts=("text", "label"),
    shapes=("encoder", "decoder"),
    objective=Classify,
    model=model,
    rate_share=NEW_HEAD_RATE,
    head=True,
)
