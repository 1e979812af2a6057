"""One training step and one evaluation step, the same mathematics on each Keras backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zoo.families.base import Family
from zoo.fit.plan import TrainPlan
from zoo.lora import Adapter
from zoo.objectives import Batch, Objective

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt


class Steps(Protocol):
    """The compiled functions of a backend."""

    def train(self, batch: Batch, rate: float, share: float = 0.0) -> float:
        """Updates all variables in place; returns the loss before the update, in nats per token.

        Args:
            share: of the updated weights in their new moving average.
        """
        ...

    def nats(self, batch: Batch) -> npt.NDArray[np.float32]:
        """weight * loss of each predicted position, without dropout."""
        ...


@dataclass(frozen=True)
class Loss:
    """An objective on a task, with the adapter that is trained in place of the task's own weights, if any."""

    task: keras.Model
    family: Family
    objective: Objective
    adapter: Adapter | None = None

    @property
    def trainable(self) -> list[keras.Variable]:
        """What training changes."""
        return (self.adapter or self.task).trainable_variables

    @property
    def state(self) -> list[keras.Variable]:
        """What a forward pass changes beside that: the seeds of dropout."""
        return self.task.non_trainable_variables if self.adapter is None else self.adapter.states

    def sums(self, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Sum of weight * loss with dropout, and sum of weights. Training minimises their ratio."""
        from keras import ops

        nats = self._nats(batch, training=True)
        if "weights" not in batch:
            return ops.sum(nats), float(nats.shape[0] * nats.shape[1])
        return ops.sum(batch["weights"] * nats), ops.sum(batch["weights"])

    def mean(self, batch: Mapping[str, Any]) -> Any:
        """What training minimises: the mean over what is predicted, with dropout."""
        from keras import ops

        total, count = self.sums(batch)
        return total / ops.maximum(count, 1.0)

    def weighted(self, batch: Mapping[str, Any]) -> Any:
        """weight * loss of each predicted position, without dropout."""
        return batch["weights"] * self._nats(batch, training=False)

    def total(self, batch: Mapping[str, Any]) -> Any:
        """Sum of weight * loss, without dropout."""
        from keras import ops

        return ops.sum(self.weighted(batch))

    def _nats(self, batch: Mapping[str, Any], *, training: bool) -> Any:
        if self.adapter is None:
            return self.objective.nats(self.task, self.family, batch, training=training)
        with self.adapter.applied():
            return self.objective.nats(self.task, self.family, batch, training=training)


class Trainable(Protocol):
    """A task, or the adapter that is trained in its place."""

    @property
    def trainable_variables(self) -> list[keras.Variable]: ...


def make_optimizer(trained: Trainable, plan: TrainPlan) -> keras.optimizers.Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), clipped by the global norm of the gradient.

    Weight decay spares biases, norms, embeddings and adapters: shrinking them regularises nothing.
    """
    import keras

    variables = trained.trainable_variables
    optimizer = keras.optimizers.AdamW(
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        beta_1=0.9,
        beta_2=plan.beta_2,
        epsilon=1e-8,
        global_clipnorm=plan.clip,
    )
    spared = [v for v in variables if "embedding" in v.path or not v.path.endswith("kernel")]
    optimizer.exclude_from_weight_decay(var_list=spared)
    optimizer.build(variables)
    return optimizer


def make_averages(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """Moving averages of variables, zeros before the first update."""
    import keras

    return [
        keras.Variable(keras.ops.zeros(v.shape), dtype="float32", trainable=False, name="average") for v in variables
    ]


def share_of_update(decay: float, updates: int) -> float:
    """Share of the newest weights in the moving average after so many updates.

    An average that starts at zeros is divided by 1 - decay^updates to have no bias (Kingma & Ba 2014,
    arXiv:1412.6980, section 3); moved by this share, it is that quotient itself after each update.
    """
    return (1 - decay) / (1 - decay**updates)


def micro_batches(batch: Batch, count: int) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The rows of a batch in `count` equal parts, in order."""
    rows = len(next(iter(batch.values()))) // count
    for part in range(count):
        yield {name: array[part * rows : (part + 1) * rows] for name, array in batch.items()}


def make_steps(
    loss: Loss,
    optimizer: keras.optimizers.Optimizer,
    *,
    jit: bool,
    accumulate: int = 1,
    averages: Sequence[keras.Variable] = (),
) -> Steps:
    """The steps for the backend that Keras runs on.

    Args:
        accumulate: micro-batches that a batch is cut into.
        averages: of `make_averages`, moved after each update; none if empty.

    Raises:
        ConfigError: neither TensorFlow nor JAX.
    """
    import keras

    from governance.errors import ConfigError

    backend = keras.config.backend()
    if backend == "tensorflow":
        from zoo.fit.step_tensorflow import TensorFlowSteps

        return TensorFlowSteps(loss, optimizer, jit=jit, accumulate=accumulate, averages=averages)
    if backend == "jax":
        from zoo.fit.step_jax import JaxSteps

        return JaxSteps(loss, optimizer, jit=jit, accumulate=accumulate, averages=averages)
    raise ConfigError(f"training does not run on {backend}", where="KERAS_BACKEND", fix="use tensorflow or jax")
