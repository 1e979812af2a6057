"""Causal language modelling: each token from those before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.objectives.base import SOURCE, Batch, Validation, WindowObjective

if TYPE_CHECKING:
    from pipelines.stream import Signature, Windows
    from pipelines.tokens import TokenSplit
    from zoo.families.base import Family


@dataclass(frozen=True)
class CausalLM(WindowObjective):
    """Cross-entropy of each next token. Documents are packed one after the other; attention sees over
    their borders, as in GPT-2 (Llama 3 masks that), and the token at a border says that what follows is new."""

    name: ClassVar[str] = "causal_lm"
    overlap: ClassVar[int] = 1  # the last token of a window is only a target

    def span(self, window: int) -> int:
        return window

    def signature(self, rows: int, window: int) -> Signature:
        return {"inputs": ("int32", (rows, window)), "targets": ("int32", (rows, window))}

    def examples(self, windows: Windows) -> Batch:
        return {"inputs": windows.ids[:, :-1], "targets": windows.ids[:, 1:]}

    def validation(self, split: TokenSplit, *, batch_size: int, window: int) -> Validation:
        by_source = () if split.sources is None else split.sources.bytes
        return Validation(_in_order(split, batch_size, window), len(split), split.bytes, by_source)

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        logits = ops.cast(family.logits(task, batch, training), "float32")
        return ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)


def _in_order(split: TokenSplit, batch_size: int, window: int) -> Iterator[Batch]:
    """Windows that do not overlap, each token once as a target; the first input is the end of a text."""
    import numpy as np

    per_batch = batch_size * window
    previous = split.eos_id
    for start in range(0, len(split), per_batch):
        chunk = np.asarray(split.ids[start : start + per_batch], np.int32)
        inputs, targets = np.zeros((2, per_batch), np.int32)
        weights = np.zeros(per_batch, np.float32)
        inputs[0], inputs[1 : len(chunk)] = previous, chunk[:-1]
        targets[: len(chunk)] = chunk
        weights[: len(chunk)] = 1
        previous = int(chunk[-1])
        batch = {"inputs": inputs, "targets": targets, "weights": weights}
        if split.sources is not None:
            batch[SOURCE] = split.source_of(np.minimum(start + np.arange(per_batch), len(split) - 1))
        yield {name: array.reshape(batch_size, window) for name, array in batch.items()}
