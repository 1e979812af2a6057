"""Initial weights that depend on (shape, seed) alone: not on the backend, nor on what was built before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

#: A weight's path and shape to the standard deviation of its normal distribution.
Deviation = Callable[[str, tuple[int, ...]], float]

_ZEROS = ("bias", "beta")
_ONES = ("gamma", "scale", "/weight")  # the last one is T5's


def initialise(
    task: keras.Model,
    seed: int,
    deviation: Deviation,
    *,
    bias: Callable[[tuple[int, ...]], npt.NDArray[np.float32]] | None = None,
) -> None:
    """Fills all weights from NumPy's Philox, one stream per weight, and sets the dropout seeds.

    Keras would draw from a global state, and keras-hub's initialisers leave out what the papers say
    about depth.

    Args:
        deviation: for the matrices and tables. Biases are 0, the gains of normalisations 1.
        bias: shape to the values of a bias, instead of 0.
    """
    import numpy as np

    for index, weight in enumerate(task.trainable_weights):
        shape = tuple(weight.shape)
        if weight.path.endswith(_ZEROS):
            value = np.zeros(shape, np.float32) if bias is None else bias(shape)
        elif weight.path.endswith(_ONES):
            value = np.ones(shape, np.float32)
        else:
            draw = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, index]))
            value = draw.standard_normal(shape, np.float32) * np.float32(deviation(weight.path, shape))
        weight.assign(value)
    set_dropout_seeds(task, seed)


def set_dropout_seeds(task: keras.Model, seed: int) -> None:
    """Makes dropout a function of the seed and not of what was built before."""
    import numpy as np

    generators = [v for v in task.non_trainable_variables if "seed_generator" in v.path]
    for index, state in enumerate(generators):
        state.assign(np.array([seed & 0x7FFFFFFF, index], np.uint32))


def transformer_deviation(layers: int, into_residual: tuple[str, ...]) -> Deviation:
    """0.02, and for the two projections of a layer into the residual stream 0.02 / sqrt(2 * layers).

    From GPT-2 (Radford et al. 2019, section 2.3), for layers that normalise what goes in and not what
    comes out: otherwise the stream's variance grows with depth.

    Args:
        into_residual: parts of the paths of these projections.
    """

    def deviation(path: str, shape: tuple[int, ...]) -> float:
        return 0.02 / (2 * layers) ** 0.5 if any(part in path for part in into_residual) else 0.02

    return deviation
