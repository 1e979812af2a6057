"""Text to text with an encoder and a decoder: an answer to each prompt.

A prefix in the prompt ("translate: …") says which of several tasks is meant (T5, Raffel et al. 2020,
arXiv:1910.10683). The answer and its end are predicted from the prompt and from what of the answer stands before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.bucketed import Rows
from zoo.objectives.base import Batch, Unit
from zoo.objectives.seq2seq import PairFrame, make_batch, nats
from zoo.tasks.base import Measured, Setting, Task, TaskObjective
from zoo.tasks.instruct import itself

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from zoo.families.base import Family


class Seq2Seq(TaskObjective):
    """Cross-entropy of each token of the answer and of its end. Prompt and answer are each cut at their ends
    where they are too long; encoder and decoder of a batch have one length."""

    name: ClassVar[str] = "seq2seq"
    unit: ClassVar[Unit] = "byte"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.frame = PairFrame.of(setting.encoder.lexicon)
        self._around = len(self.frame.text([]))
        self._bytes = setting.encoder.lexicon.words.bytes

    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        import numpy as np

        return self._around + np.maximum(*(split.parts[name].lengths for name in ("prompt", "answer")))

    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        room = self.setting.context - self._around

        def framed(name: str, example: int) -> list[int]:
            return self.frame.text(split.parts[name][example][:room].tolist())

        pairs = [(framed("prompt", example), framed("answer", example)) for example in rows.index]
        lengths = (rows.length, rows.length)
        batch = make_batch(pairs, pad_id=self.frame.pad_id, start_id=self.frame.start_id, lengths=lengths)
        return {**batch, "weights": batch["weights"] * rows.weights[:, None]}

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        return nats(task, family, batch, training)

    def size(self, split: ExampleSplit, batch: Batch) -> tuple[int, int]:
        predicted = batch["targets"][batch["weights"] > 0]
        return len(predicted), int(self._bytes[predicted].sum())

    def outputs(self, task: Any, family: Family, batch: Mapping[str, Any]) -> Any:
        from keras import ops

        return ops.argmax(family.logits(task, batch, False), axis=-1)

    def figures(self, measured: Measured, validation: Mapping[str, float] | None = None) -> dict[str, float]:
        """token_accuracy, and exact_match: answers whose every token is the likeliest one after those before it,
        which is what greedy generation then writes."""
        right = counted = exact = answers = 0
        for batch, found in measured:
            weights = batch["weights"] > 0
            same = (found == batch["targets"]) & weights
            right, counted = right + int(same.sum()), counted + int(weights.sum())
            real = weights.any(axis=1)
            exact += int((same.sum(axis=1) == weights.sum(axis=1))[real].sum())
            answers += int(real.sum())
        return {"token_accuracy": right / counted, "exact_match": exact / answers}


SEQ2SEQ = Task(
    name="seq2seq",
    parts=("prompt", "answer"),
    shapes=("seq2seq",),
    objective=Seq2Seq,
    model=itself,
    learning_rate=3e-4,
)
