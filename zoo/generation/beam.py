"""Beam search, compiled whole: the answer whose log-probability, with its length allowed for, is greatest.

A hypothesis Y scores log P(Y) / ((5 + |Y|) / 6)^alpha, its end of text counted (Wu et al. 2016,
arXiv:1609.08144, equation 14, without coverage). Since more tokens only lower log P(Y) and the divisor
has a greatest value, a row is done when no living hypothesis can pass its best finished one; no pool
of finished ones is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.generation.choose import NEVER, adjust

if TYPE_CHECKING:
    from zoo.generation.decoders import Decoder
    from zoo.generation.loops import Progress, Prompts


def search_beams(decoder: Decoder, eos_id: int, beams: int, prompts: Prompts, progress: Progress, settings: Any) -> Any:
    """Searches from the prompts to `prompts.end`.

    Args:
        beams: that are compiled; `settings` says how many count.
        progress: from `read_prompts`; rows that are done give nothing.
        settings: from `Sampling.settings`.

    Returns:
        int32 [rows, slots]: prompts and the best answers, ended by `eos_id` or at `prompts.end`.
    """
    import keras
    from keras import ops

    rows, slots = prompts.ids.shape
    vocabulary = prompts.seen.shape[1]
    width, alpha = settings[6], settings[7]
    pads = ops.repeat(prompts.pads, beams, axis=0)
    # All beams begin alike: but for the first one they are out, and so are those beyond the width.
    only_first = ops.where(ops.arange(beams) == 0, 0.0, NEVER)
    living = ops.zeros((rows, 1)) + only_first[None]
    is_extra = ops.cast(ops.arange(beams), "float32") >= width

    def divisor(slot: Any) -> Any:
        length = ops.cast(slot - prompts.start, "float32")
        return ((5.0 + length) / 6.0) ** alpha

    def gather(value: Any, parents: Any) -> Any:
        """The hypotheses [rows, beams, ...] that go on; `parents` int32 [rows, kept]."""
        flat = parents + beams * ops.arange(rows, dtype="int32")[:, None]
        return ops.take(value, ops.reshape(flat, (-1,)), axis=0)

    def is_open(slot: Any, ids: Any, seen: Any, living: Any, cache: Any, best: Any, answer: Any) -> Any:
        bound = ops.max(living, axis=-1) / divisor(prompts.end)
        settled = ops.logical_or(progress.done, best >= bound)
        return ops.logical_and(slot < prompts.end, ops.logical_not(ops.all(settled)))

    def turn(slot: Any, ids: Any, seen: Any, living: Any, cache: Any, best: Any, answer: Any) -> Any:
        last = ops.slice(ids, (0, slot - 1), (rows * beams, 1))
        read, cache = decoder.read(last, cache, slot - 1, pads)
        logits = adjust(decoder.logits(read[:, 0]), seen, settings, eos_id=eos_id, chosen=slot - prompts.start)
        steps = ops.reshape(ops.log_softmax(logits), (rows, beams, vocabulary))

        ended = living + steps[:, :, eos_id]
        finished = ops.max(ended, axis=-1) / divisor(slot + 1)
        winner = ops.cast(ops.argmax(ended, axis=-1), "int32")[:, None]
        ending = ops.slice_update(gather(ids, winner), (0, slot), ops.full((rows, 1), eos_id, "int32"))
        better = finished > best
        best, answer = ops.where(better, finished, best), ops.where(better[:, None], ending, answer)

        is_end = ops.arange(vocabulary) == eos_id
        scores = ops.where(is_end, NEVER, steps) + living[..., None]
        living, chosen = ops.top_k(ops.reshape(scores, (rows, beams * vocabulary)), beams)
        chosen = ops.cast(chosen, "int32")
        parents, tokens = chosen // vocabulary, ops.reshape(chosen % vocabulary, (-1, 1))
        ids = ops.slice_update(gather(ids, parents), (0, slot), tokens)
        cache = keras.tree.map_structure(lambda value: gather(value, parents), cache)
        seen = ops.logical_or(gather(seen, parents), ops.arange(vocabulary, dtype="int32")[None] == tokens)
        return slot + 1, ids, seen, ops.where(is_extra, NEVER, living), cache, best, answer

    def for_each_beam(value: Any) -> Any:
        return ops.repeat(value, beams, axis=0)

    start = (
        prompts.start,
        for_each_beam(prompts.ids),
        for_each_beam(prompts.seen),
        living,
        keras.tree.map_structure(for_each_beam, progress.cache),
        ops.full((rows,), NEVER),
        prompts.ids,
    )
    slot, ids, _, living, _, best, answer = ops.while_loop(is_open, turn, start)
    unfinished = ops.max(living, axis=-1) / divisor(slot)
    longest = gather(ids, ops.cast(ops.argmax(living, axis=-1), "int32")[:, None])
    return ops.where((unfinished > best)[:, None], longest, answer)
