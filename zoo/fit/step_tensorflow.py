"""The training step on TensorFlow: GradientTape inside one XLA-compiled function."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from zoo.fit.step import Loss, micro_batches
from zoo.objectives import Batch

_Sums = tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]


class TensorFlowSteps:
    """See `zoo.fit.step.Steps`. Each shape is compiled once, on its first call.

    A whole batch is one compiled function. Micro-batches take two: one adds up nats, weights and gradients,
    the other one divides by all weights together and updates.
    """

    def __init__(
        self,
        loss: Loss,
        optimizer: keras.optimizers.Optimizer,
        *,
        jit: bool,
        accumulate: int = 1,
        averages: Sequence[keras.Variable] = (),
    ) -> None:
        variables = loss.trainable
        self._accumulate = accumulate

        def apply(gradients: list[tf.Tensor], rate: tf.Tensor, share: tf.Tensor) -> None:
            optimizer.learning_rate.assign(rate)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            for average, variable in zip(averages, variables if averages else [], strict=True):
                average.assign_add(share * (tf.cast(variable.value, tf.float32) - average.value))

        def differentiate(value: tf.Tensor, tape: tf.GradientTape) -> list[tf.Tensor]:
            """Zeros for a weight that the loss does not use, as on JAX."""
            zero = tf.UnconnectedGradients.ZERO
            return tape.gradient(value, [variable.value for variable in variables], unconnected_gradients=zero)

        def update(batch: dict[str, tf.Tensor], rate: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                value = loss.mean(batch)
            apply(differentiate(value, tape), rate, share)
            return value

        def add(batch: dict[str, tf.Tensor], sums: _Sums) -> _Sums:
            with tf.GradientTape() as tape:
                value, weight = loss.sums(batch)
            nats, weights, before = sums
            gradients = map(tf.convert_to_tensor, differentiate(value, tape))  # some come as rows of a table
            return nats + value, weights + weight, [a + b for a, b in zip(before, gradients, strict=True)]

        def finish(sums: _Sums, rate: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
            nats, weights, gradients = sums
            weights = tf.maximum(weights, 1.0)
            apply([gradient / weights for gradient in gradients], rate, share)
            return nats / weights

        self._zeros = lambda: (tf.constant(0.0), tf.constant(0.0), [tf.zeros(v.shape, v.dtype) for v in variables])
        self._update = tf.function(update, jit_compile=jit, autograph=False)
        self._add = tf.function(add, jit_compile=jit, autograph=False)
        self._finish = tf.function(finish, jit_compile=jit, autograph=False)
        self._nats = tf.function(loss.weighted, jit_compile=jit, autograph=False)

    def train(self, batch: Batch, rate: float, share: float = 0.0) -> float:
        numbers = (tf.constant(rate, tf.float32), tf.constant(share, tf.float32))
        if self._accumulate == 1:
            return float(self._update(_tensors(batch), *numbers))
        sums = self._zeros()
        for part in micro_batches(batch, self._accumulate):
            sums = self._add(_tensors(part), sums)
        return float(self._finish(sums, *numbers))

    def nats(self, batch: Batch) -> npt.NDArray[np.float32]:
        nats: npt.NDArray[np.float32] = self._nats(_tensors(batch)).numpy()
        return nats


def _tensors(batch: Batch) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in batch.items()}
