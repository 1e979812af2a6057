"""Llama (Touvron et al. 2023, arXiv:2302.13971) on `keras_hub.models.Llama3CausalLM`.

Rotary positions, RMSNorm, a gated MLP, and as in Llama 3 (Grattafiori et al. 2024, arXiv:2407.21783)
grouped queries and documents between `<|begin_of_text|>` and `<|end_of_text|>`. The output
projection is the token table, as in Llama 3.2 of 1 B and 3 B: at these sizes a second table would be
most of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.backend import standard_error_held_back
from zoo.families.base import Family, Size
from zoo.families.llama_model import remember_tying
from zoo.families.weights import initialise, transformer_deviation

if TYPE_CHECKING:
    import keras_hub

SIZES = {
    size.name: size
    for size in (
        #    name, layers, width, heads, context, rate, batch, dropout, tokens
        Size("nano", 3, 192, 3, 256, 3e-3, 8, 0.0, 1_250_000),
        Size("micro", 6, 256, 4, 256, 2e-3, 16, 0.0, 10_000_000),
        Size("mini", 8, 384, 6, 512, 1.5e-3, 16, 0.0, 100_000_000),
        Size("small", 12, 768, 12, 1024, 6e-4, 32, 0.1, 2_500_000_000),
        Size("medium", 24, 1024, 16, 1024, 3e-4, 64, 0.1, 7_000_000_000),
        Size("large", 32, 1536, 24, 2048, 2.5e-4, 64, 0.1, 17_000_000_000),
        Size("xl", 32, 2048, 32, 2048, 2e-4, 64, 0.1, 30_000_000_000),
    )
}

_INTO_RESIDUAL = ("attention_output/kernel", "feedforward_output_dense/kernel")


def kv_heads(size: Size) -> int:
    """Heads for keys and values: a quarter of the query heads or a third, as in Llama 3 and 3.2, where
    that is a whole number."""
    return next(size.heads // share for share in (4, 3, 1) if size.heads % share == 0)


def inner_width(size: Size) -> int:
    """Of the gated MLP: 8/3 of the width, so that three matrices weigh as much as two of four times the
    width (Shazeer 2020, arXiv:2002.05202), rounded up to a multiple of 64."""
    return -(-8 * size.width // (3 * 64)) * 64


def parameters(size: Size, vocab_size: int) -> int:
    """All weights; the output projection is the token table and counts once."""
    width = size.width
    keys_and_values = 2 * width * (width // size.heads) * kv_heads(size)
    layer = 2 * width * width + keys_and_values + 3 * width * inner_width(size) + 2 * width
    return embedding_parameters(size, vocab_size) + size.layers * layer + width


def embedding_parameters(size: Size, vocab_size: int) -> int:
    """The token table; rotary positions have none."""
    return vocab_size * size.width


def build(
    size: Size, vocab_size: int, *, seed: int = 0, dropout: float | None = None, dtype: str = "float32"
) -> keras_hub.models.Llama3CausalLM:
    """Builds the task without a preprocessor (training reads ids).

    Args:
        size: the shape.
        vocab_size: words in the tokenizer.
        seed: decides the initial weights and the dropout masks.
        dropout: instead of the size's own.
        dtype: a Keras dtype policy, such as "mixed_bfloat16".
    """
    import keras_hub

    backbone = keras_hub.models.Llama3Backbone(
        vocabulary_size=vocab_size,
        num_layers=size.layers,
        num_query_heads=size.heads,
        num_key_value_heads=kv_heads(size),
        hidden_dim=size.width,
        intermediate_dim=inner_width(size),
        dropout=size.dropout if dropout is None else dropout,
        tie_word_embeddings=True,
        dtype=dtype,
        name="llama_backbone",
    )
    remember_tying(backbone)
    task = keras_hub.models.Llama3CausalLM(backbone, preprocessor=None, name="llama_causal_lm")
    initialise(task, seed, transformer_deviation(size.layers, _INTO_RESIDUAL))
    return task


def preprocessor(tokenizer_dir: Path, sequence_length: int) -> keras_hub.models.CausalLMPreprocessor:
    """keras-hub's own, with our vocabulary: `CausalLM.from_preset` generates text with it."""
    import keras_hub

    pieces = tokenizer_dir / "vocabulary.spm"
    if pieces.is_file():  # of Llama 1 or 2
        with standard_error_held_back():  # it says that it normalises nothing
            older = keras_hub.models.LlamaTokenizer(pieces.read_bytes())
        return keras_hub.models.LlamaCausalLMPreprocessor(
            tokenizer=older, sequence_length=sequence_length, add_start_token=True
        )
    tokenizer = keras_hub.models.Llama3Tokenizer(
        vocabulary=str(tokenizer_dir / "vocabulary.json"), merges=str(tokenizer_dir / "merges.txt")
    )
    return keras_hub.models.Llama3CausalLMPreprocessor(
        tokenizer=tokenizer, sequence_length=sequence_length, add_start_token=True
    )


def logits(task: keras_hub.models.Llama3CausalLM, batch: Mapping[str, Any], training: bool) -> Any:
    """float [batch, length, vocabulary], for int32 "inputs" [batch, length] without padding."""
    from keras import ops

    ids = batch["inputs"]
    return task({"token_ids": ids, "padding_mask": ops.ones_like(ids)}, training=training)


LLAMA = Family(
    name="llama",
    shape="decoder",
    objective="causal_lm",
    tokenizer="llama3",
    sizes=SIZES,
    build=build,
    logits=logits,
    preprocessor=preprocessor,
    parameters=parameters,
    embedding_parameters=embedding_parameters,
)
