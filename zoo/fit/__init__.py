"""Training: the loop, its plan, checkpoints, evaluation in bits per byte."""

from __future__ import annotations

from zoo.fit.callbacks import Callback, Evaluation
from zoo.fit.checkpoint import CheckpointState
from zoo.fit.duration import Duration
from zoo.fit.loop import FitResult, fit
from zoo.fit.plan import LoraPlan, TrainPlan

__all__ = ["Callback", "CheckpointState", "Duration", "Evaluation", "FitResult", "LoraPlan", "TrainPlan", "fit"]
