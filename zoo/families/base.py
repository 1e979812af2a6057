"""What a family is: an architecture with named sizes, built only when asked to."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from governance.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import keras
    import keras_hub

Shape = Literal["encoder", "decoder", "seq2seq"]


@dataclass(frozen=True)
class Size:
    """One setting of the size dial; the rest of a recipe follows from it.

    Attributes:
        layers, width: of the network; a seq2seq model has so many layers in each half.
        heads: of attention; 0 where there is none.
        context: tokens that the model can look at, which is also the window of training.
        learning_rate: peak of the schedule.
        batch_size: windows in a step.
        dropout: share of activations that is dropped in training.
        tokens: that a training reads at most unless it is told otherwise. Of `small` and above 20 for
            each weight, the best use of compute (Hoffmann et al. 2022, arXiv:2203.15556); of the
            ones below what a machine without a GPU does in minutes to hours.
    """

    name: str
    layers: int
    width: int
    heads: int
    context: int
    learning_rate: float
    batch_size: int
    dropout: float = 0.0
    tokens: int = 1_250_000


@dataclass(frozen=True)
class Family:
    """An architecture with its shape, objective, tokenizer kind and sizes.

    Attributes:
        build: (size, vocab_size, seed, dropout, dtype) to a keras-hub task whose initial weights are a pure
            function of these arguments.
        logits: (task, batch of the objective, training) to float [batch, predicted positions,
            vocabulary]: the forward pass.
        preprocessor: (folder of the tokenizer, length in tokens) to the keras-hub preprocessor that
            makes a saved model usable from text to text without this package.
        parameters: (size, vocab_size) to the number of weights, without building anything.
        embedding_parameters: the part of them that only look-ups use.
        keras_classes: the module of the Keras classes that keras-hub does not have.
        predicted: share of the positions for which the output projection is computed in training; of a seq2seq
            model those of the decoder, for each of a window.
        states: of an encoder: (task, ids, padding mask, training) to float [batch, length, width], the last
            layer's; `task.masked_lm_head` makes its logits of them.
        entity_spans: whether it learns from spans of entities and phrases, which analyzers have to find in the text.
        teacher: the family that it is distilled from.
        start_from: (task, teacher's task) copies the initial weights from a teacher of the same name of
            size, which has up to twice the layers.
        training_flops: (size, vocab_size, window) to the FLOPs of `flops_per_token`, where its formula does not
            hold.
    """

    name: str
    shape: Shape
    objective: str
    tokenizer: str
    sizes: Mapping[str, Size]
    build: Callable[..., keras_hub.models.Task]
    logits: Callable[..., keras.KerasTensor]
    preprocessor: Callable[[Path, int], keras_hub.models.Preprocessor]
    parameters: Callable[[Size, int], int]
    embedding_parameters: Callable[[Size, int], int]
    keras_classes: str | None = None
    predicted: float = 1.0
    states: Callable[..., keras.KerasTensor] | None = None
    entity_spans: bool = False
    teacher: str | None = None
    start_from: Callable[..., None] | None = None
    training_flops: Callable[[Size, int, int], int] | None = None

    def prepare(self) -> None:
        """Makes the family's own Keras classes known, so that Keras can load them by name."""
        if self.keras_classes is not None:
            importlib.import_module(self.keras_classes)

    def size(self, name: str) -> Size:
        """Looks up a size.

        Raises:
            ConfigError: no such size.
        """
        if name not in self.sizes:
            raise ConfigError(
                f'{self.name} has no size "{name}"{did_you_mean(name, self.sizes)}',
                where="size",
                fix=f"use one of {', '.join(self.sizes)}",
            )
        return self.sizes[name]

    def usual_window(self, width: int) -> int:
        """Tokens in a window for a model of that width when nobody says how many: the context of the nearest size.

        A published model may look at 100,000 tokens, and no batch of so long windows fits into memory.
        """
        sizes = list(self.sizes.values())
        return next((size for size in sizes if size.width >= width), sizes[-1]).context

    def non_embedding_parameters(self, size: Size, vocab_size: int) -> int:
        """Weights without token and position tables: what "about 1 M" of nano counts (Kaplan et al. 2020)."""
        return self.parameters(size, vocab_size) - self.embedding_parameters(size, vocab_size)

    def flops_per_token(self, size: Size, vocab_size: int, window: int | None = None) -> int:
        """Floating-point operations to train on one token: 6 N + 12 * layers * width * window.

        N counts the weights that are multiplied for each token: everything but the look-ups, and
        the output projection, which is the token table once more. Forward is a third of it. From
        PaLM (Chowdhery et al. 2022, https://arxiv.org/abs/2204.02311, appendix B), which follows
        Kaplan et al. 2020 (https://arxiv.org/abs/2001.08361, table 1) and adds attention; like
        there, the whole square of attention is counted, though half of it is masked. A family
        without attention (`heads` is 0) has the first term alone, and one that predicts some positions
        alone the projection for those.
        """
        length = size.context if window is None else window
        if self.training_flops is not None:
            return self.training_flops(size, vocab_size, length)
        multiplied = self.non_embedding_parameters(size, vocab_size) + round(self.predicted * vocab_size * size.width)
        attention = 12 * size.layers * size.width * length if size.heads else 0
        return 6 * multiplied + attention


def hidden_states(family: Family, backbone: keras.Model, ids: Any, mask: Any, training: bool = False) -> Any:
    """The last layer's states, float [batch, length, width], for int32 ids and padding mask [batch, length]."""
    from keras import ops

    given = {"token_ids": ids, "padding_mask": mask, "segment_ids": ops.zeros_like(ids)}
    states = backbone({name: given[name] for name in backbone.input}, training=training)
    return states["sequence_output"] if isinstance(states, dict) else states
