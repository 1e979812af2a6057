"""DistilBERT (Sanh et al. 2019, arXiv:1910.01108) on `keras_hub.models.DistilBertMaskedLM`.

A BERT of half the layers, without segments and pooler, that learns from a finished `bert` of the zoo: it starts
from every second layer of its teacher and is drawn towards the teacher's predictions and states. Each size has
the teacher's of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.tokenizers.wordpiece import keras_settings
from zoo.families import bert
from zoo.families.base import Family, Size
from zoo.families.weights import initialise

if TYPE_CHECKING:
    import keras_hub

SIZES = {name: replace(size, layers=-(-size.layers // 2)) for name, size in bert.SIZES.items()}


def parameters(size: Size, vocab_size: int) -> int:
    """All weights, those of the head that predicts masked words included; its table is the token table."""
    width = size.width
    layer = 12 * width * width + 13 * width
    head = width * width + width + 2 * width + vocab_size
    return embedding_parameters(size, vocab_size) + 2 * width + size.layers * layer + head


def embedding_parameters(size: Size, vocab_size: int) -> int:
    """Token and position tables."""
    return (vocab_size + size.context) * size.width


def build(
    size: Size, vocab_size: int, *, seed: int = 0, dropout: float | None = None, dtype: str = "float32"
) -> keras_hub.models.DistilBertMaskedLM:
    """Builds the task without a preprocessor (training reads ids), with initial weights of its own.

    Args:
        size: the shape.
        vocab_size: words in the tokenizer.
        seed: decides the initial weights and the dropout masks.
        dropout: instead of the size's own.
        dtype: a Keras dtype policy, such as "mixed_bfloat16".
    """
    from zoo.families.encoder_models import DistilBertBackbone, DistilBertMaskedLM

    backbone = DistilBertBackbone(
        vocabulary_size=vocab_size,
        num_layers=size.layers,
        num_heads=size.heads,
        hidden_dim=size.width,
        intermediate_dim=4 * size.width,
        dropout=size.dropout if dropout is None else dropout,
        max_sequence_length=size.context,
        dtype=dtype,
        name="distil_bert_backbone",
    )
    task = DistilBertMaskedLM(backbone, preprocessor=None, name="distil_bert_masked_lm")
    initialise(task, seed, lambda path, shape: 0.02)  # sums are normalised: depth needs no smaller ones
    return task


def start_from(student: keras_hub.models.DistilBertMaskedLM, teacher: keras_hub.models.BertMaskedLM) -> None:
    """Copies tables, head and every second layer of a teacher of the same width.

    The vector of the teacher's first segment, which it adds to each token, goes into the positions.
    """
    ours, theirs = student.backbone, teacher.backbone
    ours.token_embedding.set_weights(theirs.token_embedding.get_weights())
    [positions], [segments] = theirs.position_embedding.get_weights(), theirs.segment_embedding.get_weights()
    ours.embeddings.position_embedding.set_weights([positions + segments[0]])
    pairs = [(ours.embeddings_layer_norm, theirs.embeddings_layer_norm)]
    pairs += zip(ours.transformer_layers, theirs.transformer_layers[::2], strict=True)
    for layer, copied in pairs:
        layer.set_weights(copied.get_weights())
    for weight, copied in zip(student.masked_lm_head.weights, teacher.masked_lm_head.weights, strict=True):
        weight.assign(copied)


def preprocessor(tokenizer_dir: Path, sequence_length: int) -> keras_hub.models.DistilBertMaskedLMPreprocessor:
    """keras-hub's own, with our vocabulary."""
    import keras_hub

    vocabulary = str(tokenizer_dir / "vocabulary.txt")
    tokenizer = keras_hub.models.DistilBertTokenizer(vocabulary, **keras_settings(tokenizer_dir))
    return keras_hub.models.DistilBertMaskedLMPreprocessor(tokenizer=tokenizer, sequence_length=sequence_length)


def states(task: keras_hub.models.DistilBertMaskedLM, ids: Any, mask: Any, training: bool) -> Any:
    """float [batch, length, width], of the last layer, for int32 [batch, length]."""
    return task.backbone({"token_ids": ids, "padding_mask": mask}, training=training)


def logits(task: keras_hub.models.DistilBertMaskedLM, batch: Mapping[str, Any], training: bool) -> Any:
    """float [batch, predictions, vocabulary], for the "positions" of int32 "inputs" [batch, length]."""
    from keras import ops

    ids = batch["inputs"]
    mask = batch.get("padding_mask", ops.ones_like(ids))
    return task.masked_lm_head(states(task, ids, mask, training), batch["positions"])


DISTILBERT = Family(
    name="distilbert",
    shape="encoder",
    objective="distilled_lm",
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
    teacher="bert",
    start_from=start_from,
)
