"""The training step on JAX: all state goes in and comes out of jitted functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import numpy.typing as npt

from zoo.fit.step import Loss, micro_batches
from zoo.objectives import Batch

Values = list[Any]


class JaxSteps:
    """See `zoo.fit.step.Steps`. Variables are written back after each step, so that a checkpoint
    sees them; the arrays themselves stay on the device."""

    def __init__(
        self,
        loss: Loss,
        optimizer: keras.optimizers.Optimizer,
        *,
        jit: bool,
        accumulate: int = 1,
        averages: Sequence[keras.Variable] = (),
    ) -> None:
        trained, state = loss.trainable, loss.state
        known = {id(variable) for variable in (*trained, *state)}
        frozen = [variable for variable in loss.task.variables if id(variable) not in known]
        self._groups = (state, trained, optimizer.variables, list(averages))
        self._frozen = frozen
        self._rate = optimizer.learning_rate
        self._accumulate = accumulate

        def scope(*values: Values) -> keras.StatelessScope:
            groups = zip((trained, state, frozen), values, strict=True)
            return keras.StatelessScope([pair for group, new in groups for pair in zip(group, new, strict=True)])

        def sums(trainable: Values, forward: Values, fixed: Values, batch: Batch) -> tuple[Any, tuple[Any, Values]]:
            with scope(trainable, forward, fixed) as current:
                nats, weights = loss.sums(batch)
            return nats, (weights, [current.get_current_value(variable) for variable in state])

        differentiate = jax.value_and_grad(sums, has_aux=True)

        def add(trainable: Values, forward: Values, fixed: Values, batch: Batch, before: Values) -> Any:
            (nats, (weights, forward)), gradients = differentiate(trainable, forward, fixed, batch)
            return forward, jax.tree.map(jnp.add, before, [nats, weights, gradients])

        def finish(totals: Values, trainable: Values, moments: Values, average: Values, share: float) -> Any:
            nats, weights, gradients = totals
            weights = jnp.maximum(weights, 1.0)
            gradients = [gradient / weights for gradient in gradients]
            trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
            average = [
                old + share * (new - old) for old, new in zip(average, trainable if average else [], strict=True)
            ]
            return nats / weights, (trainable, moments, average)

        def update(
            trainable: Values,
            forward: Values,
            moments: Values,
            average: Values,
            fixed: Values,
            batch: Batch,
            share: float,
        ) -> Any:
            (nats, (weights, forward)), gradients = differentiate(trainable, forward, fixed, batch)
            return forward, *finish([nats, weights, gradients], trainable, moments, average, share)

        def nats(trainable: Values, forward: Values, fixed: Values, batch: Batch) -> Any:
            with scope(trainable, forward, fixed):
                return loss.weighted(batch)

        self._update = jax.jit(update, donate_argnums=(0, 1, 2, 3)) if jit else update
        self._add = jax.jit(add, donate_argnums=(1, 4)) if jit else add
        self._finish = jax.jit(finish, donate_argnums=(0, 1, 2, 3)) if jit else finish
        self._nats = jax.jit(nats) if jit else nats

    def train(self, batch: Batch, rate: float, share: float = 0.0) -> float:
        self._rate.assign(np.float32(rate))
        forward, trainable, moments, average = map(_values, self._groups)
        fixed = _values(self._frozen)
        if self._accumulate == 1:
            forward, loss, after = self._update(trainable, forward, moments, average, fixed, dict(batch), share)
        else:
            totals: Values = [jnp.zeros(()), jnp.zeros(()), [jnp.zeros_like(value) for value in trainable]]
            for part in micro_batches(batch, self._accumulate):
                forward, totals = self._add(trainable, forward, fixed, part, totals)
            loss, after = self._finish(totals, trainable, moments, average, share)
        for group, new in zip(self._groups, (forward, *after), strict=True):
            _assign(group, new)
        return float(loss)

    def nats(self, batch: Batch) -> npt.NDArray[np.float32]:
        state, trained, *_ = self._groups
        return np.asarray(self._nats(_values(trained), _values(state), _values(self._frozen), dict(batch)))


def _values(variables: Sequence[keras.Variable]) -> Values:
    return [variable.value for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
