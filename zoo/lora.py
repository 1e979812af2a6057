"""Low-rank adaptation, LoRA (Hu et al. 2021, arXiv:2106.09685), of any weight matrix of any family.

    effective kernel = kernel + alpha / rank * A · B        A: [inputs, rank], B: [rank, outputs]

Unusual: an adapter changes no layer. A forward pass runs in a `keras.StatelessScope` in which the chosen kernels
have their effective values, so that a recurrent cell or a token table takes an adapter as well as a dense layer
does, and the task stays a plain one. (Keras' own `enable_lora` gives an EinsumDense [width, heads, head width]
an A for each head, which is not of the rank that was asked for; keras-hub's changes nothing, and does not say
so, where a layer has another name, and its files match layers by their number.) A new layer, such as a
classifier's projection, has nothing to adapt: it is trained whole beside the adapter.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DataError, did_you_mean
from governance.wording import in_words
from pipelines.atomic import atomic_path

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

#: Layers that are adapted unless others are named: queries and values, as in the paper (section 4.2), by the
#: names of Keras' attention and of keras-hub's T5, and the cells of recurrent layers.
DEFAULT_TARGETS = ("query", "value", "query_projector", "value_projector", "cell")

#: Times the learning rate of a whole training. Schulman et al. 2025 ("LoRA without regret") find ten with alpha = 32 at
#: any rank; with our twice the rank an update has up to twice that effect.
LORA_RATE = 5.0

#: Beside the files of a preset.
ADAPTER_FILE = "adapter.npz"

_KERNELS = ("kernel", "recurrent_kernel", "embeddings", "reverse_embeddings")


@dataclass(frozen=True)
class _Kernel:
    """A weight that can be adapted.

    Attributes:
        name: its path, with "#2" after that of another weight with the same path: keras-hub's T5 leaves the tables of
            distances without a name of their own.
        axes: of the weight, those of the inputs first.
        inputs: how many of them are inputs.
    """

    name: str
    variable: keras.Variable
    axes: tuple[int, ...]
    inputs: int
    is_table: bool

    @property
    def layer(self) -> str:
        """Its path."""
        return self.name.rpartition("/")[0]

    @property
    def sizes(self) -> tuple[int, int]:
        """Inputs and outputs as the matrix that the weight is."""
        shape = [self.variable.shape[axis] for axis in self.axes]
        return math.prod(shape[: self.inputs]), math.prod(shape[self.inputs :])

    def shaped(self, matrix: Any) -> Any:
        """A matrix [inputs, outputs] in the weight's own shape."""
        from keras import ops

        shape = [self.variable.shape[axis] for axis in self.axes]
        back = sorted(range(len(shape)), key=lambda position: self.axes[position])
        return ops.transpose(ops.reshape(matrix, shape), back)


