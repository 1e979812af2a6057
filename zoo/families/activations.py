"""Activations by the names that Hugging Face gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Those that both sides have. "gelu" is exact, the next two are its approximation by tanh.
NAMES = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu")


def activation_function(name: str) -> Callable[[Any], Any]:
    """Keras' function for a name in `NAMES`."""
    import keras
    import keras_hub  # noqa: F401 - registers the approximation, which Keras has no name for

    if name in ("gelu_new", "gelu_pytorch_tanh"):
        function: Callable[[Any], Any] | None = keras.saving.get_registered_object("keras_hub>gelu_approximate")
        assert function is not None, "keras-hub registers it"
        return function
    return keras.activations.get(name)  # type: ignore[no-any-return]


def activation_name(function: Callable[[Any], Any]) -> str | None:
    """The name in `NAMES` of a Keras function; None if it has none."""
    return next((name for name in NAMES if activation_function(name) is function), None)
