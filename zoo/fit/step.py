"""One training step and one evaluation step, the same mathematics on each Keras backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zoo.families.base import Family
from zoo.fit.plan import TrainPlan
from zoo.objectives import Batch, Objective

if TYPE_CHECKING:
    import keras


class Steps(Protocol):
    """The compiled functions of a backend."""

    def train(self, batch: Batch, rate: float) -> float:
        """Updates all variables in place; returns the loss before the update, in nats per token."""
        ...

    def nats(self, batch: Batch) -> float:
        """Sum of weight * loss, without dropout."""
        ...


@dataclass(frozen=True)
class Loss:
    """An objective on a task."""

    task: keras.Model
    family: Family
    objective: Objective

    def mean(self, batch: Mapping[str, Any]) -> Any:
        """What training minimises: the mean over what is predicted, with dropout."""
        from keras import ops

        nats = self.objective.nats(self.task, self.family, batch, training=True)
        if "weights" not in batch:
            return ops.mean(nats)
        return ops.sum(batch["weights"] * nats) / ops.maximum(ops.sum(batch["weights"]), 1.0)

    def total(self, batch: Mapping[str, Any]) -> Any:
        """Sum of weight * loss, without dropout."""
        from keras import ops

        return ops.sum(batch["weights"] * self.objective.nats(self.task, self.family, batch, training=False))


def make_optimizer(task: keras.Model, plan: TrainPlan) -> keras.optimizers.Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), clipped by the global norm of the gradient.

    Weight decay spares biases, norms and embeddings: shrinking them regularises nothing.
    """
    import keras

    optimizer = keras.optimizers.AdamW(
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        beta_1=0.9,
        beta_2=plan.beta_2,
        epsilon=1e-8,
        global_clipnorm=plan.clip,
    )
    spared = [
        variable
        for variable in task.trainable_variables
        if "embedding" in variable.path or not variable.path.endswith("kernel")
    ]
    optimizer.exclude_from_weight_decay(var_list=spared)
    optimizer.build(task.trainable_variables)
    return optimizer


def make_steps(loss: Loss, optimizer: keras.optimizers.Optimizer, *, jit: bool) -> Steps:
    """The steps for the backend that Keras runs on.

    Raises:
        ConfigError: neither TensorFlow nor JAX.
    """
    import keras

    from governance.errors import ConfigError

    backend = keras.config.backend()
    if backend == "tensorflow":
        from zoo.fit.step_tensorflow import TensorFlowSteps

        return TensorFlowSteps(loss, optimizer, jit=jit)
    if backend == "jax":
        from zoo.fit.step_jax import JaxSteps

        return JaxSteps(loss, optimizer, jit=jit)
    raise ConfigError(f"training does not run on {backend}", where="KERAS_BACKEND", fix="use tensorflow or jax")
