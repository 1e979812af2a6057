"""Validation: nats per token and bits per UTF-8 byte over every token of a split.

Bits per byte do not depend on the tokenizer: all nats, those for ends of documents included,
divided by ln 2 and by the bytes of the text, so that a model can be compared with a compressor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from governance.errors import DataError
from pipelines.tokens import TokenSplit
from zoo.fit.callbacks import Evaluation

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Summed(Protocol):
    def __call__(self, inputs: Any, targets: Any, weights: Any) -> float:
        """Sum over positions of weight * cross-entropy, in nats."""
        ...


def evaluate(nats: Summed, split: TokenSplit, *, batch_size: int, window: int, step: int) -> Evaluation:
    """Goes over all tokens of a split once, in windows that do not overlap.

    Args:
        nats: the compiled forward pass.
        split: usually "validation".
        batch_size: windows at once.
        window: tokens of context at most.
        step: the update before which this happens.

    Raises:
        DataError: the split is empty.
    """
    if len(split) == 0 or split.bytes == 0:
        raise DataError(f'the split "{split.name}" is empty', where="tokens", fix="add records")
    total = sum(nats(*batch) for batch in batches(split, batch_size, window))
    return Evaluation(step, total / len(split), total / math.log(2) / split.bytes)


def batches(
    split: TokenSplit, batch_size: int, window: int
) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]]:
    """Batches of one static shape that hold each token once as a target.

    Yields:
        inputs, targets: int32 [batch_size, window]; the first input is the end of a text.
        weights: float32 [batch_size, window], 0 where the last batch is filled up.
    """
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
        shape = (batch_size, window)
        yield inputs.reshape(shape), targets.reshape(shape), weights.reshape(shape)
