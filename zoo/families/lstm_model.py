"""A stacked LSTM with the interface of keras-hub's causal language models.

Generation there goes through `call_with_cache`. An attention cache holds keys and values of each
position; here it holds each position's state, so that a batch of prompts of unequal lengths can go
on from any position, as it can with attention.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import keras
import keras_hub
from keras import ops

#: Within a loop over positions, the one copy of the cell's recurrent kernel that all of them use; each thread that
#: traces a function has its own.
_recurrent_kernel: ContextVar[Any] = ContextVar("recurrent_kernel", default=None)

_register = keras.saving.register_keras_serializable(package="domain_zoo")


@_register
class _Cell(keras.layers.LSTMCell):  # type: ignore[misc]  # Keras has no types
    """Gives hidden and cell state side by side, where Keras' cell gives the hidden state alone.

    Within `_recurrent_kernel` it is called with gates instead of inputs.
    """

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        held = _recurrent_kernel.get()
        gates, kernel = (self.gates(inputs), self.recurrent_kernel) if held is None else (inputs, held)
        hidden, cell = states
        admit, keep, candidate, show = ops.split(gates + ops.matmul(hidden, kernel), 4, axis=-1)
        cell = ops.sigmoid(keep) * cell + ops.sigmoid(admit) * ops.tanh(candidate)
        hidden = ops.sigmoid(show) * ops.tanh(cell)
        return ops.concatenate([hidden, cell], axis=-1), [hidden, cell]

    def gates(self, inputs: Any) -> Any:
        """What inputs [..., width] say of the gates, [..., 4 * units]: input, forget, candidate, output."""
        return ops.matmul(inputs, self.kernel) + self.bias


@_register
class RNN(keras.layers.RNN):  # type: ignore[misc]
    """Multiplies the inputs of all positions at once, and reads no variable within the loop over positions: of what
    is read there, TensorFlow keeps a copy for each position, for the gradient.

    Keras names the groups in a weights file by the class, so that another name would be another file format.
    """

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        gates = self.cell.gates(sequences)
        token = _recurrent_kernel.set(ops.copy(self.cell.recurrent_kernel))
        try:
            return super().inner_loop(gates, initial_state, mask, training)
        finally:
            _recurrent_kernel.reset(token)


@_register
class LSTMBackbone(keras_hub.models.Backbone):  # type: ignore[misc]
    """Token table and stacked LSTM layers.

    Args:
        vocabulary_size: rows of the token table.
        num_layers: LSTM layers.
        hidden_dim: width of table, hidden and cell states.
        dropout: share of activations dropped after the table and each layer.

    Inputs are {"token_ids": int32 [batch, length]}, outputs float [batch, length, hidden_dim].
    """

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        hidden_dim: int,
        dropout: float = 0.0,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        self.token_embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size, hidden_dim, tie_weights=True, dtype=dtype, name="token_embedding"
        )
        self.lstm_layers = [
            RNN(_Cell(hidden_dim, dtype=dtype, name="cell"), return_sequences=True, dtype=dtype, name=f"lstm_{index}")
            for index in range(num_layers)
        ]
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        x = keras.layers.Dropout(dropout, dtype=dtype, name="embedding_dropout")(self.token_embedding(token_ids))
        for index, layer in enumerate(self.lstm_layers):
            hidden = layer(x)[..., :hidden_dim]
            x = keras.layers.Dropout(dropout, dtype=dtype, name=f"dropout_{index}")(hidden)
        super().__init__(inputs={"token_ids": token_ids}, outputs=x, dtype=dtype, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.hidden_dim = hidden_dim
        self.dropout = dropout

    def get_config(self) -> dict[str, Any]:
        own = ("vocabulary_size", "num_layers", "hidden_dim", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@_register
class LSTMTokenizer(keras_hub.tokenizers.BytePairTokenizer):  # type: ignore[misc]
    """keras-hub's byte-level BPE; `<|endoftext|>` stands between documents."""

    backbone_cls = LSTMBackbone

    def __init__(self, vocabulary: Any = None, merges: Any = None, **kwargs: Any) -> None:
        self._add_special_token("<|endoftext|>", "end_token")
        self._add_special_token("<|endoftext|>", "start_token")
        self.pad_token_id = 0
        super().__init__(vocabulary=vocabulary, merges=merges, **kwargs)


@_register
class LSTMCausalLMPreprocessor(keras_hub.models.CausalLMPreprocessor):  # type: ignore[misc]
    """Text to token ids and back."""

    backbone_cls = LSTMBackbone
    tokenizer_cls = LSTMTokenizer


@_register
class LSTMCausalLM(keras_hub.models.CausalLM):  # type: ignore[misc]
    """Next-token logits, float [batch, length, vocabulary_size]."""

    backbone_cls = LSTMBackbone
    preprocessor_cls = LSTMCausalLMPreprocessor
    generate_step = keras_hub.models.LlamaCausalLM.generate_step  # asks for nothing but the two methods below

    def __init__(self, backbone: LSTMBackbone, preprocessor: Any = None, **kwargs: Any) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        outputs = backbone.token_embedding(backbone(backbone.input), reverse=True)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def call_with_cache(self, token_ids: Any, cache: Any, cache_update_index: Any) -> tuple[Any, Any, Any]:
        """Forward pass of the tokens from a position on, from the state before that position.

        Args:
            token_ids: int32 [batch, tokens].
            cache: float [batch, layers, length + 1, 2 * hidden_dim]; entry p is the state (hidden, cell)
                before position p, that before position 0 being zeros.
            cache_update_index: position of the first token.

        Returns:
            logits [batch, tokens, vocabulary], hidden states [batch, tokens, hidden_dim], new cache.
        """
        width = self.backbone.hidden_dim
        rows = ops.shape(token_ids)[0]
        x = self.backbone.token_embedding(token_ids)
        for index, layer in enumerate(self.backbone.lstm_layers):
            before = ops.slice(cache, [0, index, cache_update_index, 0], [rows, 1, 1, 2 * width])[:, 0, 0]
            states = layer(x, initial_state=[before[:, :width], before[:, width:]])
            start = [0, index, cache_update_index + 1, 0]
            cache = ops.slice_update(cache, start, ops.cast(states, cache.dtype)[:, None])
            x = states[..., :width]
        return self.backbone.token_embedding(x, reverse=True), x, cache

    def _build_cache(self, token_ids: Any) -> tuple[Any, Any]:
        rows, length = token_ids.shape
        shape = (rows, self.backbone.num_layers, length + 1, 2 * self.backbone.hidden_dim)
        _, hidden, cache = self.call_with_cache(token_ids, ops.zeros(shape, self.compute_dtype), 0)
        return hidden, cache
