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

_WARMUP_SHARE = 0.05  # of the time
_FEWEST_WARMUP = 10  # steps that the optimizer's averages need, however long one takes


def learning_rate(plan: TrainPlan, step: int, elapsed_minutes: float = 0.0) -> float:
    """The rate of update `step` (from 0).

    Computed on the host and handed to the compiled step as a number, so that a training by time
    needs no second schedule. Without `plan.minutes` the time has no influence. With it, the warm-up ends after a
    twentieth of the time, if its steps are not over before: nobody knows how many steps there will be.
    """
    if step >= plan.warmup:
        return _after_warmup(plan, step, elapsed_minutes)
    rising = plan.learning_rate * _risen(plan, step, elapsed_minutes)
    return rising if plan.minutes is None else min(rising, _after_warmup(plan, step, elapsed_minutes))


def _risen(plan: TrainPlan, step: int, elapsed_minutes: float) -> float:
    """Share of the warm-up that is over, up to 1."""
    of_steps = (step + 1) / plan.warmup
    if plan.minutes is None:
        return of_steps
    of_time = elapsed_minutes / (_WARMUP_SHARE * plan.minutes)
    return min(1.0, max(of_steps, min(of_time, (step + 1) / _FEWEST_WARMUP)))


def _after_warmup(plan: TrainPlan, step: int, elapsed_minutes: float) -> float:
    if plan.schedule == "inverse_sqrt":
        return plan.learning_rate * math.sqrt(max(1, plan.warmup) / (step + 1))
    left = _left(plan, min(1.0, _progress(plan, step, elapsed_minutes)))
    return plan.learning_rate * (plan.final_learning_rate + (1 - plan.final_learning_rate) * left)


def _progress(plan: TrainPlan, step: int, elapsed_minutes: float) -> float:
    """Share of the training that is over: of the steps after the warm-up, or of the minutes if that is more."""
    of_steps = 0.0 if plan.steps is None else (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    of_time = 0.0 if plan.minutes is None else elapsed_minutes / plan.minutes
    return max(of_steps, of_time)


def _left(plan: TrainPlan, progress: float) -> float:
    """Share of the way from the peak (1) to the final rate (0), after a share of the way from warm-up to end."""
    if plan.schedule == "linear":
        return 1 - progress
    if plan.schedule == "wsd":
        return min(1.0, (1 - progress) / plan.decay)
    if plan.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * progress))
