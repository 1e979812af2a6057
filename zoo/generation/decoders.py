"""Networks read token by token: a cache of what was read, and one position after the other.

All rows of a batch stand at the same slot of the cache, since a write to one place is what XLA does
without copying; so prompts are aligned at their ends, and a row's `pads` first slots hold nothing. Its
positions count from there. (keras-hub's `call_with_cache` has no such pads, so that a batch waits for
its shortest prompt, and its cache in one array is copied in each step.) The layers are keras-hub's own;
only attention to the cache is ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from governance.errors import ConfigError
from zoo.generation.choose import NEVER

if TYPE_CHECKING:
    import keras_hub

#: A nested tuple of arrays; the first axis of each is that of rows.
Cache = Any


class Decoder(Protocol):
    """What generation needs of a network."""

    width: int

    def empty(self, rows: int, slots: int) -> Cache:
        """A cache of nothing."""

    def read(self, ids: Any, cache: Cache, slot: Any, pads: Any, *, alternatives: bool = False) -> tuple[Any, Cache]:
        """Reads tokens from `slot` on.

        Args:
            ids: int32 [rows, count].
            slot: int32, of the first token; all slots before it were read.
            pads: int32 [rows], slots that hold nothing; a token read there changes nothing.
            alternatives: the tokens are alternatives for one slot, and none of them is remembered: the
                next read must begin at this slot. `count` slots from it on must exist.

        Returns:
            States float [rows, count, width], and the cache.
        """

    def logits(self, states: Any) -> Any:
        """float32 [..., vocabulary] of states [..., width]."""


def decoder_of(task: keras_hub.models.CausalLM) -> Decoder:
    """The decoder of a task, by its backbone.

    Raises:
        ConfigError: this network cannot be read token by token.
    """
    import keras_hub

    from zoo.families.lstm_model import LSTMBackbone

    known: dict[type, Callable[[Any], Decoder]] = {
        keras_hub.models.GPT2Backbone: _gpt2,
        keras_hub.models.LlamaBackbone: _llama,
        LSTMBackbone: RecurrentDecoder,
    }
    for backbone, make in known.items():
        if isinstance(task.backbone, backbone):
            return make(task.backbone)
    raise ConfigError(
        f"no decoder for {type(task.backbone).__name__}", where="model", fix="add one to zoo/generation/decoders.py"
    )


#: attend(queries, keys, values), each [rows, count, heads, head width], to what is attended to, of the same shape.
Attend = Callable[[Any, Any, Any], Any]


class AttentionDecoder:
    """A stack of layers with causal self-attention. The cache has keys and values of each layer, float
    [rows, heads, slots, head width] each.

    Args:
        backbone: gives width and dtype, and what is not given of layers, final norm and token table.
        embed: (ids, positions) to states.
        layer: (layer, states, positions, attend) to states; it calls attend once.
        heads: of keys and values.
        layers: what `layer` is called with, one after the other.
        norm: of what the last layer gives.
        logits: of states.
        scale: of attention scores; None for head width^-0.5.
        bias: (count, slots, slot) to what is added to the scores of `count` tokens from `slot` on, float32
            [heads, count, slots].
    """

    def __init__(
        self,
        backbone: Any,
        *,
        embed: Callable[[Any, Any], Any],
        layer: Callable[[Any, Any, Any, Attend], Any],
        heads: int,
        head_width: int,
        layers: Sequence[Any] | None = None,
        norm: Callable[[Any], Any] | None = None,
        logits: Callable[[Any], Any] | None = None,
        scale: float | None = None,
        bias: Callable[[int, int, Any], Any] | None = None,
    ) -> None:
        self.width: int = backbone.hidden_dim
        self._backbone = backbone
        self._embed = embed
        self._layer = layer
        self._heads, self._head_width = heads, head_width
        self._layers: Sequence[Any] = backbone.transformer_layers if layers is None else layers
        self._norm = backbone.layer_norm if norm is None else norm
        self._logits = logits or functools.partial(backbone.token_embedding, reverse=True)
        self._scale = head_width**-0.5 if scale is None else scale
        self._bias = bias

    def empty(self, rows: int, slots: int) -> Cache:
        from keras import ops

        shape = (rows, self._heads, slots, self._head_width)
        dtype = self._backbone.compute_dtype
        return tuple((ops.zeros(shape, dtype), ops.zeros(shape, dtype)) for _ in self._layers)

    def read(self, ids: Any, cache: Cache, slot: Any, pads: Any, *, alternatives: bool = False) -> tuple[Any, Cache]:
        from keras import ops

        count, slots = ids.shape[1], cache[0][0].shape[2]
        order = ops.arange(count, dtype="int32")
        places = slot + order
        positions = ops.maximum((slot if alternatives else places) - pads[:, None], 0) + ops.zeros_like(ids)
        visible = _visible(slots, slot, places, pads, alternatives)
        bias = None if self._bias is None else self._bias(1 if alternatives else count, slots, slot)
        x = self._embed(ids, positions)
        updated = []
        for layer, (keys, values) in zip(self._layers, cache, strict=True):
            cached = _CachedAttention(keys, values, slot, visible, self._scale, bias)
            x = self._layer(layer, x, positions, cached)
            updated.append((cached.keys, cached.values))
        return self._norm(x), tuple(updated)

    def logits(self, states: Any) -> Any:
        from keras import ops

        return ops.cast(self._logits(states), "float32")


def _visible(slots: int, slot: Any, places: Any, pads: Any, alternatives: bool) -> Any:
    """bool [rows, 1, 1, count, slots]: which slots a token sees."""
    from keras import ops

    all_slots = ops.arange(slots, dtype="int32")
    until = all_slots[None] <= places[:, None]
    if alternatives:  # none sees another one
        until = ops.logical_or(all_slots[None] < slot, all_slots[None] == places[:, None])
    return ops.logical_and(until[None], all_slots[None, None] >= pads[:, None, None])[:, None, None]


class _CachedAttention:
    """Attention of one layer to its cache; called once, after which `keys` and `values` are the new cache."""

    def __init__(self, keys: Any, values: Any, slot: Any, visible: Any, scale: float, bias: Any) -> None:
        self.keys, self.values = keys, values
        self._slot, self._visible, self._scale, self._bias = slot, visible, scale, bias

    def __call__(self, queries: Any, keys: Any, values: Any) -> Any:
        from keras import ops

        start = (0, 0, self._slot, 0)
        self.keys = ops.slice_update(self.keys, start, ops.transpose(keys, (0, 2, 1, 3)))
        self.values = ops.slice_update(self.values, start, ops.transpose(values, (0, 2, 1, 3)))
        return attention(queries, self.keys, self.values, self._visible, scale=self._scale, bias=self._bias)


def attention(queries: Any, keys: Any, values: Any, visible: Any, *, scale: float, bias: Any = None) -> Any:
    """What queries attend to; groups of them share keys and values.

    Args:
        queries: float [rows, count, query heads, head width].
        keys, values: float [rows, heads, slots, head width].
        visible: bool [rows, 1, 1, count or 1, slots].
        bias: float32 [heads, count or 1, slots], None for none.

    Returns:
        float [rows, count, query heads, head width].
    """
    from keras import ops

    rows, count, query_heads, width = queries.shape
    heads, slots = keys.shape[1:3]
    groups = query_heads // heads
    queries = ops.transpose(queries * scale, (0, 2, 1, 3))
    queries = ops.reshape(queries, (rows, heads, groups * count, width))
    scores = ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2)))
    scores = ops.reshape(ops.cast(scores, "float32"), (rows, heads, groups, count, slots))
    scores = scores if bias is None else scores + bias[:, None]
    weights = ops.cast(ops.softmax(ops.where(visible, scores, NEVER)), values.dtype)
    attended = ops.matmul(ops.reshape(weights, (rows, heads, groups * count, slots)), values)
    attended = ops.reshape(attended, (rows, query_heads, count, width))
    return ops.transpose(attended, (0, 2, 1, 3))


def _gpt2(backbone: Any) -> AttentionDecoder:
    from keras import ops

    def embed(ids: Any, positions: Any) -> Any:
        table = backbone.position_embedding.position_embeddings
        placed = ops.cast(ops.take(table, positions, axis=0), backbone.compute_dtype)
        return backbone.token_embedding(ids) + placed

    def layer(block: Any, x: Any, positions: Any, attend: Attend) -> Any:
        attention = block._self_attention_layer
        normed = block._self_attention_layer_norm(x)
        queries, keys, values = (
            dense(normed) for dense in (attention.query_dense, attention.key_dense, attention.value_dense)
        )
        x = x + attention.output_dense(attend(queries, keys, values))
        inner = block._feedforward_intermediate_dense(block._feedforward_layer_norm(x))
        return x + block._feedforward_output_dense(inner)

    heads = backbone.num_heads
    return AttentionDecoder(backbone, embed=embed, layer=layer, heads=heads, head_width=backbone.hidden_dim // heads)


def _llama(backbone: Any) -> AttentionDecoder:
    from keras import ops

    def embed(ids: Any, positions: Any) -> Any:
        return backbone.token_embedding(ids)

    def layer(block: Any, x: Any, positions: Any, attend: Attend) -> Any:
        attention = block._self_attention_layer
        normed = block._self_attention_layernorm(x)
        turn = attention.rotary_embedding_layer
        queries = turn(attention._query_dense(normed), positions=positions)
        keys = turn(attention._key_dense(normed), positions=positions)
        x = x + attention._output_dense(attend(queries, keys, attention._value_dense(normed)))
        normed = block._feedforward_layernorm(x)
        gate = block.activation(ops.cast(block._feedforward_gate_dense(normed), "float32"))
        inner = block._feedforward_intermediate_dense(normed) * ops.cast(gate, x.dtype)
        return x + block._feedforward_output_dense(inner)

    return AttentionDecoder(
        backbone,
        embed=embed,
        layer=layer,
        heads=backbone.num_key_value_heads,
        head_width=backbone.hidden_dim // backbone.num_query_heads,
    )


class RecurrentDecoder:
    """Stacked LSTM layers. The cache has hidden and cell state of each layer, side by side, [rows, 2 * width]."""

    def __init__(self, backbone: Any) -> None:
        self.width: int = backbone.hidden_dim
        self._backbone = backbone

    def empty(self, rows: int, slots: int) -> Cache:
        from keras import ops

        shape, dtype = (rows, 2 * self.width), self._backbone.compute_dtype
        return tuple(ops.zeros(shape, dtype) for _ in self._backbone.lstm_layers)

    def read(self, ids: Any, cache: Cache, slot: Any, pads: Any, *, alternatives: bool = False) -> tuple[Any, Cache]:
        from keras import ops

        if alternatives:
            count = ids.shape[1]
            repeated = tuple(ops.repeat(state, count, axis=0) for state in cache)
            states, _ = self._step(ops.reshape(ids, (-1, 1)), repeated)
            return ops.reshape(states, (*ids.shape, self.width)), cache
        if ids.shape[1] == 1:
            return self._step(ids, cache)
        present = slot + ops.arange(ids.shape[1], dtype="int32")[None] >= pads[:, None]
        x = self._backbone.token_embedding(ids)
        updated = []
        for layer, before in zip(self._backbone.lstm_layers, cache, strict=True):
            states = layer(x, initial_state=self._halves(before), mask=present)
            updated.append(ops.cast(states[:, -1], before.dtype))
            x = states[..., : self.width]
        return x, tuple(updated)

    def _step(self, ids: Any, cache: Cache) -> tuple[Any, Cache]:
        """One token: the cell alone, without a loop over time."""
        x = self._backbone.token_embedding(ids)[:, 0]
        updated = []
        for layer, before in zip(self._backbone.lstm_layers, cache, strict=True):
            state, _ = layer.cell(x, self._halves(before))
            updated.append(state)
            x = state[:, : self.width]
        return x[:, None], tuple(updated)

    def _halves(self, state: Any) -> list[Any]:
        return [state[:, : self.width], state[:, self.width :]]

    def logits(self, states: Any) -> Any:
        from keras import ops

        return ops.cast(self._backbone.token_embedding(states, reverse=True), "float32")
