"""The training step on TensorFlow: GradientTape inside one XLA-compiled function."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo.fit.step import Objective


class TensorFlowSteps:
    """See `zoo.fit.step.Steps`. Each shape is compiled once, on its first call."""

    def __init__(self, objective: Objective, optimizer: keras.optimizers.Optimizer, *, jit: bool) -> None:
        variables = objective.task.trainable_variables

        def update(inputs: tf.Tensor, targets: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = objective.loss(inputs, targets)
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            optimizer.learning_rate.assign(rate)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return loss

        self._update = tf.function(update, jit_compile=jit)
        self._nats = tf.function(objective.weighted_nats, jit_compile=jit)

    def train(self, inputs: Any, targets: Any, rate: float) -> float:
        return float(self._update(tf.constant(inputs), tf.constant(targets), tf.constant(rate, tf.float32)))

    def nats(self, inputs: Any, targets: Any, weights: Any) -> float:
        return float(self._nats(tf.constant(inputs), tf.constant(targets), tf.constant(weights)))
