"""keras-hub's BERT, RoBERTa and DistilBERT with two things that it has no argument for: the activation and
the epsilon of the normalisations.

keras-hub 0.32 computes BERT's GELU by tanh's approximation, where the published models and Hugging Face
have the exact one, and its head for masked words normalises with 1e-5, where theirs has 1e-12. The states of
all-MiniLM-L6-v2 differ by up to 7e-3 for the first alone. With these classes they agree, and nothing else is
different: the weights have the same paths.
"""

from __future__ import annotations

from typing import Any

import keras
import keras_hub

from zoo.families.activations import activation_function

_register = keras.saving.register_keras_serializable(package="domain_zoo")


def _set(layers: list[keras.Layer], activation: str, epsilon: float) -> None:
    for layer in layers:
        if isinstance(layer, keras.layers.LayerNormalization):
            layer.epsilon = epsilon
        elif layer.name in ("feedforward_intermediate_dense", "intermediate_dense"):
            layer.activation = activation_function(activation)


class _Exact:
    """Mixed in before a keras-hub backbone.

    Args:
        activation: of the MLP, and of the head for masked words (RoBERTa's is always the exact GELU).
        layer_norm_epsilon: of all normalisations.
    """

    def __init__(self, activation: str = "gelu", layer_norm_epsilon: float = 1e-12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        _set(list(self._flatten_layers()), activation, layer_norm_epsilon)  # type: ignore[attr-defined]

    def get_config(self) -> dict[str, Any]:
        own = {"activation": self.activation, "layer_norm_epsilon": self.layer_norm_epsilon}
        return {**super().get_config(), **own}  # type: ignore[misc]


class _ExactHead:
    """Mixed in before a keras-hub masked language model."""

    #: None: that of the backbone.
    head_activation: str | None = None
    head_epsilon: float | None = None

    def __init__(self, backbone: Any, preprocessor: Any = None, **kwargs: Any) -> None:
        super().__init__(backbone, preprocessor=preprocessor, **kwargs)  # type: ignore[call-arg]
        head = self.masked_lm_head  # type: ignore[attr-defined]
        layers = [head._intermediate_dense, head._intermediate_layer_norm]
        _set(layers, self.head_activation or backbone.activation, self.head_epsilon or backbone.layer_norm_epsilon)


@_register
class BertBackbone(_Exact, keras_hub.models.BertBackbone):  # type: ignore[misc]  # Keras has no types
    pass


@_register
class BertMaskedLM(_ExactHead, keras_hub.models.BertMaskedLM):  # type: ignore[misc]
    backbone_cls = BertBackbone


@_register
class RobertaBackbone(_Exact, keras_hub.models.RobertaBackbone):  # type: ignore[misc]
    pass


@_register
class RobertaMaskedLM(_ExactHead, keras_hub.models.RobertaMaskedLM):  # type: ignore[misc]
    backbone_cls = RobertaBackbone
    head_activation = "gelu"


@_register
class DistilBertBackbone(_Exact, keras_hub.models.DistilBertBackbone):  # type: ignore[misc]
    pass


@_register
class DistilBertMaskedLM(_ExactHead, keras_hub.models.DistilBertMaskedLM):  # type: ignore[misc]
    backbone_cls = DistilBertBackbone
    head_epsilon = 1e-12
