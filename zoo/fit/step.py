"""One training step and one evaluation step, the same mathematics on each Keras backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zoo.families.base import Family
from zoo.fit.plan import TrainPlan

if TYPE_CHECKING:
    import keras
    import keras_hub


class Steps(Protocol):
    """The compiled functions of a backend; inputs and targets are int32 [batch, window]."""

    def train(self, inputs: Any, targets: Any, rate: float) -> float:
        """Updates all variables in place; returns the loss before the update, in nats per token."""
        ...

    def nats(self, inputs: Any, targets: Any, weights: Any) -> float:
        """Sum of weight * cross-entropy, without dropout."""
        ...


@dataclass(frozen=True)
class Objective:
    """Causal language modelling: cross-entropy of each next token."""

    task: keras_hub.models.CausalLM
    family: Family

    def token_nats(self, inputs: Any, targets: Any, training: bool) -> Any:
        """Cross-entropy of each position, float32 [batch, window]; computed in float32 on each policy."""
        from keras import ops

        logits = ops.cast(self.family.logits(self.task, inputs, training), "float32")
        return ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)

    def loss(self, inputs: Any, targets: Any) -> Any:
        from keras import ops

        return ops.mean(self.token_nats(inputs, targets, training=True))

    def weighted_nats(self, inputs: Any, targets: Any, weights: Any) -> Any:
        from keras import ops

        return ops.sum(weights * self.token_nats(inputs, targets, training=False))


def make_optimizer(task: keras_hub.models.CausalLM, plan: TrainPlan) -> keras.optimizers.Optimizer:
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


def make_steps(objective: Objective, optimizer: keras.optimizers.Optimizer, *, jit: bool) -> Steps:
    """The steps for the backend that Keras runs on.

    Raises:
        ConfigError: neither TensorFlow nor JAX.
    """
    import keras

    from governance.errors import ConfigError

    backend = keras.config.backend()
    if backend == "tensorflow":
        from zoo.fit.step_tensorflow import TensorFlowSteps

        return TensorFlowSteps(objective, optimizer, jit=jit)
    if backend == "jax":
        from zoo.fit.step_jax import JaxSteps

        return JaxSteps(objective, optimizer, jit=jit)
    raise ConfigError(f"training does not run on {backend}", where="KERAS_BACKEND", fix="use tensorflow or jax")
