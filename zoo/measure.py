"""Bits per byte of any text under a loaded model, for comparing models on the same records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.tokens import TokenSplit
from zoo.families.base import Family
from zoo.fit import Evaluation
from zoo.fit.evaluate import evaluate

if TYPE_CHECKING:
    from zoo.generate import TextModel

_BATCH_SIZE = 8  # windows at once


def evaluate_texts(text_model: TextModel, family: Family, texts: Sequence[str]) -> Evaluation:
    """Goes over all tokens of these documents once, in windows of the model's context.

    Raises:
        DataError: there is no text.
    """
    from zoo.fit.step import Objective
    from zoo.generate import compiled

    objective = Objective(text_model.task, family)
    nats = compiled(text_model.task, objective.weighted_nats)
    split = encode_split(text_model, texts)
    window = text_model.context
    return evaluate(lambda *arrays: float(nats(*arrays)), split, batch_size=_BATCH_SIZE, window=window, step=0)


def encode_split(text_model: TextModel, texts: Sequence[str]) -> TokenSplit:
    """The documents as ids, each in its frame; held in memory."""
    import numpy as np

    encoded = text_model.encoder.encode_batch(list(texts), add_special_tokens=False)
    ids = [text_model.frame.document(one.ids) for one in encoded]
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    flat = np.concatenate([np.asarray(one, np.int32) for one in ids]) if ids else np.empty(0, np.int32)
    size = sum(len(text.encode()) for text in texts)
    return TokenSplit("given", flat, offsets, size, text_model.eos_id)
