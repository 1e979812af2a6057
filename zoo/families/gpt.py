"""GPT-2 (Radford et al. 2019) on `keras_hub.models.GPT2CausalLM`.

One dial: each size is a shape, and `xl` is the 1.5 B model of the paper. The learning rate falls
with the width, the context grows with the depth. The "about 1 M" of `nano` are its 1.3 M weights
without the tables, as Kaplan et al. count them: with 8,192 words a model of 1 M in all would be
mostly table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.families.base import Family, Size
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
        Size("large", 36, 1280, 20, 1024, 2.5e-4, 64, 0.1, 15_000_000_000),
        Size("xl", 48, 1600, 25, 1024, 2e-4, 64, 0.1, 31_000_000_000),
    )
}

_INTO_RESIDUAL = ("attention_output/kernel", "output_dense/kernel")


def parameters(size: Size, vocab_size: int) -> int:
    """All weights; the output projection is the token table and counts once."""
    width = size.width
    attention = 4 * width * width + 4 * width
    mlp = 8 * width * width + 5 * width
    norms = 4 * width
    return embedding_parameters(size, vocab_size) + size.layers * (attention + mlp + norms) + 2 * width


def embedding_parameters(size: Size, vocab_size: int) -> int:
    """Token and position tables."""
    return (vocab_size + size.context) * size.width


def build(
    size: Size, vocab_size: int, *, seed: int = 0, dropout: float | None = None, dtype: str = "float32"
) -> keras_hub.models.GPT2CausalLM:
    """Builds the task without a preprocessor (training reads ids).

    Args:
        size: the shape.
        vocab_size: words in the tokenizer.
        seed: decides the initial weights and the dropout masks.
        dropout: instead of the size's own.
        dtype: a Keras dtype policy, such as "mixed_bfloat16".
    """
    import keras_hub

    rate = size.dropout if dropout is None else dropout
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=vocab_size,
        num_layers=size.layers,
        num_heads=size.heads,
        hidden_dim=size.width,
        intermediate_dim=4 * size.width,
        dropout=rate,
        max_sequence_length=size.context,
        dtype=dtype,
        name="gpt2_backbone",
    )
    task = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None, name="gpt2_causal_lm")
    initialise(task, seed, transformer_deviation(size.layers, _INTO_RESIDUAL))
    return task


def preprocessor(tokenizer_dir: Path, sequence_length: int) -> keras_hub.models.GPT2CausalLMPreprocessor:
    """keras-hub's own, with our vocabulary: `GPT2CausalLM.from_preset` generates text with it."""
    import keras_hub

    tokenizer = keras_hub.models.GPT2Tokenizer(
        vocabulary=str(tokenizer_dir / "vocabulary.json"), merges=str(tokenizer_dir / "merges.txt")
    )
    return keras_hub.models.GPT2CausalLMPreprocessor(tokenizer=tokenizer, sequence_length=sequence_length)


def logits(task: keras_hub.models.GPT2CausalLM, batch: Mapping[str, Any], training: bool) -> Any:
    """float [batch, length, vocabulary], for int32 "inputs" [batch, length] without padding."""
    from keras import ops

    ids = batch["inputs"]
    return task({"token_ids": ids, "padding_mask": ops.ones_like(ids)}, training=training)


GPT = Family(
    name="gpt",
    shape="decoder",
    objective="causal_lm",
    tokenizer="bpe",
    sizes=SIZES,
    build=build,
    logits=logits,
    preprocessor=preprocessor,
    parameters=parameters,
    embedding_parameters=embedding_parameters,
)
