"""The training step on JAX: all state goes in and comes out of one jitted function."""

from __future__ import annotations

from typing import Any

import jax
import keras
import numpy as np

from zoo.fit.step import Objective

Values = list[Any]


class JaxSteps:
    """See `zoo.fit.step.Steps`. Variables are written back after each step, so that a checkpoint
    sees them; the arrays themselves stay on the device."""

    def __init__(self, objective: Objective, optimizer: keras.optimizers.Optimizer, *, jit: bool) -> None:
        task = objective.task
        self._variables = (task.trainable_variables, task.non_trainable_variables, optimizer.variables)
        self._rate = optimizer.learning_rate

        def loss(trainable: Values, other: Values, inputs: Any, targets: Any) -> tuple[Any, Values]:
            mapping = [
                *zip(task.trainable_variables, trainable, strict=True),
                *zip(task.non_trainable_variables, other, strict=True),
            ]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                value = objective.loss(inputs, targets)
            after = [scope.get_current_value(variable) for variable in task.non_trainable_variables]
            return value, [old if new is None else new for old, new in zip(other, after, strict=True)]

        def update(trainable: Values, other: Values, state: Values, inputs: Any, targets: Any) -> Any:
            differentiate = jax.value_and_grad(loss, has_aux=True)
            (value, other), gradients = differentiate(trainable, other, inputs, targets)
            trainable, state = optimizer.stateless_apply(state, gradients, trainable)
            return value, (trainable, other, state)

        def nats(trainable: Values, inputs: Any, targets: Any, weights: Any) -> Any:
            mapping = zip(task.trainable_variables, trainable, strict=True)
            with keras.StatelessScope(state_mapping=list(mapping)):
                return objective.weighted_nats(inputs, targets, weights)

        self._update = jax.jit(update, donate_argnums=(0, 1, 2)) if jit else update
        self._nats = jax.jit(nats) if jit else nats

    def train(self, inputs: Any, targets: Any, rate: float) -> float:
        self._rate.assign(np.float32(rate))
        trainable, other, state = [[variable.value for variable in group] for group in self._variables]
        loss, after = self._update(trainable, other, state, np.asarray(inputs), np.asarray(targets))
        for group, new in zip(self._variables, after, strict=True):
            for variable, value in zip(group, new, strict=True):
                variable.assign(value)
        return float(loss)

    def nats(self, inputs: Any, targets: Any, weights: Any) -> float:
        trainable = [variable.value for variable in self._variables[0]]
        return float(self._nats(trainable, inputs, targets, weights))
