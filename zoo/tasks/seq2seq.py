"""Text to text with an encoder and a decoder: an answer to each prompt.

A prefix in the prompt ("translate: …") says which of several tasks is meant (T5, Raffel et al. 2020,
arXiv:1910.10683). The answer and its end are predicted from the prompt and from what of the answer stands before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.bucketed import Rows, bucket_lengths
from zoo.objectives.base import Batch, Unit
from zoo.objectives.seq2seq import PairFrame, make_batch, nats
from zoo.tasks.base import Measured, Setting, Task, TaskObjective
from zoo.tasks.instruct import itself

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from pipelines.parts import PartName
    from zoo.families.base import Family
    from zoo.fit.plan import TrainPlan


#: Below so many tokens, padding costs less than another compiled shape.
_SHORTEST_HALF = 64
#: So many of the longest buckets are close together: most tokens are in long examples.
_CLOSE_BUCKETS = 3


class Seq2Seq(TaskObjective):
    """Cross-entropy of each token of the answer and of its end. Prompt and answer are each cut at their ends
    where they are too long, and an answer that is cut does not end. Encoder and decoder of a batch have lengths of
    their own: that of the bucket or the half of it, and no more than the split's longest prompt or answer needs.

    Each pair of lengths is compiled, which takes longer than many updates. These rules make at most 12 pairs for a
    context of 256. With all of `bucket_lengths`, and sides halved up to three times, it would be 39, for 1 to 11 %
    fewer tokens, padding included (a fifth where texts have a dozen words). That a side is no longer than the split
    needs costs no further pair, and helps where all answers are short, such as labels.
    """

    name: ClassVar[str] = "seq2seq"
    unit: ClassVar[Unit] = "byte"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.frame = PairFrame.of(setting.encoder.lexicon)
        self._around = len(self.frame.text([]))
        self._bytes = setting.encoder.lexicon.words.bytes
        self._longest: dict[tuple[str, PartName], int] = {}  # a look at all lengths, not for each batch

    @property
    def fewest_tokens(self) -> int:
        return self._around + 1

    def tokens(self, batch: Batch, plan: TrainPlan) -> int:
        return super().tokens(batch, plan) + int((batch["weights"] > 0).sum())

    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        import numpy as np

        return self._around + np.maximum(*(split.parts[name].lengths for name in ("prompt", "answer")))

    def buckets(self, longest: int) -> list[int]:
        return thinned(super().buckets(longest))

    def _side(self, split: ExampleSplit, part: PartName, bucket: int, needed: int) -> int:
        """Tokens of the encoder or the decoder of a batch."""
        if (split.name, part) not in self._longest:
            self._longest[split.name, part] = self._around + int(split.parts[part].lengths.max())
        largest = bucket_lengths(self._longest[split.name, part], self.setting.context)[-1]
        return halved(min(bucket, largest), needed)

    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        room = self.setting.context - self._around

        def prompt(example: int) -> list[int]:
            return self.frame.text(split.parts["prompt"][example][:room].tolist())

        def answer(example: int) -> list[int]:
            ids = split.parts["answer"][example].tolist()
            return self.frame.text(ids) if len(ids) <= room else [*self.frame.before, *ids[: room + 1]]

        pairs = [(prompt(example), answer(example)) for example in rows.index]
        encoder_needs, decoder_needs = (max(len(pair[side]) for pair in pairs) for side in (0, 1))
        lengths = (
            self._side(split, "prompt", rows.length, encoder_needs),
            self._side(split, "answer", rows.length, decoder_needs),
        )
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
        which is what greedy generation then writes. Of answers that are cut nobody can say it."""
        right = counted = exact = answers = 0
        for batch, found in measured:
            weights = batch["weights"] > 0
            same = (found == batch["targets"]) & weights
            right, counted = right + int(same.sum()), counted + int(weights.sum())
            ends = weights & (batch["targets"] == self.frame.end_id)
            real = ends.any(axis=1)
            exact += int((same.sum(axis=1) == weights.sum(axis=1))[real].sum())
            answers += int(real.sum())
        return {"token_accuracy": right / counted, "exact_match": exact / max(answers, 1)}


def thinned(buckets: list[int]) -> list[int]:
    """The longest of the buckets, and of the shorter ones every second."""
    close, others = buckets[-_CLOSE_BUCKETS:], buckets[:-_CLOSE_BUCKETS]
    return others[-2::-2][::-1] + close


def halved(length: int, needed: int) -> int:
    """Half a length, where what is needed fits into it and it saves more than another shape costs."""
    half = length // 2
    return half if half >= max(needed, _SHORTEST_HALF) else length


SEQ2SEQ = Task(
    name="seq2seq",
    parts=("prompt", "answer"),
    shapes=("seq2seq",),
    objective=Seq2Seq,
    model=itself,
)
