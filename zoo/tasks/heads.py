"""Heads on a backbone: one vector for a text, or one for each token, and a projection on top."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

from zoo.families.base import Family, hidden_states

Pooling = Literal["mean", "last", "none"]


class Head(keras.Model):  # type: ignore[misc]  # Keras has no types
    """A backbone, pooling, dropout, and a dense layer.

    Args:
        backbone: of a model of `family`.
        outputs: width of the projection.
        pooling: "mean" over the tokens of a text, the state of its "last" token (which alone has seen
            all of a decoder's text), or "none" for an output at each token.
        dropout: share of the pooled vector that is dropped in training.

    Inputs are int32 "inputs" and "padding_mask", [batch, length]; outputs float32 [batch, outputs], or
    [batch, length, outputs] without pooling.
    """

    def __init__(
        self,
        backbone: keras.Model,
        outputs: int,
        *,
        family: Family,
        pooling: Pooling,
        dropout: float = 0.1,
        seed: int = 0,
        name: str = "head",
    ) -> None:
        super().__init__(name=name)
        self.backbone = backbone
        self.family = family
        self.pooling = pooling
        self.drop = keras.layers.Dropout(dropout, seed=seed, name="head_dropout")
        self.dense = keras.layers.Dense(outputs, dtype="float32", name="head_dense")
        self.dense.build((None, backbone.hidden_dim))
        self.built = True
        _initialise(self.dense, seed)

    @property
    def new_layers(self) -> list[keras.layers.Layer]:
        """What LoRA trains whole: no base has it."""
        return [self.dense]

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        mask = inputs["padding_mask"]
        states = ops.cast(hidden_states(self.family, self.backbone, inputs["inputs"], mask, training), "float32")
        return self.dense(self.drop(pooled(states, mask, self.pooling), training=training))


class Pooled(keras.Model):  # type: ignore[misc]
    """A backbone and the mean over a text's tokens, normalised: float32 [batch, width]. No weights of its own."""

    def __init__(self, backbone: keras.Model, *, family: Family, name: str = "pooled") -> None:
        super().__init__(name=name)
        self.backbone = backbone
        self.family = family
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        mask = inputs["padding_mask"]
        states = hidden_states(self.family, self.backbone, inputs["inputs"], mask, training)
        return normalised(pooled(ops.cast(states, "float32"), mask, "mean"))


def pooled(states: Any, mask: Any, pooling: Pooling) -> Any:
    """float [batch, width] from states [batch, length, width] and int mask [batch, length]."""
    if pooling == "none":
        return states
    if pooling == "last":
        last = ops.maximum(ops.sum(mask, axis=1) - 1, 0)
        return ops.take_along_axis(states, last[:, None, None], axis=1)[:, 0]
    weights = ops.cast(mask, states.dtype)[:, :, None]
    return ops.sum(states * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)


def normalised(vectors: Any) -> Any:
    """Vectors of length 1."""
    return vectors / ops.maximum(ops.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _initialise(dense: keras.layers.Dense, seed: int) -> None:
    """From the seed alone, as `zoo.families.weights` does; 0.02 as in BERT."""
    import numpy as np

    draw = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, 0x68656164]))
    dense.kernel.assign(draw.standard_normal(tuple(dense.kernel.shape), np.float32) * np.float32(0.02))
    dense.bias.assign(np.zeros(tuple(dense.bias.shape), np.float32))
