"""Learning rate: linear warm-up, then half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

from __future__ import annotations

import math

from zoo.fit.plan import TrainPlan


def learning_rate(plan: TrainPlan, step: int, elapsed_minutes: float = 0.0) -> float:
    """The rate of update `step` (from 0).

    Computed on the host and handed to the compiled step as a number, so that a training by time
    needs no second schedule. Without `plan.minutes` the time has no influence.
    """
    if step < plan.warmup:
        return plan.learning_rate * (step + 1) / plan.warmup
    progress = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    if plan.minutes is not None:
        progress = max(progress, elapsed_minutes / plan.minutes)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return plan.learning_rate * (plan.final_learning_rate + (1 - plan.final_learning_rate) * cosine)
