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
from zoo.objectives import SOURCE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from zoo.objectives import Batch, Objective


def evaluate(
    nats: Callable[[Batch], npt.NDArray[np.float32]],
    objective: Objective,
    split: TokenSplit,
    *,
    batch_size: int,
    window: int,
    step: int,
) -> Evaluation:
    """Goes over all of a split once.

    Args:
        nats: the compiled forward pass: weight * loss of each predicted position of a batch.
        objective: says what is predicted.
        split: usually "validation".
        batch_size: windows at once.
        window: tokens of context at most.
        step: the update before which this happens.

    Raises:
        DataError: the split is empty, or too short for the objective.
    """
    import numpy as np

    if len(split) == 0 or split.bytes == 0:
        raise DataError(f'the split "{split.name}" is empty', where="tokens", fix="add records")
    validation = objective.validation(split, batch_size=batch_size, window=window)
    if validation.tokens == 0 or validation.bytes == 0:
        raise DataError(f'there is nothing to predict in the split "{split.name}"', where="tokens", fix="add records")
    names = split.sources.names if split.sources is not None and len(split.sources.names) > 1 else ()
    total, of_sources = 0.0, np.zeros(len(names))
    for batch in validation.batches:
        positions = nats({name: array for name, array in batch.items() if name != SOURCE})
        total += float(positions.sum(dtype=np.float64))
        if names and SOURCE in batch:
            of_sources += np.bincount(batch[SOURCE].ravel(), positions.ravel(), minlength=len(names))
    by_source = {
        name: float(value) / math.log(2) / size
        for name, value, size in zip(names, of_sources, validation.bytes_by_source, strict=False)
        if size
    }
    bits = total / math.log(2) / validation.bytes
    return Evaluation(step, total / validation.tokens, bits, by_source, objective.unit)
