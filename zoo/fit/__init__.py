"""Training: the loop, its plan, checkpoints, evaluation in bits per byte."""

from __future__ import annotations

from zoo.fit.callbacks import Callback, Evaluation
from zoo.fit.checkpoint import CheckpointState
from zoo.fit.loop import FitResult, fit
from zoo.fit.plan import TrainPlan

__all__ = ["Callback", "CheckpointState", "Evaluation", "FitResult", "TrainPlan", "fit"]
