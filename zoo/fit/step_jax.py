"""The training step on JAX: all state goes in and comes out of one jitted function."""

from __future__ import annotations

from typing import Any

import jax
import keras
import numpy as np

from zoo.fit.step import Loss
from zoo.objectives import Batch

Values = list[Any]


class JaxSteps:
    """See `zoo.fit.step.Steps`. Variables are written back after each step, so that a checkpoint
    sees them; the arrays themselves stay on the device."""

    def __init__(self, loss: Loss, optimizer: keras.optimizers.Optimizer, *, jit: bool) -> None:
        task = loss.task
        self._variables = (task.trainable_variables, task.non_trainable_variables, optimizer.variables)
        self._rate = optimizer.learning_rate

        def mean(trainable: Values, other: Values, batch: Batch) -> tuple[Any, Values]:
            mapping = [
                *zip(task.trainable_variables, trainable, strict=True),
                *zip(task.non_trainable_variables, other, strict=True),
            ]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                value = loss.mean(batch)
            after = [scope.get_current_value(variable) for variable in task.non_trainable_variables]
            return value, [old if new is None else new for old, new in zip(other, after, strict=True)]

        def update(trainable: Values, other: Values, state: Values, batch: Batch) -> Any:
            differentiate = jax.value_and_grad(mean, has_aux=True)
            (value, other), gradients = differentiate(trainable, other, batch)
            trainable, state = optimizer.stateless_apply(state, gradients, trainable)
            return value, (trainable, other, state)

        def nats(trainable: Values, batch: Batch) -> Any:
            mapping = zip(task.trainable_variables, trainable, strict=True)
            with keras.StatelessScope(state_mapping=list(mapping)):
                return loss.total(batch)

        self._update = jax.jit(update, donate_argnums=(0, 1, 2)) if jit else update
        self._nats = jax.jit(nats) if jit else nats

    def train(self, batch: Batch, rate: float) -> float:
        self._rate.assign(np.float32(rate))
        trainable, other, state = [[variable.value for variable in group] for group in self._variables]
        loss, after = self._update(trainable, other, state, dict(batch))
        for group, new in zip(self._variables, after, strict=True):
            for variable, value in zip(group, new, strict=True):
                variable.assign(value)
        return float(loss)

    def nats(self, batch: Batch) -> float:
        trainable = [variable.value for variable in self._variables[0]]
        return float(self._nats(trainable, dict(batch)))
