"""Weights of keras-hub as tensors of Hugging Face and back, by one table that is read in both directions.

A table names each weight of a model once: its Keras path, the tensor's name and how one lies in the
other. So what is read and what is written cannot drift apart, and a table is complete when every weight
of the model is in it, which each reading and each writing checks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governance.errors import DataError

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """How a Keras weight lies in a tensor: as a matrix (or as it is), turned, below some unused rows.

    Attributes:
        matrix: the Keras weight's shape to the one that it is brought to first.
        turned: PyTorch's linear layers hold [out, in] where Keras has [in, out].
        unused_rows: at the tensor's start, which no input reaches; written as zeros.
    """

    matrix: Callable[[Shape], Shape]
    turned: bool = False
    unused_rows: int = 0

    def shape(self, keras_shape: Shape) -> Shape:
        """The tensor's shape."""
        shape = self.matrix(keras_shape)
        shape = shape[::-1] if self.turned else shape
        return (shape[0] + self.unused_rows, *shape[1:])

    def to_keras(self, tensor: npt.NDArray[Any], keras_shape: Shape) -> npt.NDArray[Any]:
        used = tensor[self.unused_rows :]
        return (used.T if self.turned else used).reshape(keras_shape)

    def to_tensor(self, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
        import numpy as np

        tensor = value.reshape(self.matrix(value.shape))
        tensor = tensor.T if self.turned else tensor
        if self.unused_rows:
            tensor = np.concatenate([np.zeros((self.unused_rows, *tensor.shape[1:]), tensor.dtype), tensor])
        return np.ascontiguousarray(tensor)


def _first(shape: Shape) -> Shape:
    return shape[0], math.prod(shape[1:])


def _last(shape: Shape) -> Shape:
    return math.prod(shape[:-1]), shape[-1]


SAME = Form(lambda shape: shape)
#: A bias of heads, [heads, width of a head].
FLAT = Form(lambda shape: (math.prod(shape),))
#: Kernels of linear layers: into heads, [in, heads, width of a head], and out of them; both for [in, out].
INTO = Form(_first, turned=True)
OUT_OF = Form(_last, turned=True)
#: The same in GPT-2, whose layers are "Conv1D" and hold [in, out].
CONV_INTO = Form(_first)
CONV_OUT_OF = Form(_last)


@dataclass(frozen=True)
class Weight:
    """One line of a table.

    Attributes:
        keras: path of the weight, as `named_weights` gives it.
        tensor: name of the tensor.
        part: (index, number) of the equal parts into which the tensor's last axis is cut; GPT-2 holds
            queries, keys and values in one.
        otherwise: the tensor to read where `tensor` is absent, because both are one.
        plus_row: a tensor whose first row is added to each row: an embedding that keras-hub leaves out
            since it is the same for all inputs.
    """

    keras: str
    tensor: str
    form: Form = SAME
    part: tuple[int, int] | None = None
    otherwise: str | None = None
    plus_row: str | None = None


def named_weights(model: keras.Model) -> dict[str, Any]:
    """The weights by their Keras paths, made unique and independent of what was built before.

    keras-hub leaves T5's normalisations and position tables without a name of their own: the first one
    of a path has that path, the second one the path and "#2".
    """
    seen: Counter[str] = Counter()
    named = {}
    for weight in model.weights:
        path = re.sub(r"(t5_layer_norm)_\d+(?=/)", r"\1", weight.path)
        if "seed_generator" in path:
            continue
        seen[path] += 1
        named[path if seen[path] == 1 else f"{path}#{seen[path]}"] = weight
    return named


def fill(
    model: keras.Model, table: Sequence[Weight], tensors: Mapping[str, npt.NDArray[Any]], *, where: str
) -> set[str]:
    """Assigns tensors to weights.

    Args:
        table: of the weights to fill.
        where: names the folder in errors.

    Returns:
        The names of the tensors that were read.

    Raises:
        DataError: a tensor is missing, or has another shape than the configuration says.
    """
    weights = named_weights(model)
    read: set[str] = set()
    for line in table:
        weight = weights[line.keras]
        name = line.otherwise if line.tensor not in tensors and line.otherwise is not None else line.tensor
        tensor = _take(tensors, name, _tensor_shape(line, tuple(weight.shape)), where)
        read.add(name)
        if line.part is not None:
            tensor = _part(tensor, line.part)
        value = line.form.to_keras(tensor, tuple(weight.shape))
        if line.plus_row is not None:
            value = value + _take(tensors, line.plus_row, (None, value.shape[-1]), where)[0]
            read.add(line.plus_row)
        weight.assign(value)
    return read


def tensors_of(model: keras.Model, table: Sequence[Weight]) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors of a model, by name, float32: the way back of `fill`."""
    import numpy as np
    from keras import ops

    weights = named_weights(model)
    parts: dict[str, list[npt.NDArray[np.float32]]] = {}
    for line in table:
        value = np.asarray(ops.convert_to_numpy(weights[line.keras]), np.float32)
        parts.setdefault(line.tensor, []).append(line.form.to_tensor(value))
    return {name: _join(some) for name, some in parts.items()}


def check_complete(model: keras.Model, table: Iterable[Weight]) -> None:
    """Raises DataError for a model that has a weight more, or less, than the table."""
    different = sorted(set(named_weights(model)) ^ {line.keras for line in table})
    if different:
        raise DataError(
            f"{type(model).__name__} has other weights than its table of names, the first is {different[0]}",
            fix="install the keras-hub version that constraints.txt names",
        )


def _tensor_shape(line: Weight, keras_shape: Shape) -> Shape:
    shape = line.form.shape(keras_shape)
    return shape if line.part is None else (*shape[:-1], shape[-1] * line.part[1])


def _take(
    tensors: Mapping[str, npt.NDArray[Any]], name: str, shape: tuple[int | None, ...], where: str
) -> npt.NDArray[Any]:
    """A tensor of this shape; None stands for any length."""
    if name not in tensors:
        raise DataError(f"the tensor {name} is missing", where=where, fix="get the whole checkpoint")
    found = tensors[name].shape
    if len(found) != len(shape) or any(one not in (None, other) for one, other in zip(shape, found, strict=True)):
        wanted = str(list(shape)).replace("None", "any")
        raise DataError(
            f"the tensor {name} has the shape {list(found)}, and by config.json it has {wanted}",
            where=where,
            fix="get weights and config.json from the same checkpoint",
        )
    return tensors[name]


def _part(tensor: npt.NDArray[Any], part: tuple[int, int]) -> npt.NDArray[Any]:
    index, number = part
    width = tensor.shape[-1] // number
    return tensor[..., index * width : (index + 1) * width]


def _join(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    import numpy as np

    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
