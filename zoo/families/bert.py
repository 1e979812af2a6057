"""BERT (Devlin et al. 2019, arXiv:1810.04805) on `keras_hub.models.BertMaskedLM`.

Masked words alone are learned, whole words at a time and other ones in each epoch. There is no next-sentence
prediction: RoBERTa showed that models are as good or better without it (Liu et al. 2019, arXiv:1907.11692,
table 2), and with it half of each window would have to come from elsewhere. So all tokens are of the first segment, and
the pooler over `[CLS]`, which only that task trains, keeps its initial weights until a classifier needs it.

Its layers normalise sums, and such a stack falls into predicting frequencies alone when the rate is too high: on the
bundled support_domain `nano` stayed at the entropy of single words (5.35 nats) with 2e-3 and left it with 1e-3 after
100,000 tokens. From there the rates fall to BERT's own 1e-4.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.tokenizers.wordpiece import keras_settings
from zoo.families.base import Family, Size
from zoo.families.weights import initialise

if TYPE_CHECKING:
    import keras_hub

SIZES = {
    size.name: size
    for size in (
        #    name, layers, width, heads, context, rate, batch, dropout, tokens
        Size("nano", 3, 192, 3, 256, 1e-3, 8, 0.0, 1_250_000),
        Size("micro", 6, 256, 4, 256, 7e-4, 16, 0.0, 10_000_000),
        Size("mini", 8, 384, 6, 512, 5e-4, 16, 0.0, 100_000_000),
        Size("small", 12, 768, 12, 512, 2e-4, 64, 0.1, 2_500_000_000),
        Size("medium", 24, 1024, 16, 512, 1e-4, 128, 0.1, 7_000_000_000),
    )
}

_SEGMENTS = 2


def parameters(size: Size, vocab_size: int) -> int:
    """All weights, pooler and the head that predicts masked words included; its table is the token table."""
    width = size.width
    layer = 12 * width * width + 13 * width
    pooler = width * width + width
    head = width * width + width + 2 * width + vocab_size
    return embedding_parameters(size, vocab_size) + 2 * width + size.layers * layer + pooler + head


def embedding_parameters(size: Size, vocab_size: int) -> int:
    """Token, position and segment tables."""
    return (vocab_size + size.context + _SEGMENTS) * size.width


def build(
    size: Size, vocab_size: int, *, seed: int = 0, dropout: float | None = None, dtype: str = "float32"
) -> keras_hub.models.BertMaskedLM:
    """Builds the task without a preprocessor (training reads ids).

    Args:
        size: the shape.
        vocab_size: words in the tokenizer.
        seed: decides the initial weights and the dropout masks.
        dropout: instead of the size's own.
        dtype: a Keras dtype policy, such as "mixed_bfloat16".
    """
    from zoo.families.encoder_models import BertBackbone, BertMaskedLM

    backbone = BertBackbone(
        vocabulary_size=vocab_size,
        num_layers=size.layers,
        num_heads=size.heads,
        hidden_dim=size.width,
        intermediate_dim=4 * size.width,
        dropout=size.dropout if dropout is None else dropout,
        max_sequence_length=size.context,
        num_segments=_SEGMENTS,
        dtype=dtype,
        name="bert_backbone",
    )
    task = BertMaskedLM(backbone, preprocessor=None, name="bert_masked_lm")
    initialise(task, seed, lambda path, shape: 0.02)  # sums are normalised: depth needs no smaller ones
    backbone.pooled_dense.trainable = False  # no loss reaches it; a saved model forgets this
    return task


def preprocessor(tokenizer_dir: Path, sequence_length: int) -> keras_hub.models.BertMaskedLMPreprocessor:
    """keras-hub's own, with our vocabulary."""
    import keras_hub

    tokenizer = keras_hub.models.BertTokenizer(str(tokenizer_dir / "vocabulary.txt"), **keras_settings(tokenizer_dir))
    return keras_hub.models.BertMaskedLMPreprocessor(tokenizer=tokenizer, sequence_length=sequence_length)


def states(task: keras_hub.models.BertMaskedLM, ids: Any, mask: Any, training: bool) -> Any:
    """float [batch, length, width], of the last layer, for int32 [batch, length]."""
    from keras import ops

    inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": ops.zeros_like(ids)}
    return task.backbone(inputs, training=training)["sequence_output"]


def logits(task: keras_hub.models.BertMaskedLM, batch: Mapping[str, Any], training: bool) -> Any:
    """float [batch, predictions, vocabulary], for the "positions" of int32 "inputs" [batch, length]."""
    from keras import ops

    ids = batch["inputs"]
    mask = batch.get("padding_mask", ops.ones_like(ids))
    return task.masked_lm_head(states(task, ids, mask, training), batch["positions"])


BERT = Family(
    name="bert",
    shape="encoder",
    objective="masked_lm",
    tokenizer="bert",
    sizes=SIZES,
    build=build,
    logits=logits,
    preprocessor=preprocessor,
    parameters=parameters,
    embedding_parameters=embedding_parameters,
    keras_classes="zoo.families.encoder_models",
    predicted=0.15,
    states=states,
)