class Adapter:
    """What is trained in place of a task's weights, which are frozen. Make one with `apply` or `load`.

    Attributes:
        task: the base, frozen but for its new layers.
        trainable_variables: A and B of each adapted weight, float32, in the order of the weights, and then the
            weights that are trained whole.
        paths: of the adapted weights.
        whole: weights that are trained as they are.
        states: the seeds of the task's dropout layers, which a forward pass changes.
    """

    def __init__(
        self,
        task: keras.Model,
        kernels: Sequence[_Kernel],
        rank: int,
        alpha: float,
        whole: Sequence[keras.Variable] = (),
    ) -> None:
        import keras

        self.task = task
        self.rank = rank
        self.alpha = alpha
        self.kernels = list(kernels)
        self.whole = list(whole)
        self.trainable_variables: list[keras.Variable] = []
        for kernel in kernels:
            rows, columns = kernel.sizes
            for name, shape in (("lora_a", (rows, rank)), ("lora_b", (rank, columns))):
                self.trainable_variables.append(keras.Variable(keras.ops.zeros(shape), dtype="float32", name=name))
        self.trainable_variables += self.whole
        weights = {id(weight) for weight in task.weights}
        self.states = [variable for variable in task.variables if id(variable) not in weights]
        # Layers that no loss reaches, such as BERT's pooler, are frozen before and after.
        self._frozen = [layer for layer in task._flatten_layers() if not layer.trainable]
        task.trainable = False

    @property
    def paths(self) -> list[str]:
        return [kernel.name for kernel in self.kernels]

    @property
    def parameters(self) -> int:
        """Weights that are trained."""
        return sum(math.prod(variable.shape) for variable in self.trainable_variables)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the task computes with the effective kernels, on each backend and also in a compiled function."""
        import keras

        values = {id(variable): variable.value for variable in self.task.variables}
        for kernel, change in self._changes():
            values[id(kernel.variable)] = kernel.variable.value + keras.ops.cast(change, kernel.variable.dtype)
        scope = keras.StatelessScope([(variable, values[id(variable)]) for variable in self.task.variables])
        before = [scope.get_current_value(state) for state in self.states]
        with scope:
            yield
        for state, old in zip(self.states, before, strict=True):
            new = scope.get_current_value(state)
            if new is not old:
                state.assign(new)

    def merge(self) -> keras.Model:
        """Adds A · B to the kernels and gives back the task, a plain one again; the adapter is used up."""
        for kernel, change in self._changes():
            kernel.variable.assign(kernel.variable.value + change)
        self.task.trainable = True
        for layer in self._frozen:
            layer.trainable = False
        return self.task

    def save(self, path: Path) -> None:
        """Writes an .npz of plain arrays, "<path of the weight>:a" and ":b", or ":whole", with rank and alpha as JSON.

        Raises:
            DataError: the disk is full or not writable.
        """
        import numpy as np
        from keras import ops

        meta = np.frombuffer(json.dumps({"rank": self.rank, "alpha": self.alpha}).encode(), np.uint8)
        names = [f"{path}:{part}" for path in self.paths for part in "ab"]
        names += [f"{variable.path}:whole" for variable in self.whole]
        arrays = dict(zip(names, map(ops.convert_to_numpy, self.trainable_variables), strict=True))
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, meta=meta, **arrays)

    def _changes(self) -> Iterator[tuple[_Kernel, Any]]:
        from keras import ops

        parts = self.trainable_variables[: 2 * len(self.kernels)]
        pairs = zip(parts[::2], parts[1::2], strict=True)
        for kernel, (a, b) in zip(self.kernels, pairs, strict=True):
            yield kernel, kernel.shaped(self.alpha / self.rank * ops.matmul(a.value, b.value))


def apply(
    task: keras.Model,
    rank: int,
    alpha: float | None = None,
    targets: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Adapter:
    """Freezes a task and makes a new adapter for it, which changes nothing yet: B is zero.

    The task's `new_layers`, if it has some, are trained whole, whatever the targets.

    Args:
        task: a Keras model that is built.
        rank: of each change.
        alpha: the change is A · B * alpha / rank; twice the rank if None.
        targets: patterns of layer paths. "query" means each layer of that name, "*layer_3/*" all that is in
            that layer, "token_embedding" the table. `DEFAULT_TARGETS` if None.
        seed: of A, which is normal with the variance of a kernel that keeps its inputs'.

    Raises:
        ConfigError: a pattern matches no layer that has a matrix.
    """
    import numpy as np

    adapter = Adapter(task, _chosen(_kernels(task), targets), rank, 2 * rank if alpha is None else alpha, _new(task))
    for index, kernel in enumerate(adapter.kernels):
        draw = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, index]))
        a = adapter.trainable_variables[2 * index]
        deviation = 1.0 if kernel.is_table else a.shape[0] ** -0.5
        a.assign(draw.standard_normal(a.shape, np.float32) * np.float32(deviation))
    return adapter


def load(path: Path, task: keras.Model) -> Adapter:
    """Freezes a task and puts a saved adapter on it, weight by weight by their paths.

    The task's new layers get their trained values at once; the file is checked as a whole before anything changes.

    Raises:
        DataError: the file is no adapter, or not one for this task.
    """
    rank, alpha, arrays = _read(path)
    known = {kernel.name: kernel for kernel in _kernels(task)}
    new = {weight.path: weight for weight in _new(task)}
    adapted = [name.removesuffix(":a") for name in arrays if name.endswith(":a")]
    shapes: dict[str, tuple[int, ...]] = {f"{name}:whole": tuple(weight.shape) for name, weight in new.items()}
    for name in adapted:
        if name not in known:
            raise DataError(
                f'the model has no weight "{name}" to adapt{did_you_mean(name, known)}',
                where=str(path),
                fix="load the adapter into the family, size and task that it was trained on",
            )
        rows, columns = known[name].sizes
        shapes |= {f"{name}:a": (rows, rank), f"{name}:b": (rank, columns)}
    for name in sorted(shapes.keys() | arrays.keys()):
        found, expected = (_shape(arrays.get(name)), shapes.get(name))
        if found != expected:
            raise DataError(f'"{name}" has {found or "no"} instead of {expected or "no"} numbers', where=str(path))
    adapter = Adapter(task, [known[name] for name in adapted], rank, alpha, list(new.values()))
    names = [f"{name}:{part}" for name in adapted for part in "ab"] + [f"{name}:whole" for name in new]
    for name, variable in zip(names, adapter.trainable_variables, strict=True):
        variable.assign(arrays[name])
    return adapter


def _shape(array: npt.NDArray[Any] | None) -> tuple[int, ...] | None:
    return None if array is None else array.shape


def _new(task: keras.Model) -> list[keras.Variable]:
    """Weights of layers that no base has, and that are trained whole."""
    return [weight for layer in getattr(task, "new_layers", ()) for weight in layer.weights]


def _read(path: Path) -> tuple[int, float, dict[str, npt.NDArray[np.float32]]]:
    """Rank, alpha and arrays of finite numbers by name."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(file["meta"].tobytes())
            arrays = {name: file[name] for name in file.files if name != "meta"}
            rank, alpha = int(meta["rank"]), float(meta["alpha"])
            sound = rank >= 1 and math.isfinite(alpha)
            if not sound or not all(one.dtype == np.float32 and np.isfinite(one).all() for one in arrays.values()):
                raise ValueError("numbers that cannot be")
            return rank, alpha, arrays
    except (OSError, ValueError, KeyError, TypeError, OverflowError, EOFError, zipfile.BadZipFile) as error:
        reason = in_words(error, expected=("rank", "alpha"))
        raise DataError(f"this is no adapter: {reason}", where=str(path)) from None


