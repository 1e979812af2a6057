"""Micro-batches, moving averages, early stopping and what is kept, each against an independent computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.stream import Windows
from pipelines.tokens import Sources, TokenSplit
from tests.zoo.toy import OBJECTIVES, ToyTokens, toy_plan, toy_task
from zoo import families
from zoo.fit import Callback, Evaluation, FitResult, fit
from zoo.fit.evaluate import evaluate
from zoo.fit.loop import has_stalled
from zoo.fit.step import Loss, make_optimizer, make_steps, share_of_update
from zoo.objectives import SOURCE, Batch, CausalLM, Objective
from zoo.objectives.seq2seq import Corruption


@dataclass(frozen=True)
class UnevenLM(CausalLM):
    """Of the first half of a batch's windows all tokens count, of the second half the first token alone."""

    def signature(self, rows: int, window: int) -> Any:
        return {**super().signature(rows, window), "weights": ("float32", (rows, window))}

    def examples(self, windows: Windows) -> Batch:
        batch = super().examples(windows)
        weights = np.zeros(batch["targets"].shape, np.float32)
        weights[: len(weights) // 2] = 1
        weights[:, 0] = 1
        return {**batch, "weights": weights}


def trained(
    folder: Path, *callbacks: Callback, objective: Objective | None = None, **changes: Any
) -> tuple[FitResult, Any]:
    """A toy gpt after a training without dropout, and its result."""
    plan = toy_plan(**{"jit": False, "dropout": 0.0} | changes)
    task = toy_task(plan)
    for callback in callbacks:
        if isinstance(callback, Weights):
            callback.task = task
    result = fit(
        task,
        ToyTokens(),
        plan,
        family=families.get("gpt"),
        objective=objective or CausalLM(),
        fingerprint="f",
        checkpoints=folder,
        callbacks=callbacks,
    )
    return result, task


class Weights(Callback):
    """The weights after each update."""

    def __init__(self) -> None:
        self.task: Any = None
        self.after: list[list[np.ndarray]] = []

    def on_step(self, step: int, loss: float, tokens_per_second: float) -> None:
        self.after.append(values(self.task))


def values(task: Any) -> list[np.ndarray]:
    return [np.array(variable.value) for variable in task.trainable_variables]


@pytest.mark.parametrize("objective", [CausalLM(), UnevenLM()], ids=["all tokens", "unequal numbers"])
def test_micro_batches_make_the_update_of_the_large_batch(tmp_path: Path, objective: Objective) -> None:
    whole, task = trained(tmp_path / "whole", objective=objective, batch_size=4)
    parts, other = trained(tmp_path / "parts", objective=objective, batch_size=2, accumulate=2)
    np.testing.assert_allclose(parts.losses, whole.losses, rtol=1e-5)
    for name, left, right in zip(task.trainable_variables, values(task), values(other), strict=True):
        np.testing.assert_allclose(right, left, rtol=1e-3, atol=2e-4, err_msg=name.path)


def test_gradients_are_a_mean_over_all_tokens_of_an_update() -> None:
    """One plain step of gradient descent, so that the weights show the gradient itself."""
    import keras

    rng = np.random.default_rng(0)
    ids = rng.integers(0, 37, (4, 9)).astype(np.int32)
    batch = UnevenLM().examples(Windows(ids, np.zeros(4, np.int64), np.arange(4), seed=0))
    assert batch["weights"].sum(axis=1).tolist() == [8, 8, 1, 1]
    plan = toy_plan(dropout=0.0)
    after = []
    for accumulate in (1, 2, 4):
        task = toy_task(plan)
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build(task.trainable_variables)
        steps = make_steps(
            Loss(task, families.get("gpt"), UnevenLM()), optimizer, jit=accumulate == 4, accumulate=accumulate
        )
        after.append((steps.train(batch, 1.0), values(task)))
    for loss, weights in after[1:]:
        assert loss == pytest.approx(after[0][0], rel=1e-5)
        for left, right in zip(after[0][1], weights, strict=True):
            np.testing.assert_allclose(right, left, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_moving_average_has_no_bias(tmp_path: Path, accumulate: int) -> None:
    """Against the sum that defines it: (1 - d) * sum d^(n-k) w_k / (1 - d^n)."""
    decay, weights = 0.8, Weights()
    result, task = trained(
        tmp_path, weights, ema=decay, evaluate_every=100, batch_size=4 // accumulate, accumulate=accumulate
    )
    count = len(weights.after)
    assert count == result.best_step == 12
    powers = decay ** np.arange(count - 1, -1, -1.0)
    for position, averaged in enumerate(values(task)):
        series = np.stack([after[position] for after in weights.after]).astype(np.float64)
        expected = (1 - decay) * np.tensordot(powers, series, axes=1) / (1 - decay**count)
        np.testing.assert_allclose(averaged, expected, rtol=1e-4, atol=1e-6)
    assert share_of_update(decay, 1) == 1


def test_an_average_changes_no_update(tmp_path: Path) -> None:
    plain, task = trained(tmp_path / "plain")
    averaged, other = trained(tmp_path / "averaged", ema=0.8)
    assert averaged.losses == plain.losses
    assert averaged.evaluations[0] == plain.evaluations[0]
    assert averaged.evaluations[1:] != plain.evaluations[1:]
    assert any((left != right).any() for left, right in zip(values(task), values(other), strict=True))


def evaluation_of(task: Any, step: int = 0) -> Evaluation:
    loss = Loss(task, families.get("gpt"), CausalLM())
    steps = make_steps(loss, make_optimizer(task, toy_plan()), jit=False)
    return evaluate(steps.nats, CausalLM(), ToyTokens().split("validation"), batch_size=4, window=8, step=step)


@pytest.mark.parametrize("changes", [{}, {"ema": 0.5}])
def test_the_best_weights_are_kept_not_the_last(tmp_path: Path, changes: dict[str, float]) -> None:
    """A rate that is far too high: the losses jump about."""
    wild = {"learning_rate": 1.0, "schedule": "constant", "steps": 24, "evaluate_every": 3, **changes}
    result, task = trained(tmp_path, **wild)
    best = min(result.evaluations[1:], key=lambda evaluation: evaluation.bits_per_byte)
    assert best.step == result.best_step < result.steps
    assert result.metrics["val_bits_per_byte"] == best.bits_per_byte < result.metrics["last_bits_per_byte"]
    assert evaluation_of(task, best.step).loss == pytest.approx(best.loss, rel=1e-5)
    again, other = trained(tmp_path, **wild)  # a finished training, from its checkpoint
    assert (again.best_step, again.metrics["val_loss"]) == (best.step, best.loss)
    for left, right in zip(values(task), values(other), strict=True):
        np.testing.assert_array_equal(left, right)


def test_patience_ends_a_training(tmp_path: Path) -> None:
    result, _ = trained(tmp_path, steps=1000, evaluate_every=2, patience=2, min_improvement=9.0)
    assert [evaluation.step for evaluation in result.evaluations] == [0, 2, 4, 6]
    assert result.steps == 6


@pytest.mark.parametrize(
    ("bits", "patience", "minimum", "stalled"),
    [
        ([9, 5], 1, 0, False),
        ([1, 5], 1, 0, False),  # the untrained model sets no mark
        ([9, 5, 5], 1, 0, True),
        ([9, 5, 6, 4], 1, 0, False),
        ([9, 5, 6, 7], 2, 0, True),
        ([9, 5, 4.9, 4.8], 2, 0.5, True),
        ([9, 5, 4.9, 4.4], 2, 0.5, False),
        ([9, 5, 6, 4, 5], 2, 0, False),
        ([9, 5, 6, 7], None, 0, False),
    ],
)
def test_when_patience_is_over(bits: Sequence[float], patience: int | None, minimum: float, stalled: bool) -> None:
    evaluations = [Evaluation(step, 1.0, value) for step, value in enumerate(bits)]
    plan = toy_plan(patience=patience, **({"min_improvement": minimum} if minimum else {}))
    assert has_stalled(evaluations, plan) is stalled


def with_sources(split: TokenSplit) -> TokenSplit:
    """Documents of three sources, of which the last one has none; most are of one token, so that a position that is
    off by one is of another source."""
    offsets = np.array([0, 3, *range(4, len(split) + 1)])
    numbers = (np.arange(1, len(offsets)) % 2).astype(np.uint16)
    lengths = np.diff(offsets)
    sizes = tuple(int(3 * lengths[numbers == number].sum()) for number in range(3))
    return TokenSplit(split.name, split.ids, offsets, split.bytes, 0, Sources(("a", "b", "c"), numbers, sizes))


def predicted_tokens(objective: Objective, split: TokenSplit, batch_size: int) -> tuple[Any, Any]:
    """Which token of a split each prediction belongs to, in order, and what is predicted."""
    if isinstance(objective, CausalLM):
        return np.arange(len(split)), np.asarray(split.ids)
    where, what, row = [], [], 0
    for batch in objective.validation(split, batch_size=batch_size, window=16).batches:
        for weights, targets, *positions in zip(
            batch["weights"], batch["targets"], *([batch["positions"]] if "positions" in batch else []), strict=True
        ):
            real = weights > 0
            what.append(targets[real])
            if isinstance(objective, Corruption):
                first = row * objective.span(16)
                ids = np.asarray(split.ids[first : first + objective.span(16)])
                if len(ids):  # drawn again, as its own module says that windows are
                    draw = np.random.Generator(np.random.Philox(key=[0, row], counter=[0, 0, 0, 0]))
                    where.append(first + objective.corrupt(ids, draw).origins)
            else:
                where.append(15 * row + positions[0][real] - 1)
            row += 1
    return np.concatenate(where), np.concatenate(what)


@pytest.mark.parametrize(
    "objective",
    [CausalLM(), OBJECTIVES["roberta"], OBJECTIVES["t5"], OBJECTIVES["bart"]],
    ids=lambda objective: objective.name,
)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_bits_by_source_are_those_of_its_tokens(objective: Objective, batch_size: int) -> None:
    """Each position costs what its target's number says, so that the sums can be made by hand."""
    split = with_sources(ToyTokens(validation=101).split("validation"))

    def nats(batch: Mapping[str, Any]) -> Any:
        assert SOURCE not in batch
        return batch["weights"] * batch["targets"].astype(np.float32)

    result = evaluate(nats, objective, split, batch_size=batch_size, window=16, step=3)
    source = np.repeat(split.sources.numbers, np.diff(split.offsets))  # type: ignore[union-attr]
    tokens, targets = predicted_tokens(objective, split, batch_size)
    sizes = np.full(len(targets), 3) if isinstance(objective, CausalLM) else objective.words.bytes[targets]
    for number, name in enumerate("ab"):
        own = source[tokens] == number
        assert result.by_source[name] == pytest.approx(targets[own].sum() / np.log(2) / sizes[own].sum())
    assert set(result.by_source) == {"a", "b"}, "of a source without a record nothing can be said"
    assert result.metrics["val_bits_per_byte.a"] == result.by_source["a"]


def test_one_source_needs_no_figure_of_its_own() -> None:
    split = ToyTokens(validation=101).split("validation")
    alone = TokenSplit(
        "validation", split.ids, split.offsets, split.bytes, 0, Sources(("a",), np.zeros(1, "u2"), (303,))
    )
    result = evaluate(lambda batch: batch["weights"], CausalLM(), alone, batch_size=2, window=8, step=0)
    assert result.by_source == {}
