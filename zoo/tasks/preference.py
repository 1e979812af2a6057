"""Learning from preferred answers: DPO, and the reward model that it does without.

Direct preference optimisation: Rafailov et al. 2023, arXiv:2305.18290, equation 7, with a frozen reference: the
model as it is before the first update. What the reference says of each answer is computed once, before
training, so that only one model is in memory. Reward model: pairwise logistic loss (Bradley & Terry 1952;
Ouyang et al. 2022, arXiv:2203.02155, equation 1).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.bucketed import Rows
from zoo.objectives.base import Batch, Unit
from zoo.tasks.base import NEW_HEAD_RATE, Measured, NeedsReference, Setting, Task, TaskObjective, padded
from zoo.tasks.chat import Dialogues, Template
from zoo.tasks.frames import pad_id
from zoo.tasks.instruct import itself, next_tokens

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import ExampleSplit
    from zoo.families.base import Family

#: How far the model may go from its reference: the paper's beta.
BETA = 0.1


class _Pairs(TaskObjective):
    """Two answers to one prompt. Rows [0, n) of a batch are the chosen ones, rows [n, 2 n) the rejected."""

    unit: ClassVar[Unit] = "example"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.template = Template.of(setting.encoder)

    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        import numpy as np

        return np.maximum(*(dialogues.whole_lengths() for dialogues in self._dialogues(split, self.context)))

    def sequences(self, split: ExampleSplit, rows: Rows) -> list[tuple[npt.NDArray[np.int32], int]]:
        import numpy as np

        both = self._dialogues(split, self.context)
        longer = np.maximum(*(dialogues.answers.lengths for dialogues in both))
        # Both answers see the same part of a long prompt.
        return [dialogues(example, room_for=int(longer[example])) for dialogues in both for example in rows.index]

    def size(self, split: ExampleSplit, batch: Batch) -> tuple[int, int]:
        count = int(batch["weights"].sum())
        return count, count

    always_ends: ClassVar[bool] = False

    @property
    def context(self) -> int:
        """Tokens before the last one of a sequence, at most."""
        return self.setting.context

    @property
    def fewest_tokens(self) -> int:
        return self.template.around + 2

    @abstractmethod
    def margins(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        """How much better than the rejected answer the chosen one is to the model, float32 [n]."""

    def outputs(self, task: Any, family: Family, batch: Mapping[str, Any]) -> Any:
        return self.margins(task, family, batch, False)

    def figures(self, measured: Measured, validation: Mapping[str, float] | None = None) -> dict[str, float]:
        """chosen_over_rejected: how often the model itself prefers the chosen answer; ties count half."""
        import numpy as np

        margins = np.concatenate([found[batch["weights"] > 0] for batch, found in measured])
        return {"chosen_over_rejected": float(((margins > 0) + 0.5 * (margins == 0)).mean())}

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        return ops.softplus(-self.margins(task, family, batch, training))

    def _dialogues(self, split: ExampleSplit, context: int) -> tuple[Dialogues, Dialogues]:
        prompts = split.parts["prompt"]
        return (
            Dialogues(self.template, prompts, split.parts["chosen"], context, self.always_ends),
            Dialogues(self.template, prompts, split.parts["rejected"], context, self.always_ends),
        )


class Preference(_Pairs, NeedsReference):
    """DPO. `start` must be called with the model as it is before the first update."""

    name: ClassVar[str] = "preference"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._bytes = setting.encoder.lexicon.words.bytes
        self._reference: dict[str, npt.NDArray[np.float32]] | None = {}

    def start(self, task: keras.Model, family: Family, splits: list[ExampleSplit]) -> None:
        """Computes what the reference says of the answers of these splits: log-probabilities, float32 [n, 2]."""
        import numpy as np

        from zoo.compiled import compiled

        references: dict[str, npt.NDArray[np.float32]] = {}
        log_probabilities = compiled(task, lambda batch: answer_log_probabilities(task, family, batch, False))
        for split in splits:
            found = np.zeros((len(split), 2), np.float32)
            order = self._order(split, _REFERENCE_BATCH, seed=0, shuffle=False)
            for step in range(order.batches):
                rows = order.rows(step)
                found[rows.index] = log_probabilities(self._arrays(split, rows)).reshape(2, -1).T
            references[split.name] = found
        self._reference = references

    def leave_out(self) -> None:
        self._reference = None

    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        import numpy as np

        if self._reference is None:
            margin = np.zeros(len(rows.index), np.float32)
        else:
            reference = self._reference[split.name][rows.index]
            margin = reference[:, 0] - reference[:, 1]
        return {**self._arrays(split, rows), "reference_margin": margin, "weights": rows.weights}

    def margins(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        chosen, rejected = ops.split(answer_log_probabilities(task, family, batch, training), 2)
        return BETA * (chosen - rejected - batch["reference_margin"])

    def outputs(self, task: Any, family: Family, batch: Mapping[str, Any]) -> Any:
        """Without the reference: log-probabilities of both answers, float32 [n, 2]."""
        from keras import ops

        return ops.stack(ops.split(answer_log_probabilities(task, family, batch, False), 2), axis=1)

    def figures(self, measured: Measured, validation: Mapping[str, float] | None = None) -> dict[str, float]:
        """chosen_over_rejected, and what the chosen answers cost: val_bits_per_byte."""
        import numpy as np

        nats, size = 0.0, 0
        margins = []
        for batch, found in measured:
            counted = batch["weights"] > 0
            chosen = slice(0, len(counted))
            tokens = batch["targets"][chosen][counted][batch["answer"][chosen][counted] > 0]
            nats -= float(found[counted, 0].sum())
            size += int(self._bytes[tokens].sum())
            margins.append(({"weights": batch["weights"]}, found[:, 0] - found[:, 1]))
        return {**super().figures(margins), "val_bits_per_byte": nats / float(np.log(2)) / max(size, 1)}

    def _arrays(self, split: ExampleSplit, rows: Rows) -> dict[str, Any]:
        import numpy as np

        sequences = self.sequences(split, rows)
        batch = next_tokens(sequences, np.ones(len(sequences), np.float32), rows.length, pad_id(self.setting))
        batch["answer"] = batch.pop("weights")
        return batch


_REFERENCE_BATCH = 8


def answer_log_probabilities(task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
    """Sums over the tokens of each answer, float32 [rows]."""
    from keras import ops

    logits = ops.cast(family.logits(task, batch, training), "float32")
    nats = ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)
    return -ops.sum(nats * batch["answer"], axis=-1)


class Reward(_Pairs):
    """A number for each answer; its difference is the log-odds that one is preferred."""

    name: ClassVar[str] = "reward"
    always_ends: ClassVar[bool] = True

    def batch(self, split: ExampleSplit, rows: Rows) -> Batch:
        import numpy as np

        texts = [ids for ids, _ in self.sequences(split, rows)]
        return {
            "inputs": padded(texts, rows.length, pad_id(self.setting)),
            "padding_mask": padded([np.ones_like(text) for text in texts], rows.length, 0),
            "weights": rows.weights,
        }

    @property
    def context(self) -> int:
        return self.setting.context - 1  # the end is read, not predicted

    def whole_lengths(self, split: ExampleSplit) -> npt.NDArray[np.int64]:
        return super().whole_lengths(split) + 1

    def margins(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        rewards = task({name: batch[name] for name in ("inputs", "padding_mask")}, training=training)[:, 0]
        chosen, rejected = ops.split(rewards, 2)
        return chosen - rejected


def reward_model(language_model: keras.Model, setting: Setting) -> keras.Model:
    """The backbone under a head with one output, at the last token, which has seen everything."""
    from zoo.tasks.heads import Head

    return Head(language_model.backbone, 1, family=setting.family, pooling="last", seed=setting.seed)


PREFERENCE = Task(
    name="preference",
    parts=("prompt", "chosen", "rejected"),
    shapes=("decoder",),
    objective=Preference,
    model=itself,
    rate_share=0.5,
    splittable=False,
    from_base=True,
)
REWARD = Task(
    name="reward",
    parts=("prompt", "chosen", "rejected"),
    shapes=("decoder",),
    objective=Reward,
    model=reward_model,
    rate_share=NEW_HEAD_RATE,
    head=True,
    splittable=False,
)
