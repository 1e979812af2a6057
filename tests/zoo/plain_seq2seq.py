"""Generation by encoder and decoder in NumPy: the whole forward pass of both for each token, without a cache.

Run as a script it prints what the engine gives on the backend of its environment.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.zoo.plain import CONTEXT, EOS, REQUESTS, VOCABULARY, Plain
from zoo import families
from zoo.compiled import jitted
from zoo.families import Family, Size
from zoo.generation.engine import Engine, Request
from zoo.generation.sampling import Sampling

_SIZE = Size("toy", layers=2, width=16, heads=2, context=CONTEXT, learning_rate=1e-2, batch_size=4)
_PAD = 1
#: "t5_first" is the T5 of the first paper: ReLU without a gate, an output table of its own; and its heads are wider
#: than the model's width says.
NAMES = ("bart", "t5", "t5_first")


def toy_task(name: str) -> tuple[Family, Any]:
    import keras_hub

    family = families.get(name.removesuffix("_first"))
    task = family.build(_SIZE, VOCABULARY, seed=5)
    if name == "t5_first":
        changes = {
            "use_gated_activation": False,
            "activation": "relu",
            "tie_embedding_weights": False,
            "key_value_dim": 12,
        }
        backbone = keras_hub.models.T5Backbone.from_config(task.backbone.get_config() | changes)
        task = keras_hub.models.T5Seq2SeqLM(backbone, preprocessor=None)
    sharpen(task)
    return family, task


def sharpen(task: Any) -> None:
    """Other weights: clearer favourites than an untrained model has, and nothing that is 0, which would hide that it
    is left out."""
    random = np.random.default_rng(3)
    for weight in task.trainable_weights:
        weight.assign(random.normal(0, _deviation(weight.path, weight.shape), weight.shape) + _mean(weight.path))


def _mean(path: str) -> float:
    return float(path.endswith(("gamma", "weight")))


def _deviation(path: str, shape: tuple[int, ...]) -> float:
    if path.endswith(("gamma", "weight", "bias", "beta")):
        return 0.1
    if "embedding" in path:
        return 0.5 if "reverse" in path else 1.0
    gain = 1 if "cross" in path else 3  # what comes of the source is the same at each place
    return float(gain * np.prod(shape[:-1] if "output" in path else shape[:1]) ** -0.5)


@dataclass(frozen=True)
class PlainSeq2Seq:
    """Encoder and decoder as a function of a source and all ids of the decoder so far."""

    family: Family
    task: Any
    whole: Callable[..., Any]
    context: int

    @classmethod
    @functools.cache
    def toy(cls, name: str) -> PlainSeq2Seq:
        return cls.of(*toy_task(name), CONTEXT)

    @classmethod
    def of(cls, family: Family, task: Any, context: int) -> PlainSeq2Seq:
        from keras import ops

        def whole(source: Any, mask: Any, ids: Any) -> Any:
            inputs = {
                "encoder_token_ids": source,
                "encoder_padding_mask": mask,
                "decoder_token_ids": ids,
                "decoder_padding_mask": ops.ones_like(ids),
            }
            states = task.backbone(inputs, training=False)["decoder_sequence_output"]
            return task(inputs, training=False), states

        return cls(family, task, jitted(task, whole), context)

    def over(self, source: Sequence[int], stops: tuple[int, ...] = (EOS,), counted: Sequence[int] = ()) -> Plain:
        """The decoder that looks at a source, alone in its batch and without padding before its first token.

        Args:
            counted: tokens that the repetition penalty counts beside the answer's.
        """
        row, mask = np.full((1, self.context), _PAD, np.int32), np.zeros((1, self.context), np.int32)
        row[0, : len(source)], mask[0, : len(source)] = source, 1
        whole = functools.partial(self.whole, row, mask)
        return Plain(self.family, self.task, whole, stops, lambda prompt: list(counted), self.context)


def make_requests(sampling: Sampling) -> list[Request]:
    """Sources of several lengths; what the decoder is given is a token, two as of BART, and more than a chunk."""
    random = np.random.default_rng(0)
    lengths = ((30, 1), (1, 2), (CONTEXT, 40))
    return [
        Request(
            ids=random.integers(1, VOCABULARY, given).tolist(),
            new=sampling.max_tokens,
            source=random.integers(1, VOCABULARY, source).tolist(),
        )
        for source, given in lengths
    ]


def make_engine(task: Any, **options: Any) -> Engine:
    return Engine(task, eos_id=EOS, vocabulary=VOCABULARY, context=CONTEXT, **options)


def written(engine: Engine, requests: Sequence[Request], sampling: Sampling, **options: Any) -> list[list[int]]:
    """What the engine writes in a batch of four."""
    *_, answers = engine.write(requests, 4, sampling, **options)
    return [answer.ids for answer in answers]


#: Those of `plain`, and one that the prompt would change if it counted.
ALL = (*REQUESTS, replace(REQUESTS[0], repetition_penalty=3.0))

if __name__ == "__main__":
    engine = make_engine(toy_task(sys.argv[1])[1])
    print(json.dumps([written(engine, make_requests(request), request) for request in ALL]))
