"""The training loop.

What holds at each turn, and is tested:
- update `step` reads batch `step` of the stream, which is a function of (seed, step) alone;
- the evaluation of a step comes before its update, so that step 0 shows the untrained model;
- the weights that are kept are those of the best evaluation after the first update, of their moving averages if
  the plan has `ema`;
- a checkpoint of `step` holds all that updates from `step` on depend on. A training that is killed
  at any moment and started again has the same losses, bit for bit, as one that never was;
- a training by time goes on from the time of its checkpoint with the same batches. Its rates follow the clock, so
  its losses do not repeat.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from zoo.fit.spacing import Spacing
from zoo.fit.step import Loss, Steps, make_averages, make_optimizer, make_steps, share_of_update
from zoo.lora import Adapter
from zoo.lora import apply as apply_lora
from zoo.objectives import Batch, Objective

if TYPE_CHECKING:
    import keras

#: A training by time has about so many evaluations and checkpoints, as many as one of steps has by default.
_EVALUATIONS, _CHECKPOINTS = 10, 20


class Splits(Protocol):
    """What the loop needs of `pipelines.tokens.Tokens`."""

    @property
    def vocab_size(self) -> int: ...
    def split(self, name: str) -> TokenSplit: ...


@dataclass(frozen=True)
class FitResult:
    """A finished training; the task holds the weights of the best evaluation.

    Attributes:
        steps: updates made, over all restarts.
        best_step: updates that these weights had.
        losses: training loss of each update, in nats per token.
        evaluations: on the validation split; the first is of the untrained model.
        metrics: val_loss and val_bits_per_byte of the best evaluation (and val_bits_per_byte.<source>),
            untrained_bits_per_byte, last_bits_per_byte,
            tokens_per_second (over all restarts, without compiling and evaluating), compile_seconds (of
            this process; 0 when nothing was left to do).
        adapter: what was trained and is merged into the task, if the plan has `lora`.
    """

    steps: int
    best_step: int
    losses: tuple[float, ...]
    evaluations: tuple[Evaluation, ...]
    metrics: Mapping[str, float]
    adapter: Adapter | None = None


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
        plan: steps or minutes, sizes, rates.
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
        self.objective = objective
        self.adapter = _adapter(task, plan)
        loss = Loss(task, family, objective, self.adapter)
        self.trained = loss.trainable
        self.averages = [] if plan.ema is None else make_averages(self.trained)
        optimizer = make_optimizer(self.adapter or task, plan)
        self.steps: Steps = make_steps(
            loss, optimizer, jit=plan.jit, accumulate=plan.accumulate, averages=self.averages
        )
        everything = (*self.trained, *loss.state, *optimizer.variables, *self.averages)
        self.variables: list[tuple[str, Any]] = [(v.path, v) for v in everything]
        self.state = CheckpointState(step=0, fingerprint=fingerprint, arrays={})
        self.first_seconds: dict[tuple[Any, ...], float] = {}  # by the shapes of the batch, with the compiler's time
        self.limit_seconds = math.inf if plan.minutes is None else 60 * plan.minutes
        self.read_clock_at = time.perf_counter()
        self.evaluations = Spacing(self.limit_seconds / _EVALUATIONS, compiles=True)
        self.saves = Spacing(self.limit_seconds / _CHECKPOINTS)

    def resume(self) -> None:
        loaded = CheckpointState.load(self.checkpoints, self.state.fingerprint)
        if loaded is not None:
            restore(self.variables, loaded.arrays)
            loaded.arrays = {}
            self.state = loaded
            self.evaluations.ended, self.saves.ended = loaded.evaluated_seconds, loaded.elapsed_seconds
        for callback in self.callbacks:
            callback.on_start(self.state.step, self.state.losses, self.state.evaluations)

    def train(self) -> FitResult:
        state, plan = self.state, self.plan
        self.read_clock_at = time.perf_counter()
        batches = self.objective.stream(self.train_split, plan, state.step)
        while True:
            if self._must_evaluate():
                self._evaluate()
            if self._is_over():
                break
            if self._must_save():
                self._save()
            self._update(next(batches))
        self._evaluate()
        self._save()
        for callback in self.callbacks:
            callback.on_end(state.step)
        restore(self._named_trained(), state.best_arrays)
        if self.adapter is not None:
            self.adapter.merge()
        return self._result()

    def _elapsed(self) -> float:
        """Wall-clock seconds of the loop until now, over all restarts."""
        now = time.perf_counter()
        self.state.elapsed_seconds += now - self.read_clock_at
        self.read_clock_at = now
        return self.state.elapsed_seconds

    def _must_evaluate(self) -> bool:
        every = self.plan.evaluate_every
        return self.evaluations.is_due(self._elapsed()) if every is None else self.state.step % every == 0

    def _must_save(self) -> bool:
        every = self.plan.checkpoint_every
        return self.saves.is_due(self._elapsed()) if every is None else self.state.step % every == 0

    def _is_over(self) -> bool:
        state, plan = self.state, self.plan
        out_of_steps = plan.steps is not None and state.step >= plan.steps
        out_of_time = state.step > 0 and self._elapsed() >= self.limit_seconds  # one update at least
        return out_of_steps or out_of_time or has_stalled(state.evaluations, plan)

    def _update(self, batch: Batch) -> None:
        state, step = self.state, self.state.step
        rate = learning_rate(self.plan, step, self._elapsed() / 60)
        share = 0.0 if self.plan.ema is None else share_of_update(self.plan.ema, step + 1)
        start = time.perf_counter()
        loss = self.steps.train(batch, rate, share)
        seconds = time.perf_counter() - start
        if not math.isfinite(loss):
            raise ConfigError(
                f"the loss of step {step} is {loss}",
                where="plan.learning_rate",
                fix="use a lower learning rate",
            )
        state.step += 1
        state.losses.append(loss)
        shapes, tokens = tuple(array.shape for array in batch.values()), self.objective.tokens(batch, self.plan)
        if shapes not in self.first_seconds:
            self.first_seconds[shapes] = seconds
        else:
            state.timed_steps += 1
            state.timed_tokens += tokens
            state.timed_seconds += seconds
        elapsed = self._elapsed()
        for callback in self.callbacks:
            callback.on_time(elapsed)
            callback.on_step(step, loss, tokens / seconds)

    def _evaluate(self) -> None:
        """Evaluates the present weights, or their averages, unless a checkpoint brought the result along."""
        state, plan = self.state, self.plan
        if state.evaluations and state.evaluations[-1].step == state.step:
            return
        start = self._elapsed()
        with self._averaged():
            result = evaluate(
                self.steps.nats,
                self.objective,
                self.validation,
                batch_size=plan.batch_size,
                window=plan.window,
                step=state.step,
            )
            state.evaluations.append(result)
            if state.best is result:
                state.best_arrays = snapshot(self._named_trained())
        state.evaluated_seconds = self._elapsed()
        self.evaluations.done(start, state.evaluated_seconds)
        for callback in self.callbacks:
            callback.on_evaluate(state.step, result.metrics)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Inside, what is trained has the values of its moving averages, if there are any yet."""
        if not self.averages or self.state.step == 0:
            yield
            return
        present = snapshot(self._named_trained())
        for variable, average in zip(self.trained, self.averages, strict=True):
            variable.assign(average.value)
        try:
            yield
        finally:
            restore(self._named_trained(), present)

    def _named_trained(self) -> list[tuple[str, Any]]:
        return [(variable.path, variable) for variable in self.trained]

    def _save(self) -> None:
        start = self._elapsed()
        self.state.arrays = snapshot(self.variables)
        path = self.state.save(self.checkpoints)
        self.state.arrays = {}
        self.saves.done(start, self._elapsed())
        for callback in self.callbacks:
            callback.on_checkpoint(self.state.step, path)

    def _result(self) -> FitResult:
        state = self.state
        last, best = state.evaluations[-1], state.best
        assert best is not None
        a_step = state.timed_seconds / state.timed_steps if state.timed_steps else 0.0
        unit = self.objective.unit
        metrics = {
            **best.metrics,
            f"untrained_bits_per_{unit}": state.evaluations[0].bits_per_byte,
            f"last_bits_per_{unit}": last.bits_per_byte,
            "tokens_per_second": state.timed_tokens / state.timed_seconds if state.timed_steps else 0.0,
            "compile_seconds": sum(max(0.0, seconds - a_step) for seconds in self.first_seconds.values()),
        }
        losses, evaluations = tuple(state.losses), tuple(state.evaluations)
        return FitResult(state.step, best.step, losses, evaluations, metrics, self.adapter)


def has_stalled(evaluations: Sequence[Evaluation], plan: TrainPlan) -> bool:
    """Whether the last `patience` evaluations brought no improvement that counts.

    A function of what a checkpoint holds alone, so that a restart stops where an undisturbed run does. The
    evaluation of the untrained model sets no mark.
    """
    if plan.patience is None:
        return False
    mark, waited = math.inf, 0
    for evaluation in evaluations:
        if evaluation.step == 0:
            continue
        if evaluation.bits_per_byte < mark - plan.min_improvement:
            mark, waited = evaluation.bits_per_byte, 0
        else:
            waited += 1
    return waited >= plan.patience


def _adapter(task: keras.Model, plan: TrainPlan) -> Adapter | None:
    if plan.lora is None:
        return None
    return apply_lora(task, plan.lora.rank, plan.lora.alpha, plan.lora.targets, seed=plan.seed)


def _check(task: keras.Model, tokens: Splits, plan: TrainPlan) -> None:
    words = task.backbone.vocabulary_size
    if tokens.vocab_size > words:
        raise ConfigError(f"the tokenizer has {tokens.vocab_size} words and the model only {words}", where="model")
    table = getattr(task.backbone, "max_sequence_length", None)
    if table is not None:  # rotary positions and recurrences have no table that ends
        check_window(plan.window, table)
