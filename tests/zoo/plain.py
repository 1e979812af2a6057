"""Generation in NumPy by the whole forward pass for each token: no cache, no batch, no loop on the device.

The independent second computation of every strategy. Run as a script it prints what the engine gives on
the backend of its environment.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo import families
from zoo.compiled import jitted
from zoo.families import Family, Size
from zoo.generation.sampling import Sampling

VOCABULARY = 60
EOS = 0
CONTEXT = 64
_SIZE = Size("toy", layers=1, width=16, heads=2, context=CONTEXT, learning_rate=1e-2, batch_size=4)
SIZES = {"gpt": _SIZE, "llama": replace(_SIZE, layers=2, heads=4), "lstm": replace(_SIZE, layers=2, heads=0)}


@dataclass(frozen=True)
class Plain:
    """A network as a function of all ids so far.

    Attributes:
        whole: int32 [1, context] to logits and states of all positions.
        stops: ids that end an answer.
        counted: of a prompt, what the repetition penalty counts.
    """

    family: Family
    task: Any
    whole: Callable[..., Any]
    stops: tuple[int, ...] = (EOS,)
    counted: Callable[[list[int]], list[int]] = lambda prompt: prompt[1:]
    context: int = CONTEXT

    @classmethod
    def toy(cls, name: str) -> Plain:
        from keras import ops

        family = families.get(name)
        task = family.build(SIZES[name], VOCABULARY, seed=5)
        for weight in task.trainable_weights:
            weight.assign(3 * np.asarray(weight))  # clearer favourites than an untrained model has

        def whole(ids: Any) -> Any:
            inputs = {"token_ids": ids, "padding_mask": ops.ones_like(ids)}
            states = task.backbone({name: inputs[name] for name in task.backbone.input}, training=False)
            return family.logits(task, {"inputs": ids}, training=False), states

        return cls(family, task, jitted(task, whole))

    def logits(self, ids: list[int]) -> np.ndarray:
        """float64 [vocabulary], of the next token."""
        return self._forward(ids)[0][len(ids) - 1].copy()

    def directions(self, ids: list[int]) -> np.ndarray:
        """float64 [length, width], last states, each of length 1."""
        states = self._forward(ids)[1][: len(ids)]
        return np.asarray(states / np.linalg.norm(states, axis=-1, keepdims=True))

    def _forward(self, ids: list[int]) -> list[np.ndarray]:
        """Logits and states of all positions; no position sees the zeros that fill the row up."""
        row = np.zeros((1, self.context), np.int32)
        row[0, : len(ids)] = ids
        return [np.asarray(one, np.float64)[0] for one in self.whole(row)]

    def adjusted(self, prompt: list[int], answer: list[int], sampling: Sampling) -> np.ndarray:
        logits = self.logits(prompt + answer)
        for token in {*self.counted(prompt), *answer}:
            factor = sampling.repetition_penalty
            logits[token] = logits[token] / factor if logits[token] > 0 else logits[token] * factor
        if len(answer) < sampling.min_tokens:
            logits[list(self.stops)] = -np.inf
        return logits

    def answer(self, prompt: list[int], sampling: Sampling, random: np.ndarray) -> list[int]:
        """The new tokens, without the stop.

        Args:
            random: float [max_tokens], a uniform number for each token.
        """
        ids = self.with_stop(prompt, sampling, random)
        return ids[:-1] if ids and ids[-1] in self.stops else ids

    def with_stop(self, prompt: list[int], sampling: Sampling, random: np.ndarray) -> list[int]:
        """The new tokens, and the stop if there was one."""
        if sampling.beams > 1:
            return self._beams(prompt, sampling)
        answer: list[int] = []
        for number in random[: sampling.max_tokens]:
            logits = self.adjusted(prompt, answer, sampling)
            if sampling.contrastive > 0:
                token = self._contrastive(prompt + answer, logits, sampling)
            elif sampling.temperature > 0:
                token = _drawn(logits / sampling.temperature, sampling, float(number))
            else:
                token = int(logits.argmax())
            answer.append(token)
            if token in self.stops:
                break
        return answer

    def _contrastive(self, ids: list[int], logits: np.ndarray, sampling: Sampling) -> int:
        probabilities = _softmax(logits)
        before = self.directions(ids)
        scores = {}
        for token in np.argsort(-probabilities)[: sampling.top_k].tolist():
            nearest = (before @ self.directions([*ids, token])[-1]).max()
            scores[token] = (1 - sampling.contrastive) * probabilities[token] - sampling.contrastive * nearest
        return max(scores, key=lambda token: scores[token])

    def _beams(self, prompt: list[int], sampling: Sampling) -> list[int]:
        living: list[tuple[float, list[int]]] = [(0.0, [])]
        finished: list[tuple[float, list[int]]] = []
        for _ in range(sampling.max_tokens):
            grown = [
                (score + float(step), [*answer, token])
                for score, answer in living
                for token, step in enumerate(np.log(_softmax(self.adjusted(prompt, answer, sampling)) + 1e-300))
            ]
            finished += [(score / _divisor(len(ids), sampling), ids) for score, ids in grown if ids[-1] in self.stops]
            going_on = [(score, ids) for score, ids in grown if ids[-1] not in self.stops]
            living = sorted(going_on, key=lambda one: -one[0])[: sampling.beams]
        finished += [(score / _divisor(len(ids), sampling), ids) for score, ids in living]
        return max(finished, key=lambda one: one[0])[1]


def _divisor(length: int, sampling: Sampling) -> float:
    return float(((5 + length) / 6) ** sampling.length_penalty)


def _softmax(logits: np.ndarray) -> np.ndarray:
    grown = np.exp(logits - logits.max())
    return np.asarray(grown / grown.sum())


def _drawn(logits: np.ndarray, sampling: Sampling, number: float) -> int:
    probabilities = _softmax(logits)
    order = np.argsort(-probabilities)
    likely = int(np.searchsorted(np.cumsum(probabilities[order]), sampling.top_p)) + 1
    kept = order[: min(likely, sampling.top_k or len(order))]
    candidates = np.where(np.isin(np.arange(len(probabilities)), kept), probabilities, 0)
    cumulative = np.cumsum(candidates)
    return int(np.searchsorted(cumulative, number * cumulative[-1], side="right"))


#: One of each kind of request, and some of what may differ within a kind.
REQUESTS = (
    Sampling(max_tokens=8, temperature=0),
    Sampling(max_tokens=8, temperature=0, repetition_penalty=1.5, min_tokens=8),
    Sampling(max_tokens=8, temperature=0.7, top_p=1, seed=3),
    Sampling(max_tokens=8, temperature=1.5, top_k=5, repetition_penalty=0.8, seed=1),
    Sampling(max_tokens=8, temperature=1.0, top_p=0.5, min_tokens=4),
    Sampling(max_tokens=8, temperature=0, contrastive=0.6, top_k=4),
    Sampling(max_tokens=6, temperature=0, contrastive=0.3, top_k=3, repetition_penalty=1.3, min_tokens=6),
    Sampling(max_tokens=6, temperature=0, beams=4),
    Sampling(max_tokens=6, temperature=0, beams=3, length_penalty=2.0, min_tokens=2),
    Sampling(max_tokens=5, temperature=0, beams=2, length_penalty=0, repetition_penalty=1.2, min_tokens=5),
)


def make_prompts() -> list[list[int]]:
    """Of one token, of a few, and of more than a chunk; each begins with the end of the text before."""
    random = np.random.default_rng(0)
    return [[EOS, *random.integers(1, VOCABULARY, length).tolist()] for length in (4, 0, 39)]


if __name__ == "__main__":
    from zoo.generation.engine import Engine

    engine = Engine(Plain.toy(sys.argv[1]).task, eos_id=EOS, vocabulary=VOCABULARY, context=CONTEXT)
    print(json.dumps([list(engine.answers(make_prompts(), 4, request))[-1] for request in REQUESTS]))
