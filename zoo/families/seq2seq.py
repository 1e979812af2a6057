"""What the families of encoder and decoder have in common: one dial, and the cost of both halves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.families.base import Size

if TYPE_CHECKING:
    import keras_hub

#: Name, layers of each half, width, heads, context, batch, dropout, tokens: about the weights of the `gpt`
#: of the same name, since a layer of each half together have 28 * width^2 and one of `gpt` 12.
_DIAL = (
    ("nano", 3, 128, 4, 256, 8, 0.0, 1_250_000),
    ("micro", 4, 208, 4, 256, 16, 0.0, 10_000_000),
    ("mini", 5, 320, 5, 512, 16, 0.0, 100_000_000),
    ("small", 8, 640, 10, 512, 64, 0.1, 2_500_000_000),
    ("medium", 16, 832, 13, 512, 128, 0.1, 7_000_000_000),
)


def sizes(**learning_rates: float) -> Mapping[str, Size]:
    """The dial, with the peak of each size's learning rate."""
    return {
        name: Size(name, layers, width, heads, context, learning_rates[name], batch, dropout, tokens)
        for name, layers, width, heads, context, batch, dropout, tokens in _DIAL
    }


def flops_per_token(size: Size, vocab_size: int, window: int, *, mlp: int, source: float, target: float) -> int:
    """Floating-point operations to train on one token of a window, counted as in `Family.flops_per_token`.

    Each half multiplies its own tokens. Keys and values for the decoder's attention to the encoder are made
    of the encoder's tokens, so two of the decoder's eight attention matrices count there.

    Args:
        mlp: weights of the MLP of a layer.
        source, target: tokens of encoder and decoder, for each token of the window.
    """
    matrices = size.layers * (6 * size.width * size.width + mlp)
    multiplied = matrices * source + (matrices + vocab_size * size.width) * target
    attention = size.layers * size.width * window * (source * source + target * target + target * source)
    return round(6 * multiplied + 12 * attention)


def with_lengths(preprocessor: type, tokenizer: Any, length: int) -> keras_hub.models.Seq2SeqLMPreprocessor:
    """A preprocessor for inputs and outputs of so many tokens at most.

    keras-hub 0.32 leaves the lengths out of its configuration, so that a saved one would come back with
    1,024, for which most of our models have no positions.
    """
    made = preprocessor(tokenizer=tokenizer, encoder_sequence_length=length, decoder_sequence_length=length)
    config = {**made.get_config(), "encoder_sequence_length": length, "decoder_sequence_length": length}
    made.get_config = lambda: config
    return made


def logits(task: keras_hub.models.Seq2SeqLM, batch: Mapping[str, Any], training: bool) -> Any:
    """float [batch, decoder length, vocabulary], for a batch of `zoo.objectives.seq2seq`."""
    from keras import ops

    inputs = {
        "encoder_token_ids": batch["inputs"],
        "encoder_padding_mask": batch["padding_mask"],
        "decoder_token_ids": batch["decoder_inputs"],
        "decoder_padding_mask": ops.ones_like(batch["decoder_inputs"]),
    }
    return task(inputs, training=training)
