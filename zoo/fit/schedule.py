"""Learning rate: linear warm-up, then one of

- cosine: half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983);
- linear: a straight line;
- constant: the peak;
- wsd: warm-up, stable, decay (Hu et al. 2024, arXiv:2404.06395): the peak, and a straight line in the last part;
- inverse_sqrt: one over the square root of the step (Vaswani et al. 2017, arXiv:1706.03762).
"""

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
    if plan.schedule == "inverse_sqrt":
        return plan.learning_rate * math.sqrt(max(1, plan.warmup) / (step + 1))
    progress = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    if plan.minutes is not None:
        progress = max(progress, elapsed_minutes / plan.minutes)
    left = _left(plan, min(1.0, progress))
    return plan.learning_rate * (plan.final_learning_rate + (1 - plan.final_learning_rate) * left)


def _left(plan: TrainPlan, progress: float) -> float:
    """Share of the way from the peak (1) to the final rate (0), after a share of the way from warm-up to end."""
    if plan.schedule == "linear":
        return 1 - progress
    if plan.schedule == "wsd":
        return min(1.0, (1 - progress) / plan.decay)
    if plan.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * progress))
