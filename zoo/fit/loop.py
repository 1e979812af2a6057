"""The training loop.

What holds at each turn, and is tested:
- update `step` reads batch `step` of the stream, which is a function of (seed, step) alone;
- the evaluation of a step comes before its update, so that step 0 shows the untrained model;
- a checkpoint of `step` holds all that updates from `step` on depend on. A training that is killed
  at any moment and started again has the same losses, bit for bit, as one that never was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from governance.errors import ConfigError
from pipelines.tokens import TokenSplit
from zoo.families.base import Family
from zoo.fit.callbacks import Callback, Evaluation
from zoo.fit.checkpoint import CheckpointState, restore, snapshot
from zoo.fit.evaluate import evaluate
from zoo.fit.plan import TrainPlan, check_window
from zoo.fit.schedule import learning_rate
from zoo.fit.step import Loss, Steps, make_optimizer, make_steps
from zoo.objectives import Batch, Objective

if TYPE_CHECKING:
    import keras


class Splits(Protocol):
    """What the loop needs of `pipelines.tokens.Tokens`."""

    @property
    def vocab_size(self) -> int: ...
    def split(self, name: str) -> TokenSplit: ...


@dataclass(frozen=True)
class FitResult:
    """A finished training; the task holds the weights after the last update.

    Attributes:
        steps: updates made, over all restarts.
        losses: training loss of each update, in nats per token.
        evaluations: on the validation split; the first is of the untrained model.
        metrics: val_loss, val_bits_per_byte, untrained_bits_per_byte, best_bits_per_byte,
            tokens_per_second (over all restarts, without compiling and evaluating), compile_seconds (of
            this process; 0 when nothing was left to do).
    """

    steps: int
    losses: tuple[float, ...]
    evaluations: tuple[Evaluation, ...]
    metrics: Mapping[str, float]


def fit(
    task: keras.Model,
    tokens: Splits,
    plan: TrainPlan,
    *,
    family: Family,
    objective: Objective,
    fingerprint: str,
    checkpoints: Path,
    callbacks: Sequence[Callback] = (),
) -> FitResult:
    """Trains a task, from the last checkpoint in `checkpoints` if there is one.

    Args:
        task: built by `family.build`; trained in place.
        tokens: its splits "train" and "validation" are read.
        plan: steps, sizes, rates.
        family: of the task.
        objective: what is learned from the tokens.
        fingerprint: of everything the run stems from; a checkpoint with another one is refused.
        checkpoints: folder of this run's checkpoints.
        callbacks: told of each step, evaluation and checkpoint.

    Raises:
        ConfigError: task, tokens and plan do not fit together, or the loss is not finite.
        FingerprintMismatch: the checkpoint belongs to another run.
        DataError: empty splits, damaged checkpoints, a full disk.
    """
    _check(task, tokens, plan)
    run = _Run(task, tokens, plan, family, objective, fingerprint, checkpoints, callbacks)
    run.resume()
    return run.train()


class _Run:
    """The state of one call of `fit`; everything that lasts is in `self.state`."""

    def __init__(
        self,
        task: keras.Model,
        tokens: Splits,
        plan: TrainPlan,
        family: Family,
        objective: Objective,
        fingerprint: str,
        checkpoints: Path,
        callbacks: Sequence[Callback],
    ) -> None:
        self.plan = plan
        self.train_split = tokens.split("train")
        self.validation = tokens.split("validation")
        self.checkpoints = checkpoints
        self.callbacks = callbacks
        optimizer = make_optimizer(task, plan)
        self.objective = objective
        self.steps: Steps = make_steps(Loss(task, family, self.objective), optimizer, jit=plan.jit)
        self.variables: list[tuple[str, Any]] = [(v.path, v) for v in (*task.variables, *optimizer.variables)]
        self.state = CheckpointState(step=0, fingerprint=fingerprint, arrays={})
        self.first_seconds: float | None = None

    def resume(self) -> None:
        loaded = CheckpointState.load(self.checkpoints, self.state.fingerprint)
        if loaded is not None:
            restore(self.variables, loaded.arrays)
            loaded.arrays = {}
            self.state = loaded
        for callback in self.callbacks:
            callback.on_start(self.state.step, self.state.losses, self.state.evaluations)

    def train(self) -> FitResult:
        state, plan = self.state, self.plan
        batches = self.objective.stream(self.train_split, plan, state.step)
        while not self._is_over():
            if state.step % plan.evaluate_every == 0:
                self._evaluate()
            if state.step % plan.checkpoint_every == 0:
                self._save()
            self._update(next(batches))
        self._evaluate()
        self._save()
        for callback in self.callbacks:
            callback.on_end(state.step)
        return self._result()

    def _is_over(self) -> bool:
        minutes = self.plan.minutes
        out_of_time = minutes is not None and self.state.elapsed_seconds >= 60 * minutes
        return self.state.step >= self.plan.steps or out_of_time

    def _update(self, batch: Batch) -> None:
        state, step = self.state, self.state.step
        rate = learning_rate(self.plan, step, state.elapsed_seconds / 60)
        start = time.perf_counter()
        loss = self.steps.train(batch, rate)
        seconds = time.perf_counter() - start
        if not math.isfinite(loss):
            raise ConfigError(
                f"the loss of step {step} is {loss}",
                where="plan.learning_rate",
                fix="use a lower learning rate",
            )
        state.step += 1
        state.losses.append(loss)
        state.elapsed_seconds += seconds
        if self.first_seconds is None:
            self.first_seconds = seconds  # with the compiler's time
        else:
            state.timed_steps += 1
            state.timed_seconds += seconds
        for callback in self.callbacks:
            callback.on_step(step, loss, self.plan.tokens_per_step / seconds)

    def _evaluate(self) -> None:
        """Evaluates the present weights, unless a checkpoint brought the result along."""
        state, plan = self.state, self.plan
        if state.evaluations and state.evaluations[-1].step == state.step:
            return
        start = time.perf_counter()
        result = evaluate(
            self.steps.nats,
            self.objective,
            self.validation,
            batch_size=plan.batch_size,
            window=plan.window,
            step=state.step,
        )
        state.elapsed_seconds += time.perf_counter() - start
        state.evaluations.append(result)
        for callback in self.callbacks:
            callback.on_evaluate(state.step, result.metrics)

    def _save(self) -> None:
        self.state.arrays = snapshot(self.variables)
        path = self.state.save(self.checkpoints)
        self.state.arrays = {}
        for callback in self.callbacks:
            callback.on_checkpoint(self.state.step, path)

    def _result(self) -> FitResult:
        state = self.state
        last, best = state.evaluations[-1], state.best
        assert best is not None
        a_step = state.timed_seconds / state.timed_steps if state.timed_steps else 0.0
        metrics = {
            "val_loss": last.loss,
            "val_bits_per_byte": last.bits_per_byte,
            "untrained_bits_per_byte": state.evaluations[0].bits_per_byte,
            "best_bits_per_byte": best.bits_per_byte,
            "tokens_per_second": self.plan.tokens_per_step / a_step if a_step else 0.0,
            "compile_seconds": max(0.0, (self.first_seconds or 0.0) - a_step),
        }
        return FitResult(state.step, tuple(state.losses), tuple(state.evaluations), metrics)


def _check(task: keras.Model, tokens: Splits, plan: TrainPlan) -> None:
    words = task.backbone.vocabulary_size
    if tokens.vocab_size > words:
        raise ConfigError(f"the tokenizer has {tokens.vocab_size} words and the model only {words}", where="model")
    table = getattr(task.backbone, "max_sequence_length", None)
    if table is not None:  # rotary positions and recurrences have no table that ends
        check_window(plan.window, table)
