"""The training step on TensorFlow: GradientTape inside one XLA-compiled function."""

from __future__ import annotations

import keras
import tensorflow as tf

from zoo.fit.step import Loss
from zoo.objectives import Batch


class TensorFlowSteps:
    """See `zoo.fit.step.Steps`. Each shape is compiled once, on its first call."""

    def __init__(self, loss: Loss, optimizer: keras.optimizers.Optimizer, *, jit: bool) -> None:
        variables = loss.task.trainable_variables

        def update(batch: dict[str, tf.Tensor], rate: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                value = loss.mean(batch)
            gradients = tape.gradient(value, [variable.value for variable in variables])
            optimizer.learning_rate.assign(rate)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return value

        self._update = tf.function(update, jit_compile=jit)
        self._nats = tf.function(loss.total, jit_compile=jit)

    def train(self, batch: Batch, rate: float) -> float:
        return float(self._update(_tensors(batch), tf.constant(rate, tf.float32)))

    def nats(self, batch: Batch) -> float:
        return float(self._nats(_tensors(batch)))


def _tensors(batch: Batch) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in batch.items()}
