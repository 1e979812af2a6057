"""Toy examples for each task, from a tokenizer that was trained on toy text."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import numpy.typing as npt

from governance.labels import Label
from pipelines.bucketed import Rows
from pipelines.examples import Examples, ExampleSplit, encode_examples
from pipelines.parts import Span, is_text, write_spans
from pipelines.tokenizers import TokenizerFiles, load_encoder, train_tokenizer
from pipelines.versions import SourceTable
from tests.pipelines.tiny import TinyVersion
from tests.zoo.toy import TOYS
from zoo import families, tasks
from zoo.families import Family, Size
from zoo.fit import FitResult, TrainPlan, fit
from zoo.tasks import Setting, Task, TaskObjective
from zoo.tasks.base import NeedsReference

Array = npt.NDArray[np.float32]

COLOURS = ["red", "green", "blue", "white"]
THINGS = ["car", "house", "tree", "form", "letter", "tax"]


def rows(count: int, first: int = 0) -> Iterator[dict[str, str]]:
    """The last word tells the class, the good answer, and the pair."""
    for number in range(first, first + count):
        thing, colour = THINGS[number * 5 % 6], COLOURS[number * 7 % 4]
        text = f"the {thing} number {number % 10} is {colour}"
        yield {
            "text": text,
            "label": colour,
            "spans": write_spans(
                [Span(4, 4 + len(thing), "THING"), Span(len(text) - len(colour), len(text), "COLOUR")]
            ),
            "similar": f"{colour} {thing}",
            "prompt": text,
            "answer": f"it is {colour}",
            "chosen": f"it is {colour}",
            "rejected": f"it is no {colour}",
        }


@dataclass
class ToyVersion:
    """Quacks like a dataset version of parts."""

    train: int = 120
    without: str = ""
    digest: str = "e" * 64
    label: Label = Label.of("tax")
    sources: SourceTable = SourceTable(("a", "b"), "0" * 64)

    def source_numbers(self, split: str) -> np.ndarray:
        """Examples are of both in turn."""
        return (np.arange(len(list(self.parts(split)))) % 2).astype(np.uint16)

    def parts(self, split: str) -> Iterator[tuple[str, dict[str, str]]]:
        first, count = {"train": (0, self.train), "validation": (1000, 24), "test": (2000, 4)}[split]
        for number, one in enumerate(rows(count, first)):
            yield str(number), {name: content for name, content in one.items() if name != self.without}


@functools.cache
def tokenizer(kind: str) -> TokenizerFiles:
    texts = [" ".join(content for name, content in one.items() if is_text(name)) for one in rows(60)]
    version = TinyVersion({"train": texts})
    words = 400 if kind == "t5" else 330  # sentinels take a hundred
    return train_tokenizer(version, kind=kind, vocab_size=words, storage=Path(mkdtemp(prefix="zoo-toy-")))


@functools.cache
def examples(kind: str, names: tuple[Any, ...]) -> Examples:
    return encode_examples(ToyVersion(), tokenizer(kind), names, storage=Path(mkdtemp(prefix="zoo-toy-")))


@dataclass(frozen=True)
class ToyTraining:
    """A task on a toy model of a family."""

    task: Task
    family: Family
    size: Size
    setting: Setting
    objective: TaskObjective
    data: Examples

    @classmethod
    def of(cls, name: str, family_name: str, *, context: int = 48) -> ToyTraining:
        family = families.get(family_name)
        size = replace(TOYS[family_name], context=context, dropout=0.0, width=32)
        task = tasks.get(name, family)
        data = examples(family.tokenizer, task.parts)
        setting = Setting(family, load_encoder(data.tokenizer.folder), data.classes or data.types, context, seed=5)
        return cls(task, family, size, setting, task.objective(setting), data)

    def model(self) -> Any:
        language_model = self.family.build(self.size, self.data.tokenizer.vocab_size, seed=5)
        return self.task.model(language_model, self.setting)

    def split(self, name: str = "train") -> ExampleSplit:
        return self.data.split(name)

    @property
    def splits(self) -> Any:
        @dataclass
        class Splits:
            vocab_size: int
            split: Any

        return Splits(self.data.tokenizer.vocab_size, self.data.split)

    def fit(self, model: Any, folder: Path, **changes: Any) -> FitResult:
        fields = {"steps": 60, "batch_size": 8, "window": self.setting.context, "learning_rate": 5e-3, "warmup": 3}
        fields |= {"evaluate_every": 1000, "checkpoint_every": 1000, "jit": False, **changes}
        if isinstance(self.objective, NeedsReference):
            self.objective.start(model, self.family, [self.split("train"), self.split("validation")])
        plan = TrainPlan.model_validate(fields)
        return fit(
            model,
            self.splits,
            plan,
            family=self.family,
            objective=self.objective,
            fingerprint="f",
            checkpoints=folder,
        )


def some_rows(training: ToyTraining, count: int = 6) -> Rows:
    lengths = training.objective.lengths(training.split())
    weights = np.ones(count, np.float32)
    weights[-1] = 0
    return Rows(np.arange(count), weights, int(lengths.max()), epoch=0, seed=0)


def log_softmax(logits: Any) -> Array:
    x = np.asarray(logits, np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    found: Array = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return found