def _kernels(task: keras.Model) -> list[_Kernel]:
    """All weights that can be adapted, in the order of the task's weights; new layers have none."""
    new = {id(weight) for weight in _new(task)}
    found: dict[int, _Kernel] = {}
    for layer in task._flatten_layers(include_self=False):
        own = {id(variable): variable for variable in layer._trainable_variables}
        for key, variable in own.items():
            if variable.name in _KERNELS and len(variable.shape) > 1 and key not in found and key not in new:
                axes = _axes(layer, len(variable.shape))
                found[key] = _Kernel(variable.path, variable, *axes, is_table=variable.name == "embeddings")
    seen: Counter[str] = Counter()
    kernels = []
    for kernel in (found[id(weight)] for weight in task.weights if id(weight) in found):
        seen[kernel.name] += 1
        number = seen[kernel.name]
        kernels.append(kernel if number == 1 else replace(kernel, name=f"{kernel.name}#{number}"))
    return kernels


def _axes(layer: keras.layers.Layer, dimensions: int) -> tuple[tuple[int, ...], int]:
    """Axes of a layer's kernel, those that are summed over with its input first, and their number."""
    import keras

    if not isinstance(layer, keras.layers.EinsumDense):
        return tuple(range(dimensions)), dimensions - 1
    operands, output = layer.equation.replace(" ", "").split("->")
    kernel = operands.split(",")[1]
    summed = [axis for axis, letter in enumerate(kernel) if letter not in output]
    kept = [axis for axis, letter in enumerate(kernel) if letter in output]
    return (*summed, *kept), len(summed)


def _chosen(kernels: Sequence[_Kernel], targets: Sequence[str] | None) -> list[_Kernel]:
    patterns = DEFAULT_TARGETS if targets is None else targets
    matched = {pattern: [kernel for kernel in kernels if _matches(kernel.layer, pattern)] for pattern in patterns}
    empty = [pattern for pattern, found in matched.items() if not found]
    if empty and (targets is not None or len(empty) == len(patterns)):
        raise _nothing(empty[0], kernels)
    chosen = {id(kernel) for found in matched.values() for kernel in found}
    return [kernel for kernel in kernels if id(kernel) in chosen]


def _matches(layer: str, pattern: str) -> bool:
    return fnmatchcase(layer, pattern) or fnmatchcase(layer, f"*/{pattern}")


def _nothing(pattern: str, kernels: Iterable[_Kernel]) -> ConfigError:
    names = sorted({kernel.layer.rpartition("/")[2] for kernel in kernels})
    return ConfigError(
        f'no layer matches "{pattern}"{did_you_mean(pattern, names)}',
        where="lora.targets",
        fix=f"layers that have a matrix: {', '.join(names)}",
    )
