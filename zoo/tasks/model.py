"""A model with a head, for use: texts in, classes with probabilities or rewards out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import Encoder
from zoo.compiled import (
    BATCH_SIZES,
    SHORTEST_READ,
    bucket,
    check_utf8,
    compiled,
    in_order_of_length,
    lengths_up_to,
)
from zoo.families.base import Family
from zoo.tasks.base import Setting, padded
from zoo.tasks.chat import Template
from zoo.tasks.frames import AROUND, framed, pad_id

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from zoo.tasks.heads import Head


@dataclass(frozen=True)
class Scored:
    """A class and its calibrated probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class Place:
    """Characters [start, end) of a text, and what they are."""

    start: int
    end: int
    type: str
    text: str


class HeadModel:
    """A trained head and its tokenizer.

    Args:
        model: the head on its backbone.
        name: of the task, "classify", "tag" or "reward".
        classes: names by number; empty for a reward model.
        temperature: by which logits are divided before they become probabilities.
        context: tokens that a text may have.
    """

    def __init__(
        self,
        model: Head,
        encoder: Encoder,
        *,
        family: Family,
        name: str,
        classes: tuple[str, ...],
        temperature: float,
        context: int,
    ) -> None:
        self.task = model
        self.encoder = encoder
        self.frame = encoder.frame
        self.name, self.classes, self.temperature, self.context = name, classes, temperature, context
        self.setting = Setting(family, encoder, classes, context)
        self._outputs = compiled(model, model)

    def classify(self, texts: Sequence[str], *, top_k: int = 3, truncate: bool = False) -> list[list[Scored]]:
        """The likeliest classes of each text, the likeliest first.

        Args:
            truncate: a text that is too long loses its end; otherwise it is refused.

        Raises:
            ConfigError: this is no classifier, or top_k is below 1.
            DataError: a text does not fit into the context, or is not UTF-8.
        """
        import numpy as np

        from zoo.tasks.classify import softmax

        if self.name != "classify":
            raise ConfigError(f"this model was tuned to {self.name}", where="model", fix="load a classifier")
        if top_k < 1:
            raise ConfigError("must be at least 1", where="top_k")
        check_utf8(texts)
        ids = [np.asarray(one, np.int32) for one in self.encoder.encode(texts)]
        if not truncate:
            self._check_length(max((len(one) + AROUND for one in ids), default=0))
        probabilities = softmax(self.outputs([framed(one, self.setting) for one in ids]) / self.temperature)
        best = np.argsort(-probabilities, axis=-1, kind="stable")[:, :top_k]
        return [
            [Scored(self.classes[number], float(row[number])) for number in order]
            for row, order in zip(probabilities, best, strict=True)
        ]

    def tag(self, text: str) -> list[Place]:
        """The places of a text that are part of something, in order.

        Raises:
            ConfigError: this is no tagger.
            DataError: the text does not fit into the context, or is not UTF-8.
        """
        import numpy as np

        from zoo.tasks.tag import runs

        if self.name != "tag":
            raise ConfigError(f"this model was tuned to {self.name}", where="model", fix="load a tagger")
        check_utf8([text])
        ids = np.asarray(self.encoder.encode([text])[0], np.int32)
        self._check_length(len(ids) + AROUND)
        tags = self.outputs([framed(ids, self.setting)])[0, 1 : len(ids) + 1].argmax(axis=-1)
        places = self.encoder.places(text)
        found = []
        for first, end, kind in runs(tags):
            start, stop = places[first][0], places[end - 1][1]
            start += len(text[start:stop]) - len(text[start:stop].lstrip())
            found.append(Place(start, stop, self.classes[kind], text[start:stop]))
        return found

    def reward(self, prompts: Sequence[str], answers: Sequence[str]) -> npt.NDArray[np.float32]:
        """How good each answer to its prompt is, float32 [answers]; only differences mean something.

        Raises:
            ConfigError: this is no reward model, or there are not as many answers as prompts.
            DataError: prompt and answer together do not fit into the context, or are not UTF-8.
        """
        import numpy as np

        if self.name != "reward":
            raise ConfigError(f"this model was tuned to {self.name}", where="model", fix="load a reward model")
        if len(prompts) != len(answers):
            raise ConfigError(f"{len(prompts)} prompts and {len(answers)} answers", where="answers")
        check_utf8([*prompts, *answers])
        template = Template.of(self.encoder)
        rows = [
            np.concatenate([template.prompt(np.asarray(prompt, np.int32)), answer, [template.end]]).astype(np.int32)
            for prompt, answer in zip(self.encoder.encode(prompts), self.encoder.encode(answers), strict=True)
        ]
        self._check_length(max(map(len, rows), default=0))
        found: npt.NDArray[np.float32] = self.outputs(rows)[:, 0]
        return found

    def outputs(self, rows: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
        """What the head gives for these sequences of ids, float32 [rows, outputs]."""
        import numpy as np

        if not len(rows):
            return np.empty((0, self.task.dense.units), np.float32)

        def found(some: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
            return np.concatenate([self._outputs(batch)[:count] for batch, count in self._batches(some)])

        outputs: npt.NDArray[np.float32] = in_order_of_length(rows, found)
        return outputs

    def sample(self, texts: Sequence[str], *, seed: int) -> list[str]:
        """What the model can say of itself: a class for each text; a reward model says nothing."""
        if self.name != "classify":
            return []
        return [scored[0].label for scored in self.classify(texts, top_k=1, truncate=True)]

    def warm_up(self, batch_sizes: Sequence[int] = (1,), lengths: Sequence[int] | None = None) -> None:
        """Compiles these batch sizes with these lengths (all, when None) before the first request."""
        import numpy as np

        for batch_size in batch_sizes:
            for length in self.lengths() if lengths is None else lengths:
                self.outputs([np.full(length, self.frame.end_id, np.int32)] * batch_size)

    def lengths(self) -> list[int]:
        """The lengths that are compiled, in tokens."""
        return lengths_up_to(self.context, shortest=SHORTEST_READ)

    def _batches(self, rows: Sequence[npt.NDArray[np.int32]]) -> Iterator[tuple[dict[str, Any], int]]:
        import numpy as np

        size = bucket(len(rows), BATCH_SIZES)
        for start in range(0, len(rows), size):
            part = list(rows[start : start + size])
            length = bucket(max(map(len, part)), self.lengths())
            filled = part + [part[0]] * (size - len(part))
            batch = {
                "inputs": padded(filled, length, pad_id(self.setting)),
                "padding_mask": padded([np.ones_like(row) for row in filled], length, 0),
            }
            yield batch, len(part)

    def _check_length(self, tokens: int) -> None:
        if tokens > self.context:
            raise DataError(
                f"a text of {tokens} tokens, those around it included, exceeds the model's context of {self.context}",
                fix="shorten it",
            )
