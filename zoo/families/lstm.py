"""LSTM (Hochreiter & Schmidhuber 1997), the recurrent baseline: what a transformer has to beat.

Layers on top of each other with dropout between them (Zaremba et al. 2014, arXiv:1409.2329), the
output projection being the token table (Press & Wolf 2017, arXiv:1608.05859). The sizes have about
the weights of the transformers with the same names. The network itself is in `lstm_model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.families.base import Family, Size
from zoo.families.weights import initialise

if TYPE_CHECKING:
    import keras_hub
    import numpy as np
    import numpy.typing as npt

    from zoo.families.lstm_model import LSTMCausalLM

SIZES = {
    size.name: size
    for size in (
        #    name, layers, width, heads, context, rate, batch, dropout, tokens
        Size("nano", 2, 288, 0, 256, 4e-3, 8, 0.0, 1_250_000),
        Size("micro", 2, 544, 0, 256, 3e-3, 16, 0.0, 10_000_000),
        Size("mini", 3, 768, 0, 512, 2e-3, 16, 0.0, 100_000_000),
        Size("small", 3, 1920, 0, 1024, 1e-3, 32, 0.1, 2_500_000_000),
        Size("medium", 4, 3072, 0, 1024, 5e-4, 64, 0.1, 7_000_000_000),
    )
}


def parameters(size: Size, vocab_size: int) -> int:
    """All weights; the output projection is the token table and counts once."""
    layer = 8 * size.width * size.width + 4 * size.width
    return embedding_parameters(size, vocab_size) + size.layers * layer


def embedding_parameters(size: Size, vocab_size: int) -> int:
    """The token table."""
    return vocab_size * size.width


def build(
    size: Size, vocab_size: int, *, seed: int = 0, dropout: float | None = None, dtype: str = "float32"
) -> LSTMCausalLM:
    """Builds the task without a preprocessor (training reads ids).

    Args:
        size: the shape.
        vocab_size: words in the tokenizer.
        seed: decides the initial weights and the dropout masks.
        dropout: instead of the size's own.
        dtype: a Keras dtype policy, such as "mixed_bfloat16".
    """
    from zoo.families.lstm_model import LSTMBackbone, LSTMCausalLM

    backbone = LSTMBackbone(
        vocabulary_size=vocab_size,
        num_layers=size.layers,
        hidden_dim=size.width,
        dropout=size.dropout if dropout is None else dropout,
        dtype=dtype,
        name="lstm_backbone",
    )
    task = LSTMCausalLM(backbone, preprocessor=None, name="lstm_causal_lm")
    initialise(task, seed, _deviation, bias=_open_forget_gates)
    return task


def _deviation(path: str, shape: tuple[int, ...]) -> float:
    """Tables 0.02; matrices keep the variance of what goes in (Glorot & Bengio 2010), per gate."""
    return 0.02 if "embedding" in path else float(shape[0]) ** -0.5


def _open_forget_gates(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Gates stand in the order input, forget, cell, output; a forget gate that starts open lets
    gradients through (Jozefowicz et al. 2015)."""
    import numpy as np

    value = np.zeros((4, shape[0] // 4), np.float32)
    value[1] = 1
    return value.ravel()


def preprocessor(tokenizer_dir: Path, sequence_length: int) -> keras_hub.models.CausalLMPreprocessor:
    """keras-hub has no LSTM, so these classes are ours."""
    from zoo.families.lstm_model import LSTMCausalLMPreprocessor, LSTMTokenizer

    tokenizer = LSTMTokenizer(
        vocabulary=str(tokenizer_dir / "vocabulary.json"), merges=str(tokenizer_dir / "merges.txt")
    )
    return LSTMCausalLMPreprocessor(tokenizer=tokenizer, sequence_length=sequence_length)


def logits(task: LSTMCausalLM, batch: Mapping[str, Any], training: bool) -> Any:
    """float [batch, length, vocabulary], for int32 "inputs" [batch, length], each row from an empty state."""
    return task({"token_ids": batch["inputs"]}, training=training)


LSTM = Family(
    name="lstm",
    shape="decoder",
    objective="causal_lm",
    tokenizer="bpe",
    sizes=SIZES,
    build=build,
    logits=logits,
    preprocessor=preprocessor,
    parameters=parameters,
    embedding_parameters=embedding_parameters,
    keras_classes="zoo.families.lstm_model",
)
