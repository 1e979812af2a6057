"""Logits into one token for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Of what must not be chosen; finite, so that a softmax stays one.
NEVER = -1e9


def adjust(logits: Any, seen: Any, settings: Any, *, stops: Sequence[int], chosen: Any) -> Any:
    """Applies the repetition penalty and keeps an answer from ending too early.

    A table of tokens may have more rows than the tokenizer has words; what is beyond them is dropped.

    The penalty divides positive logits of seen tokens and multiplies negative ones (Keskar et al. 2019,
    arXiv:1909.05858, section 4.1, who assume positive ones).

    Args:
        logits: float32 [rows, vocabulary or more].
        seen: bool [rows, vocabulary], tokens that are penalised.
        settings: from `Sampling.settings`.
        stops: ids that end an answer.
        chosen: int32, tokens that the answers have already.

    Returns:
        float32 [rows, vocabulary].
    """
    from keras import ops

    vocabulary = seen.shape[1]
    logits = logits[:, :vocabulary]
    penalty, fewest = settings[4], settings[5]

    def penalised() -> Any:
        return ops.where(seen, ops.where(logits > 0, logits / penalty, logits * penalty), logits)

    logits = ops.cond(penalty != 1, penalised, lambda: logits)
    too_early = ops.cast(chosen, "float32") < fewest
    return ops.where(ops.logical_and(is_stop(ops.arange(vocabulary, dtype="int32"), stops), too_early), NEVER, logits)


def is_stop(tokens: Any, stops: Sequence[int]) -> Any:
    """bool of the shape of `tokens`, int32."""
    from keras import ops

    return ops.any(tokens[..., None] == ops.convert_to_tensor(list(stops), "int32"), axis=-1)


def choose(logits: Any, random: Any, settings: Any) -> Any:
    """Takes the likeliest token, or draws one.

    Args:
        logits: float32 [rows, vocabulary].
        random: float32 [rows, 1], uniform in [0, 1).
        settings: float32 [4] or longer: temperature, top-k, top-p, 1 for greedy.

    Returns:
        int32 [rows].
    """
    from keras import ops

    best = ops.cast(ops.argmax(logits, axis=-1), "int32")
    return ops.cond(settings[3] > 0, lambda: best, lambda: _draw(logits, best, random, settings))


def _draw(logits: Any, best: Any, random: Any, settings: Any) -> Any:
    """Draws a token by inverting the cumulative distribution of the candidates.

    The candidates of top-k and top-p are all tokens above a threshold, which bisection finds in a
    tenth of the time that sorting a vocabulary takes. Tokens as likely as the last one stay in.
    """
    from keras import ops

    scaled = logits / settings[0]
    probabilities = ops.softmax(scaled)

    def halve(_: Any, bounds: Any) -> Any:
        low, high = bounds
        middle = 0.5 * (low + high)
        above = ops.cast(scaled >= middle, "float32")
        many = ops.sum(above, axis=-1, keepdims=True) >= settings[1]
        likely = ops.sum(above * probabilities, axis=-1, keepdims=True) >= settings[2]
        enough = ops.logical_or(many, likely)
        return ops.where(enough, middle, low), ops.where(enough, high, middle)

    highest = ops.max(scaled, axis=-1, keepdims=True)
    # What is e^-80 times as likely is never drawn. Within this bound 24 halvings reach float32's precision.
    lowest = ops.maximum(ops.min(scaled, axis=-1, keepdims=True), highest - 80)
    threshold, _ = ops.fori_loop(0, 24, halve, (lowest, highest))
    cumulative = ops.cumsum(ops.where(scaled >= threshold, probabilities, 0.0), axis=-1)
    passed = ops.sum(ops.cast(cumulative <= random * cumulative[:, -1:], "int32"), axis=-1)
    # Rounding may pass all candidates; the most likely token is always one of them.
    return ops.where(passed < logits.shape[1], passed, best)
