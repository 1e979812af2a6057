"""Validation: nats per token and bits per UTF-8 byte over what an objective predicts of a split.

Bits per byte do not depend on the tokenizer: all nats, those for ends of documents included,
divided by ln 2 and by the bytes of the text, so that a model can be compared with a compressor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from governance.errors import DataError
from pipelines.tokens import TokenSplit
from zoo.fit.callbacks import Evaluation

if TYPE_CHECKING:
    from zoo.objectives import Batch, Objective


def evaluate(
    total_nats: Callable[[Batch], float],
    objective: Objective,
    split: TokenSplit,
    *,
    batch_size: int,
    window: int,
    step: int,
) -> Evaluation:
    """Goes over all of a split once.

    Args:
        total_nats: the compiled forward pass: sum of weight * loss over a batch.
        objective: says what is predicted.
        split: usually "validation".
        batch_size: windows at once.
        window: tokens of context at most.
        step: the update before which this happens.

    Raises:
        DataError: the split is empty, or too short for the objective.
    """
    if len(split) == 0 or split.bytes == 0:
        raise DataError(f'the split "{split.name}" is empty', where="tokens", fix="add records")
    validation = objective.validation(split, batch_size=batch_size, window=window)
    if validation.tokens == 0 or validation.bytes == 0:
        raise DataError(f'there is nothing to predict in the split "{split.name}"', where="tokens", fix="add records")
    total = sum(map(total_nats, validation.batches))
    return Evaluation(step, total / validation.tokens, total / math.log(2) / validation.bytes)
