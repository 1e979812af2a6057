"""Bits that a loaded model needs for the examples of a task, for comparing models on the same records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from pipelines.examples import ExampleSplit, examples_in_memory
from zoo.tasks.base import NeedsReference, Setting, Task

if TYPE_CHECKING:
    from zoo.load import LoadedModel

_BATCH_SIZE = 8
_CHUNK = 2_000  # examples that are held as ids at once


def bits_per_unit(model: LoadedModel, task: Task, records: Iterable[Mapping[str, str]]) -> float:
    """Goes over all examples once; a class or type that the model does not know costs what a guess among all that
    it can say does.

    A model that was tuned on preferences is measured without its reference, which another one does not share.

    Raises:
        DataError: there are no examples.
    """
    from zoo.compiled import compiled
    from zoo.fit.step import Loss
    from zoo.tasks.heads import Pooled
    from zoo.tasks.model import HeadModel

    text_model: Any = model.text_model
    classes = text_model.classes if isinstance(text_model, HeadModel) else ()
    setting = Setting(model.family, text_model.encoder, classes, text_model.context)
    objective = task.objective(setting)
    if isinstance(objective, NeedsReference):
        objective.leave_out()
    network = Pooled(text_model.task.backbone, family=model.family) if task.name == "embed" else text_model.task
    total = compiled(network, Loss(network, model.family, objective).total)
    nats, units = 0.0, 0
    for chunk in _chunks(records):
        split: ExampleSplit = examples_in_memory(chunk, text_model.encoder, task.parts, classes)
        validation = objective.validation(split, batch_size=_BATCH_SIZE, window=text_model.context)
        nats += sum(float(total(dict(batch))) for batch in validation.batches)
        missed = _unknown(split)
        nats += missed * math.log(max(2, _choices(text_model)))
        units += validation.bytes + missed
    if units == 0:
        raise DataError("there are no examples to measure the model on", fix="give more records")
    return nats / math.log(2) / units


def _unknown(split: ExampleSplit) -> int:
    """Decisions of a kind that the model does not know."""
    return sum(int((marks < 0).sum()) for marks in (split.labels, split.tags) if marks is not None)


def _choices(text_model: Any) -> int:
    """What a head chooses among in each decision."""
    return int(text_model.task.dense.units) if hasattr(text_model.task, "dense") else 0


def _chunks(records: Iterable[Mapping[str, str]]) -> Iterator[list[Mapping[str, str]]]:
    iterator = iter(records)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk
