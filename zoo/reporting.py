"""Callbacks of a training, one concern each: MLflow's metrics, the progress bar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from registry import RunLog
from zoo.fit import Callback, Evaluation, TrainPlan
from zoo.screen import Screen


class MlflowMetrics(Callback):
    """Writes losses and evaluations by step; `RunLog` leaves out what MLflow already has."""

    def __init__(self, run: RunLog) -> None:
        self._run = run

    def on_start(self, step: int, losses: Sequence[float], evaluations: Sequence[Evaluation]) -> None:
        """Brings MLflow up to the checkpoint: a kill may have lost what was still buffered."""
        for number, loss in enumerate(losses):
            self._run.log_metrics(number, {"train_loss": loss})
        for evaluation in evaluations:
            self._run.log_metrics(evaluation.step, dict(evaluation.metrics))

    def on_step(self, step: int, loss: float, tokens_per_second: float) -> None:
        self._run.log_metrics(step, {"train_loss": loss, "tokens_per_second": tokens_per_second})

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log_metrics(step, dict(metrics))

    def on_checkpoint(self, step: int, path: Path) -> None:
        self._run.flush()

    def on_end(self, step: int) -> None:
        self._run.flush()


class TrainingProgress(Callback):
    """The bar of the training: steps, or seconds if time alone ends it, smoothed loss, tokens a second."""

    def __init__(self, screen: Screen, plan: TrainPlan) -> None:
        self._screen = screen
        self._plan = plan
        self._seconds = 0.0
        self._loss = math.nan
        self._speed = math.nan

    def on_start(self, step: int, losses: Sequence[float], evaluations: Sequence[Evaluation]) -> None:
        if step:
            self._screen.say(f"continuing at step {step:,}")
        else:
            self._screen.say("compiling the training step")

    def on_step(self, step: int, loss: float, tokens_per_second: float) -> None:
        self._loss = loss if math.isnan(self._loss) else 0.95 * self._loss + 0.05 * loss
        self._speed = tokens_per_second if math.isnan(self._speed) else 0.8 * self._speed + 0.2 * tokens_per_second
        note = f"loss {self._loss:.3f}  {self._speed:,.0f} tokens/s"
        if self._plan.steps is not None:
            self._screen.progress("train", step + 1, self._plan.steps, note)
        elif self._plan.minutes is not None:
            total = math.ceil(60 * self._plan.minutes)
            self._screen.progress(
                "train (seconds)", min(int(self._seconds), total), total, f"step {step + 1:,}  {note}"
            )

    def on_time(self, elapsed_seconds: float) -> None:
        self._seconds = elapsed_seconds

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        name = next(name for name in metrics if name.startswith("val_bits_per_"))
        unit = name.removeprefix("val_bits_per_")
        self._screen.say(f"step {step:,}: validation {metrics[name]:.4f} bits per {unit}")
