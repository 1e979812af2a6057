"""Instruction tuning: answers to prompts in a chat template, the loss on the answers alone.

(Ouyang et al. 2022, arXiv:2203.02155, section 3.5, without its reward model; see `preference`.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.bucketed import Rows
from zoo.objectives.base import Batch, Unit
from zoo.tasks.base import Measured, Setting, Task, TaskObjective, padded
from zoo.tasks.chat import Dialogues, Template
from zoo.tasks.frames import pad_id

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from zoo.families.base import Family


class Instruct(TaskObjective):
    """Cross-entropy of each token of the answer and of its end, from all that stands before it."""

    name: ClassVar[str] = "instruct"
    unit: ClassVar[Unit] = "byte"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.template = Template.of(setting.encoder)
        self._bytes = setting.encoder.lexicon.words.bytes

    @property
    def fewest_tokens(self) -> int:
        return self.template.around + 1

    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        return self._dialogues(split).whole_lengths()

    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        sequences = [self._dialogues(split)(example) for example in rows.index]
        return next_tokens(sequences, rows.weights, rows.length, pad_id(self.setting))

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        logits = ops.cast(family.logits(task, batch, training), "float32")
        return ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)

    def outputs(self, task: Any, family: Family, batch: Mapping[str, Any]) -> Any:
        from keras import ops

        return ops.argmax(family.logits(task, batch, False), axis=-1)

    def figures(self, measured: Measured, validation: Mapping[str, float] | None = None) -> dict[str, float]:
        """token_accuracy: how often the likeliest token is that of the answer."""
        right = counted = 0.0
        for batch, found in measured:
            right += float(((found == batch["targets"]) * batch["weights"]).sum())
            counted += float(batch["weights"].sum())
        return {"token_accuracy": right / counted}

    def size(self, split: ExampleSplit, batch: Batch) -> tuple[int, int]:
        predicted = batch["targets"][batch["weights"] > 0]
        return len(predicted), int(self._bytes[predicted].sum())

    def _dialogues(self, split: ExampleSplit) -> Dialogues:
        return Dialogues(self.template, split.parts["prompt"], split.parts["answer"], self.setting.context)


def next_tokens(
    sequences: list[tuple[npt.NDArray[np.int32], int]], weights: npt.NDArray[np.float32], length: int, fill: int
) -> dict[str, Any]:
    """Inputs and targets of sequences of which the last tokens count, each row's weight on those."""
    import numpy as np

    counted = np.zeros((len(sequences), length), np.float32)
    for row, (ids, answer) in enumerate(sequences):
        counted[row, len(ids) - 1 - answer : len(ids) - 1] = weights[row]
    return {
        "inputs": padded([ids[:-1] for ids, _ in sequences], length, fill),
        "targets": padded([ids[1:] for ids, _ in sequences], length, fill),
        "weights": counted,
    }


def itself(language_model: keras.Model, setting: Setting) -> keras.Model:
    """Tasks of generation train the language model as it is."""
    return language_model


INSTRUCT = Task(
    name="instruct",
    parts=("prompt", "answer"),
    shapes=("decoder",),
    objective=Instruct,
    model=itself,
)
