"""Networks of encoder and decoder: the source is read once, and what comes of it is all a decoder needs of it.

A decoder that looks at a source is a `Decoder` like any other, so that the same loops choose its tokens.
Keys and values of the source do not belong to its cache: hypotheses of one row look at the same ones,
as more queries, and nothing is copied for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from governance.errors import ConfigError
from zoo.generation.decoders import Attend, AttentionDecoder, attention

if TYPE_CHECKING:
    import keras_hub

    from zoo.generation.decoders import Decoder


class Source(NamedTuple):
    """What the encoder made of a batch.

    Attributes:
        layers: keys and values for the cross-attention of each layer of the decoder, float
            [rows, heads, length, head width] each.
        visible: bool [rows, length], where there is no padding.
    """

    layers: tuple[tuple[Any, Any], ...]
    visible: Any


#: Queries [rows, count, heads, head width] to what is attended to in the source, of the same shape.
Across = Callable[[Any], Any]


@dataclass(frozen=True)
class EncoderDecoder:
    """What generation needs of a network of encoder and decoder.

    Args:
        task: has `call_encoder`.
        blocks: layers of the decoder.
        project: (block, states of the encoder) to keys and values of its cross-attention, [rows, length, heads,
            head width] each.
        stack: (a block and its cross-attention for each layer) to a decoder.
        scale: of scores of the cross-attention.
    """

    task: Any
    blocks: Sequence[Any]
    project: Callable[[Any, Any], tuple[Any, Any]]
    stack: Callable[[Sequence[tuple[Any, Across]]], Decoder]
    scale: float

    def encode(self, ids: Any, mask: Any) -> Source:
        """Reads sources.

        Args:
            ids: int32 [rows, length].
            mask: int32 [rows, length], 1 where that is no padding.
        """
        from keras import ops

        states = self.task.call_encoder(token_ids=ids, padding_mask=mask)

        def turned(block: Any) -> tuple[Any, Any]:
            keys, values = self.project(block, states)
            return ops.transpose(keys, (0, 2, 1, 3)), ops.transpose(values, (0, 2, 1, 3))

        return Source(tuple(map(turned, self.blocks)), ops.cast(mask, "bool"))

    def over(self, source: Source) -> Decoder:
        """The decoder that looks at these sources; it may have as many rows, or some for each of them."""
        visible = source.visible[:, None, None, None]

        def across(keys: Any, values: Any) -> Across:
            return lambda queries: _look(queries, keys, values, visible, self.scale)

        pairs = zip(self.blocks, source.layers, strict=True)
        return self.stack([(block, across(keys, values)) for block, (keys, values) in pairs])


def _look(queries: Any, keys: Any, values: Any, visible: Any, scale: float) -> Any:
    """Attention of rows to their source; rows that share one stand side by side."""
    from keras import ops

    together = ops.reshape(queries, (keys.shape[0], -1, *queries.shape[2:]))
    return ops.reshape(attention(together, keys, values, visible, scale=scale), queries.shape)


def encoder_decoder_of(task: keras_hub.models.Seq2SeqLM) -> EncoderDecoder:
    """Encoder and decoder of a task, by its backbone.

    Raises:
        ConfigError: this network cannot be read token by token.
    """
    import keras_hub

    known = {keras_hub.models.T5Backbone: _t5, keras_hub.models.BartBackbone: _bart}
    for backbone, make in known.items():
        if isinstance(task.backbone, backbone):
            return make(task)
    raise ConfigError(
        f"no decoder for {type(task.backbone).__name__}",
        where="model",
        fix="add one to zoo/generation/encoder_decoders.py",
    )


def _t5(task: Any) -> EncoderDecoder:
    """Scores are not scaled, and distances are added to them; those of the first layer go for all."""
    from keras import ops

    backbone = task.backbone
    blocks = backbone.decoder_transformer_layers
    first = blocks[0].self_attention
    heads, head_width = first.num_heads, first.key_value_dim

    def split(x: Any) -> Any:
        return ops.reshape(x, (*x.shape[:-1], heads, head_width))

    def joined(x: Any) -> Any:
        return ops.reshape(x, (*x.shape[:-2], heads * head_width))

    def project(block: Any, states: Any) -> tuple[Any, Any]:
        cross = block.cross_attention
        return split(cross.key_projector(states)), split(cross.value_projector(states))

    def layer(looking: tuple[Any, Across], x: Any, positions: Any, attend: Attend) -> Any:
        block, across = looking
        own, cross = block.self_attention, block.cross_attention
        normed = block.self_attention_layer_norm(x)
        queries, keys, values = (
            split(dense(normed)) for dense in (own.query_projector, own.key_projector, own.value_projector)
        )
        x = x + own.output_projector(joined(attend(queries, keys, values)))
        queries = split(cross.query_projector(block.cross_attention_layer_norm(x)))
        x = x + cross.output_projector(joined(across(queries)))
        normed = block.layer_norm(x)
        inner = block.input_projector(normed)
        inner = inner * block.gate_projector(normed) if block.use_gated_activation else inner
        return x + block.output_projector(inner)

    def stack(layers: Sequence[tuple[Any, Across]]) -> AttentionDecoder:
        return AttentionDecoder(
            backbone,
            embed=lambda ids, positions: backbone.token_embedding(ids),
            layer=layer,
            heads=heads,
            head_width=head_width,
            layers=layers,
            norm=backbone.decoder_layer_norm,
            logits=task._logits,  # with the factor that a tied table needs
            scale=1.0,
            bias=lambda count, slots, slot: first.compute_bias(count, slots, query_start_index=slot)[0],
        )

    return EncoderDecoder(task, blocks, project, stack, scale=1.0)


def _bart(task: Any) -> EncoderDecoder:
    """Sums are normalised, not what goes into a layer."""
    from keras import ops

    backbone = task.backbone
    blocks = backbone.decoder_transformer_layers
    heads = backbone.num_heads
    head_width = backbone.hidden_dim // heads

    def embed(ids: Any, positions: Any) -> Any:
        table = backbone.decoder_position_embedding.position_embeddings
        placed = ops.cast(ops.take(table, positions, axis=0), backbone.compute_dtype)
        return backbone.decoder_embeddings_layer_norm(backbone.token_embedding(ids) + placed)

    def project(block: Any, states: Any) -> tuple[Any, Any]:
        cross = block._cross_attention_layer
        return cross.key_dense(states), cross.value_dense(states)

    def layer(looking: tuple[Any, Across], x: Any, positions: Any, attend: Attend) -> Any:
        block, across = looking
        own, cross = block._self_attention_layer, block._cross_attention_layer
        attended = attend(own.query_dense(x), own.key_dense(x), own.value_dense(x))
        x = block._self_attention_layer_norm(x + own.output_dense(attended))
        x = block._cross_attention_layer_norm(x + cross.output_dense(across(cross.query_dense(x))))
        inner = block._feedforward_intermediate_dense(x)
        return block._feedforward_layer_norm(x + block._feedforward_output_dense(inner))

    def stack(layers: Sequence[tuple[Any, Across]]) -> AttentionDecoder:
        return AttentionDecoder(
            backbone,
            embed=embed,
            layer=layer,
            heads=heads,
            head_width=head_width,
            layers=layers,
            norm=lambda x: x,
        )

    return EncoderDecoder(task, blocks, project, stack, scale=head_width**-0.5)
