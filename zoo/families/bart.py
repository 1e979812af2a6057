"""BART (Lewis et al. 2020, arXiv:1910.13461) on `keras_hub.models.BartSeq2SeqLM`.

A bidirectional encoder and a decoder of the same depth, with learned positions, normalised sums and
GELU, on byte-level BPE. The output projection is the token table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.families.base import Family, Size
from zoo.families.seq2seq import flops_per_token, logits, sizes, with_lengths
from zoo.families.weights import initialise

if TYPE_CHECKING:
    import keras_hub

SIZES = sizes(nano=2e-3, micro=1.5e-3, mini=1e-3, small=6e-4, medium=4e-4)


def parameters(size: Size, vocab_size: int) -> int:
    """All weights; the output projection is the token table and counts once."""
    width = size.width
    encoder_layer = 12 * width * width + 13 * width
    decoder_layer = 16 * width * width + 19 * width
    return embedding_parameters(size, vocab_size) + size.layers * (encoder_layer + decoder_layer) + 4 * width


def embedding_parameters(size: Size, vocab_size: int) -> int:
    """The token table, and of each half the table of positions."""
    return (vocab_size + 2 * size.context) * size.width


def training_flops(size: Size, vocab_size: int, window: int) -> int:
    """For each token of the decoder, which writes a whole window; for 0.3 of them, which are hidden, the
    encoder has half as many places for masks."""
    return flops_per_token(size, vocab_size, window, mlp=8 * size.width * size.width, source=0.85, target=1.0)


def build(
    size: Size, vocab_size: int, *, seed: int = 0, dropout: float | None = None, dtype: str = "float32"
) -> keras_hub.models.BartSeq2SeqLM:
    """Builds the task without a preprocessor (training reads ids).

    Args:
        size: the shape.
        vocab_size: words in the tokenizer.
        seed: decides the initial weights and the dropout masks.
        dropout: instead of the size's own.
        dtype: a Keras dtype policy, such as "mixed_bfloat16".
    """
    import keras_hub

    backbone = keras_hub.models.BartBackbone(
        vocabulary_size=vocab_size,
        num_layers=size.layers,
        num_heads=size.heads,
        hidden_dim=size.width,
        intermediate_dim=4 * size.width,
        dropout=size.dropout if dropout is None else dropout,
        max_sequence_length=size.context,
        dtype=dtype,
        name="bart_backbone",
    )
    task = keras_hub.models.BartSeq2SeqLM(backbone, preprocessor=None, name="bart_seq2seq_lm")
    initialise(task, seed, lambda path, shape: 0.02)  # sums are normalised: depth needs no smaller ones
    return task


def preprocessor(tokenizer_dir: Path, sequence_length: int) -> keras_hub.models.BartSeq2SeqLMPreprocessor:
    """keras-hub's own, with our vocabulary: `BartSeq2SeqLM.from_preset` generates text with it."""
    import keras_hub

    tokenizer = keras_hub.models.BartTokenizer(
        vocabulary=str(tokenizer_dir / "vocabulary.json"), merges=str(tokenizer_dir / "merges.txt")
    )
    return with_lengths(keras_hub.models.BartSeq2SeqLMPreprocessor, tokenizer, sequence_length)


BART = Family(
    name="bart",
    shape="seq2seq",
    objective="denoising",
    tokenizer="bart",
    sizes=SIZES,
    build=build,
    logits=logits,
    preprocessor=preprocessor,
    parameters=parameters,
    embedding_parameters=embedding_parameters,
    training_flops=training_flops,
)
