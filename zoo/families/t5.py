"""T5 (Raffel et al. 2020, arXiv:1910.10683) on `keras_hub.models.T5Seq2SeqLM`.

As in T5 1.1: RMSNorm on what goes into each block, an MLP with gated GELU (Shazeer 2020,
arXiv:2002.05202), relative positions. The output projection is the token table, as in the paper (1.1 has
a second one: at these sizes that would be most of the model), and its input is scaled by
width^-0.5 for that. Attention scores are not scaled; the initial queries are smaller instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.backend import standard_error_held_back
from zoo.families.base import Family, Size
from zoo.families.seq2seq import flops_per_token, logits, sizes, with_lengths
from zoo.families.weights import initialise

if TYPE_CHECKING:
    import keras_hub

SIZES = sizes(nano=3e-3, micro=2e-3, mini=1.5e-3, small=6e-4, medium=3e-4)

#: Distances between positions are counted in so many classes.
_DISTANCES = 32

#: Tokens of the decoder for each of the encoder: 0.15 of the text is hidden in spans of three, so for 0.9
#: tokens of the encoder there are 0.2 of the decoder, sentinels included.
_PREDICTED = 0.2 / 0.9


def inner_width(size: Size) -> int:
    """Of the gated MLP: 8/3 of the width, rounded up to a multiple of 64 (as `zoo.families.llama`)."""
    return -(-8 * size.width // (3 * 64)) * 64


def parameters(size: Size, vocab_size: int) -> int:
    """All weights; the output projection is the token table and counts once."""
    width = size.width
    encoder_layer = 4 * width * width + 3 * width * inner_width(size) + 2 * width
    decoder_layer = 8 * width * width + 3 * width * inner_width(size) + 3 * width
    return embedding_parameters(size, vocab_size) + size.layers * (encoder_layer + decoder_layer) + 2 * width


def embedding_parameters(size: Size, vocab_size: int) -> int:
    """The token table, and of each half the table of distances."""
    return vocab_size * size.width + 2 * _DISTANCES * size.heads


def training_flops(size: Size, vocab_size: int, window: int) -> int:
    """For each token of the encoder, which sees a whole window."""
    mlp = 3 * size.width * inner_width(size)
    return flops_per_token(size, vocab_size, window, mlp=mlp, source=1.0, target=_PREDICTED)


def build(
    size: Size, vocab_size: int, *, seed: int = 0, dropout: float | None = None, dtype: str = "float32"
) -> keras_hub.models.T5Seq2SeqLM:
    """Builds the task without a preprocessor (training reads ids).

    Args:
        size: the shape.
        vocab_size: words in the tokenizer.
        seed: decides the initial weights and the dropout masks.
        dropout: instead of the size's own.
        dtype: a Keras dtype policy, such as "mixed_bfloat16".
    """
    import keras_hub
    from keras_hub.src.utils.keras_utils import gelu_approximate  # known to Keras by name, as BERT's is

    backbone = keras_hub.models.T5Backbone(
        vocabulary_size=vocab_size,
        num_layers=size.layers,
        num_heads=size.heads,
        hidden_dim=size.width,
        key_value_dim=size.width // size.heads,  # the default, said: a model that comes back says it as well
        intermediate_dim=inner_width(size),
        dropout=size.dropout if dropout is None else dropout,
        activation=gelu_approximate,
        use_gated_activation=True,
        dtype=dtype,
        name="t5_backbone",
    )
    task = keras_hub.models.T5Seq2SeqLM(backbone, preprocessor=None, name="t5_seq2seq_lm")
    initialise(task, seed, lambda path, shape: _deviation(size, path, shape))
    return task


def _deviation(size: Size, path: str, shape: tuple[int, ...]) -> float:
    """As in the authors' code: matrices keep the variance of what goes in, and queries make up for the
    scores that are not scaled."""
    if "token_embedding" in path:
        return 1.0
    if path.endswith("embeddings"):  # of distances
        return float(size.width**-0.5)
    fan_in = shape[0] * (size.width // size.heads if "query" in path else 1)
    return float(fan_in**-0.5)


def preprocessor(tokenizer_dir: Path, sequence_length: int) -> keras_hub.models.T5Seq2SeqLMPreprocessor:
    """keras-hub's own, with our vocabulary: `T5Seq2SeqLM.from_preset` generates text with it."""
    import keras_hub

    with standard_error_held_back():  # it says that it normalises nothing
        tokenizer = keras_hub.models.T5Tokenizer(proto=(tokenizer_dir / "vocabulary.spm").read_bytes())
    return with_lengths(keras_hub.models.T5Seq2SeqLMPreprocessor, tokenizer, sequence_length)


T5 = Family(
    name="t5",
    shape="seq2seq",
    objective="span_corruption",
    tokenizer="t5",
    sizes=SIZES,
    build=build,
    logits=logits,
    preprocessor=preprocessor,
    parameters=parameters,
    embedding_parameters=embedding_parameters,
    training_flops=training_flops,
    predicted=_PREDICTED,
)
