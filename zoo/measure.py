"""Bits per byte of any text under a loaded model, for comparing models on the same records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from governance.errors import DataError
from pipelines.tokens import TokenSplit
from zoo import objectives
from zoo.families.base import Family

if TYPE_CHECKING:
    from zoo.encode import EncoderModel
    from zoo.generate import TextModel
    from zoo.seq2seq import Seq2SeqModel

    AnyModel = TextModel | EncoderModel | Seq2SeqModel

_BATCH_SIZE = 8  # windows at once, at most
_BATCH_TOKENS = 8192  # at once, at most: long windows come fewer together
_CHUNK = 2_000_000  # characters that are held as ids at once


def bits_per_byte(text_model: AnyModel, family: Family, texts: Iterable[str]) -> float:
    """Goes over all tokens of these documents once, in windows of the model's context, or of the family's usual
    length for a model of its width if the context is longer.

    Memory grows neither with their number nor with the context. (A window ends where a chunk of documents does.)

    Raises:
        DataError: there is no text, or too little for the objective.
    """
    from zoo.compiled import compiled
    from zoo.fit.step import Loss

    objective = objectives.get(family.objective, text_model.encoder.lexicon)
    total = compiled(text_model.task, Loss(text_model.task, family, objective).total)
    window = min(text_model.context, family.usual_window(text_model.task.backbone.hidden_dim))
    rows = max(1, min(_BATCH_SIZE, _BATCH_TOKENS // window))
    nats, size = 0.0, 0
    for chunk in _chunks(texts):
        split = encode_split(text_model, chunk)
        validation = objective.validation(split, batch_size=rows, window=window)
        nats += sum(float(total(dict(batch))) for batch in validation.batches)
        size += validation.bytes
    if size == 0:
        raise DataError("there is no text to measure the model on", fix="give more text")
    return nats / math.log(2) / size


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += len(text)
        if characters >= _CHUNK:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def encode_split(text_model: AnyModel, texts: Sequence[str]) -> TokenSplit:
    """The documents as ids, each in its frame; held in memory."""
    import numpy as np

    ids = [text_model.frame.document(one) for one in text_model.encoder.encode(texts)]
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    flat = np.concatenate([np.asarray(one, np.int32) for one in ids]) if ids else np.empty(0, np.int32)
    size = sum(len(text.encode()) for text in texts)
    return TokenSplit("given", flat, offsets, size, text_model.frame.end_id)
