"""A toy model and toy tokens: a training of seconds. Run as a script it is the process that gets killed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.tokenizers import WordTable
from pipelines.tokens import TokenSplit
from zoo import families
from zoo.cli.settings import parse_settings
from zoo.families import Size
from zoo.fit import Callback, FitResult, TrainPlan, fit
from zoo.objectives import (
    CausalLM,
    ControlledLM,
    Denoising,
    DistilledLM,
    EntityMaskedLM,
    MaskedLM,
    Objective,
    SpanCorruption,
)
from zoo.objectives.seq2seq import PairFrame

VOCABULARY = 37
TOY = Size("toy", layers=1, width=16, heads=2, context=8, learning_rate=1e-2, batch_size=4, dropout=0.2)

#: The toy of each family; heads have to suit it.
ENCODER = replace(TOY, context=32, dropout=0.0)
TOYS = {
    "bert": replace(ENCODER, layers=2),
    "ctrl": TOY,
    "distilbert": ENCODER,
    "ernie": ENCODER,
    "gpt": TOY,
    "llama": replace(TOY, heads=4),
    "lstm": replace(TOY, heads=0, layers=2),
    "roberta": ENCODER,
    "t5": ENCODER,
    "bart": ENCODER,
}

#: Special tokens come after the toy's own ids, each of which is a word of three bytes.
SPECIAL = 8
_WORDS = WordTable(
    np.array([3] * VOCABULARY + [0] * SPECIAL, np.int32),
    np.array([1] * VOCABULARY + [5] * SPECIAL, np.int8),
    np.ones(VOCABULARY + SPECIAL, bool),
)
_START, _MASK, _PAD, _END, *_SENTINELS = range(VOCABULARY, VOCABULARY + SPECIAL)
_STOPS = np.arange(VOCABULARY + SPECIAL) % 10 == 9  # every tenth id ends a sentence
_HIDES = (_START, _MASK, _PAD)
OBJECTIVES: dict[str, Objective] = {
    "bart": Denoising(_WORDS, PairFrame(_PAD, _END, _START, _END), _MASK, _STOPS),
    "bert": MaskedLM(_WORDS, *_HIDES),
    "ctrl": ControlledLM(0, (_START, _MASK)),
    "distilbert": DistilledLM(_WORDS, *_HIDES),
    "ernie": EntityMaskedLM(_WORDS, *_HIDES, opens=3, joins=4, closes=5, star=6),
    "roberta": MaskedLM(_WORDS, *_HIDES),
    "t5": SpanCorruption(_WORDS, PairFrame(_PAD, _PAD, None, _END), tuple(_SENTINELS)),
}

#: Plan of a training that takes some seconds, as the script makes it.
LONG = {"steps": 60, "evaluate_every": 20, "checkpoint_every": 7}


class ToyTokens:
    """Ids with a pattern that can be learned."""

    vocab_size = VOCABULARY

    def __init__(self, train: int = 900, validation: int = 101) -> None:
        self.sizes = {"train": train, "validation": validation}

    def split(self, name: str) -> TokenSplit:
        size = self.sizes[name]
        noise = np.random.default_rng(len(name)).integers(0, 3, size)
        ids = (np.arange(size) * 5 + noise) % VOCABULARY
        return TokenSplit(name, ids.astype(np.uint16), np.array([0, size]), 3 * size, 0)


class RunTokens(ToyTokens):
    """Forty times the same id, then the next one: a hidden token follows from those around it."""

    def split(self, name: str) -> TokenSplit:
        size = self.sizes[name]
        ids = np.arange(size) // 40 * 7 % VOCABULARY
        return TokenSplit(name, ids.astype(np.uint16), np.array([0, size]), 3 * size, 0)


def toy_plan(**changes: Any) -> TrainPlan:
    fields: dict[str, Any] = {
        "steps": 12,
        "batch_size": TOY.batch_size,
        "window": TOY.context,
        "learning_rate": TOY.learning_rate,
        "warmup": 3,
        "dropout": TOY.dropout,
        "seed": 7,
        "evaluate_every": 5,
        "checkpoint_every": 4,
    }
    return TrainPlan.model_validate(fields | changes)


def toy_task(plan: TrainPlan, family: str = "gpt") -> Any:
    words = VOCABULARY + SPECIAL if family in OBJECTIVES else VOCABULARY
    return families.get(family).build(TOYS[family], words, seed=plan.seed, dropout=plan.dropout)


def toy_fit(
    checkpoints: Path,
    *callbacks: Callback,
    family: str = "gpt",
    fingerprint: str = "f",
    tokens: ToyTokens | None = None,
    teacher: Any = None,
    **changes: Any,
) -> FitResult:
    """A `distilbert` learns from `teacher`, a task of the family bert; without one from an untrained one."""
    plan = toy_plan(**changes)
    task = toy_task(plan, family)
    objective = OBJECTIVES.get(family, CausalLM())
    if isinstance(objective, DistilledLM):
        teacher = teacher or toy_task(toy_plan(seed=1), "bert")
        objective = replace(objective, teacher=(teacher, families.get("bert")))
        families.get(family).start_from(task, teacher)  # type: ignore[misc]
    return fit(
        task,
        tokens or ToyTokens(),
        plan,
        family=families.get(family),
        objective=objective,
        fingerprint=fingerprint,
        checkpoints=checkpoints,
        callbacks=callbacks,
    )


class _Lines(Callback):
    """One JSON line for each thing that happens, so that the parent knows when to kill."""

    def on_step(self, step: int, loss: float, tokens_per_second: float) -> None:
        print(json.dumps({"step": step, "loss": loss.hex()}), flush=True)

    def on_checkpoint(self, step: int, path: Path) -> None:
        print(json.dumps({"checkpoint": step}), flush=True)


if __name__ == "__main__":
    result = toy_fit(Path(sys.argv[1]), _Lines(), **LONG | parse_settings(sys.argv[2:]))
    print(json.dumps({"losses": [loss.hex() for loss in result.losses], "metrics": dict(result.metrics)}))
