"""SavedModels: the forward pass as TensorFlow runs it, without Keras and without this package.

Token ids go in, since what makes them of text is no TensorFlow operation; the tokenizer's files lie beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError
from zoo.families.base import Family

if TYPE_CHECKING:
    import keras
    import keras_hub

    from zoo.tasks.model import HeadModel

#: The inputs of each shape, int32 [batch, length].
INPUTS = {
    "decoder": ("token_ids",),
    "encoder": ("token_ids", "padding_mask"),
    "seq2seq": ("encoder_token_ids", "encoder_padding_mask", "decoder_token_ids", "decoder_padding_mask"),
}
#: The inputs of a model with a head, of whatever shape.
HEAD_INPUTS = ("token_ids", "padding_mask")


def write_saved_model(task: keras_hub.models.Task, folder: Path, *, family: Family) -> None:
    """Writes a SavedModel; its signature "serving_default" takes the ids of `INPUTS`.

    It gives "logits", float32 [batch, length, vocabulary], of a decoder or a seq2seq model, and "embeddings",
    float32 [batch, width], of an encoder: the mean over the tokens, of length 1.

    Raises:
        ConfigError: Keras runs on another backend than TensorFlow.
    """
    names = INPUTS[family.shape]
    _save(task, folder, names, lambda inputs: _answer(task, family, inputs))


def write_head_saved_model(head: HeadModel, folder: Path) -> None:
    """Writes a SavedModel of a model with a head; its signature takes "token_ids" and "padding_mask" and gives what
    `head_answers` does.

    Raises:
        ConfigError: Keras runs on another backend than TensorFlow.
    """
    _save(head.task, folder, HEAD_INPUTS, lambda inputs: head_answers(head, *map(inputs.__getitem__, HEAD_INPUTS)))


def head_answers(head: HeadModel, ids: Any, mask: Any) -> dict[str, Any]:
    """What a model with a head says of int32 ids and padding mask [batch, length].

    Returns:
        "rewards", float32 [batch], of a reward model; of the others "logits" and the calibrated "probabilities",
        float32 [batch, classes], or [batch, length, tags] of a tagger.
    """
    from keras import ops

    # `call`, so that a Keras model of this holds the head's own layers and not our class.
    logits = head.task.call({"inputs": ids, "padding_mask": mask}, training=False)
    if head.name == "reward":
        return {"rewards": logits[:, 0]}
    return {"logits": logits, "probabilities": ops.softmax(logits / head.temperature)}


def _save(
    model: keras.Model, folder: Path, names: Sequence[str], answer: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """A SavedModel whose signature takes int32 [batch, length] under these names."""
    import keras

    if keras.config.backend() != "tensorflow":
        raise ConfigError(
            f"Keras runs on {keras.config.backend()}, and a SavedModel is TensorFlow's",
            where="KERAS_BACKEND",
            fix="run the same command without it",
        )
    import tensorflow as tf

    specs = [tf.TensorSpec([None, None], tf.int32, name=name) for name in names]

    def serve(*inputs: Any) -> dict[str, Any]:
        return answer(dict(zip(names, inputs, strict=True)))

    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.serve = tf.function(serve, input_signature=specs)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def _answer(task: keras_hub.models.Task, family: Family, inputs: Mapping[str, Any]) -> dict[str, Any]:
    from keras import ops

    if family.shape == "decoder":
        return {"logits": ops.cast(family.logits(task, {"inputs": inputs["token_ids"]}, False), "float32")}
    if family.shape == "seq2seq":
        return {"logits": ops.cast(task(inputs, training=False), "float32")}
    ids, mask = inputs["token_ids"], inputs["padding_mask"]
    known = {"token_ids": ids, "padding_mask": mask, "segment_ids": ops.zeros_like(ids)}
    states = task.backbone({name: known[name] for name in task.backbone.input}, training=False)
    states = ops.cast(states["sequence_output"] if isinstance(states, dict) else states, "float32")
    weights = ops.cast(mask, "float32")[:, :, None]
    mean = ops.sum(states * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
    return {"embeddings": mean / ops.maximum(ops.norm(mean, axis=-1, keepdims=True), 1e-12)}
