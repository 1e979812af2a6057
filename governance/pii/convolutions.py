"""The layers with which spaCy's recognizer looks at the neighbours of a word, on many texts at once.

Four convolutions (`spacy.MaxoutWindowEncoder.v2`), each a matrix over a token and one neighbour on each side, the
greatest of three sums (maxout; Goodfellow et al. 2013, arXiv:1302.4389), layer normalization (Ba et al. 2016,
arXiv:1607.06450), and what came in added to what comes out. thinc computes the same with its own loops: here numpy's
take the greatest and fill the matrix of neighbours in place, which halves the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.errors import DetectorError

Floats = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

_TINY = np.float32(1e-8)  # as in thinc


@dataclass(frozen=True)
class _Layer:
    """A convolution: weights (3, 3 * width, width) and bias (3, width) by place among the sums, and the scale and shift
    (width,) of the normalization."""

    weights: Floats
    bias: Floats
    scale: Floats
    shift: Floats

    @classmethod
    def of(cls, residual: Any) -> _Layer:
        """Of thinc's model. Raises ValueError, IndexError or KeyError where it has another form."""
        (convolution,) = residual.layers
        window, body = convolution.layers
        maxout, normalization = body.layers[0].layers
        if window.attrs["window_size"] != 1 or [maxout.name, normalization.name] != ["maxout", "layernorm"]:
            raise ValueError(convolution.name)
        weights = np.ascontiguousarray(maxout.get_param("W").transpose(1, 2, 0))  # from (width, 3, 3 * width)
        bias = np.ascontiguousarray(maxout.get_param("b").T)
        return cls(weights, bias, normalization.get_param("G"), normalization.get_param("b"))

    def __call__(self, neighbours: Floats) -> Floats:
        """float32 [tokens, width] of float32 [tokens, 3 * width]: of each token the one before, itself, the next."""
        greatest: Floats = neighbours @ self.weights[0]
        greatest += self.bias[0]
        for weights, bias in zip(self.weights[1:], self.bias[1:], strict=True):
            other = neighbours @ weights
            other += bias
            np.maximum(greatest, other, out=greatest)
        greatest -= greatest.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", greatest, greatest) / np.float32(greatest.shape[1])
        greatest *= (variance + _TINY)[:, None] ** np.float32(-0.5)
        greatest *= self.scale
        greatest += self.shift
        return greatest


class Convolutions:
    """Encodes tokens by their neighbours.

    Args:
        model: thinc's model of the layers.

    Raises:
        DetectorError: it has another form.
    """

    def __init__(self, model: Any) -> None:
        try:
            (chained,) = model.layers
            self._layers = [_Layer.of(layer) for layer in chained.layers]
            known = model.name.startswith("with_array") and model.attrs["pad"] == len(self._layers)
        except (ValueError, IndexError, KeyError):
            known = False
        if not known:
            raise DetectorError(
                "the layers of the spaCy model's recognizer have an unknown form", fix="install en_core_web_sm 3.8"
            )

    def __call__(self, vectors: Floats, lengths: Sequence[int]) -> Floats:
        """float32 [tokens, width] of float32 [tokens, width].

        Args:
            lengths: tokens of each text, of which none is empty. Between two texts lie zeros, more of them than one
                text's tokens can see.
        """
        pad = len(self._layers)
        sizes = np.asarray(lengths)
        places = np.arange(len(vectors)) + np.repeat(pad * np.arange(1, len(sizes) + 1), sizes)
        width = vectors.shape[1]
        neighbours = np.zeros((len(vectors) + pad * (len(sizes) + 1), 3 * width), np.float32)
        before, own, after = (neighbours[:, start : start + width] for start in (0, width, 2 * width))
        own[places] = vectors
        for layer in self._layers:
            before[1:], after[:-1] = own[:-1], own[1:]
            own += layer(neighbours)
        encoded: Floats = own[places]
        return encoded
