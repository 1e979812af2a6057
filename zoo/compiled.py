"""Functions that are compiled once for each of a few shapes, and what keeps the shapes few."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DataError

if TYPE_CHECKING:
    import keras

#: Rows that are computed at once; a request takes the smallest that fits.
BATCH_SIZES = (1, 4, 16)
#: The first of the lengths in tokens that are compiled, doubled up to the model's context. Of what writes an answer …
_SHORTEST_LENGTH = 256
#: … and of what reads a text once, whose cost is that of its length.
SHORTEST_READ = 32
#: What Python makes of bytes on the command line that are not UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")


def compiled(task: keras.Model, function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of arrays, or of dictionaries of them, that reads the task's variables; returns NumPy."""
    import numpy as np

    on_device = jitted(task, function)
    return lambda *arrays: np.asarray(on_device(*arrays))


def jitted(task: keras.Model, function: Callable[..., Any]) -> Callable[..., Any]:
    """As `compiled`; returns arrays of the backend, nested as the function has them, which may go in again."""
    import keras

    if keras.config.backend() == "jax":
        import jax

        def pure(values: list[Any], *arrays: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(task.variables, values, strict=True))):
                return function(*arrays)

        compute = jax.jit(pure)
        return lambda *arrays: compute([variable.value for variable in task.variables], *arrays)

    import tensorflow as tf

    graph = tf.function(function, jit_compile=True, autograph=False)
    return lambda *arrays: graph(*keras.tree.map_structure(tf.convert_to_tensor, arrays))


def bucket(size: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that holds `size`, else the largest."""
    return next((bucket for bucket in buckets if bucket >= size), buckets[-1])


def lengths_up_to(context: int, *, shortest: int = _SHORTEST_LENGTH) -> list[int]:
    """The lengths that are compiled, in tokens, the last one being the context."""
    lengths, length = [], shortest
    while length < context:
        lengths.append(length)
        length *= 2
    return [*lengths, context]


def in_order_of_length(rows: Sequence[Sequence[int]], compute: Callable[[list[Any]], Any]) -> Any:
    """What a function gives for rows of unequal lengths, in their order; it gets them with the shortest first, so
    that those of one batch are about as long and little is padding.

    Args:
        compute: of one row at least, to an array whose first axis is theirs.
    """
    import numpy as np

    order = np.argsort([len(row) for row in rows], kind="stable")
    found = compute([rows[index] for index in order])
    out = np.empty_like(found)
    out[order] = found
    return out


def check_utf8(texts: Sequence[str]) -> None:
    """Raises DataError for a text that is no valid Unicode, ConfigError for what is no text."""
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if wrong is not None:
        raise ConfigError(f"a text is a string, not {type(wrong).__name__}", where="texts")
    if any(_SURROGATE.search(text) for text in texts):
        raise DataError("the text is not UTF-8", fix="give it in UTF-8")
