"""Beam search, compiled whole: the answer whose log-probability, with its length allowed for, is greatest.

A hypothesis Y scores log P(Y) / ((5 + |Y|) / 6)^alpha, its end of text counted (Wu et al. 2016,
arXiv:1609.08144, equation 14, without coverage). Since more tokens only lower log P(Y) and the divisor
has a greatest value, a row is done when no living hypothesis can pass its best finished one; no pool
of finished ones is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.generation.choose import NEVER, adjust, is_stop

if TYPE_CHECKING:
    from zoo.generation.decoders import Decoder
    from zoo.generation.loops import Progress, Prompts


def search_beams(
    decoder: Decoder, stops: Sequence[int], beams: int, prompts: Prompts, progress: Progress, settings: Any
) -> Any:
    """Searches from the prompts to `prompts.ends`.

    Args:
        stops: ids that end an answer.
        beams: that are compiled; `settings` says how many count.
        progress: from `read_prompts`; rows that are done give nothing.
        settings: from `Sampling.settings`.

    Returns:
        int32 [rows, slots]: prompts and the best answers, ended by a stop or at `prompts.ends`.
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

    last_slot = ops.max(prompts.ends)
    stop_ids = ops.convert_to_tensor(list(stops), "int32")

    def gather(value: Any, parents: Any) -> Any:
        """The hypotheses [rows, beams, ...] that go on; `parents` int32 [rows, kept]."""
        flat = parents + beams * ops.arange(rows, dtype="int32")[:, None]
        return ops.take(value, ops.reshape(flat, (-1,)), axis=0)

    def is_open(slot: Any, ids: Any, seen: Any, living: Any, cache: Any, best: Any, answer: Any) -> Any:
        bound = ops.max(living, axis=-1) / divisor(prompts.ends)
        settled = ops.logical_or(ops.logical_or(progress.done, slot >= prompts.ends), best >= bound)
        return ops.logical_and(slot < last_slot, ops.logical_not(ops.all(settled)))

    def turn(slot: Any, ids: Any, seen: Any, living: Any, cache: Any, best: Any, answer: Any) -> Any:
        last = ops.slice(ids, (0, slot - 1), (rows * beams, 1))
        read, cache = decoder.read(last, cache, slot - 1, pads)
        logits = adjust(decoder.logits(read[:, 0]), seen, settings, stops=stops, chosen=slot - prompts.start)
        steps = ops.reshape(ops.log_softmax(logits), (rows, beams, vocabulary))

        is_over = (slot >= prompts.ends)[:, None]  # these rows only wait for others

        ended = ops.reshape(living[..., None] + ops.take(steps, stop_ids, axis=-1), (rows, beams * len(stops)))
        finished = ops.max(ended, axis=-1) / divisor(slot + 1)
        winner = ops.cast(ops.argmax(ended, axis=-1), "int32")[:, None]
        stop = ops.take(stop_ids, winner % len(stops))
        ending = ops.slice_update(gather(ids, winner // len(stops)), (0, slot), stop)
        better = ops.logical_and(finished > best, ops.logical_not(is_over[:, 0]))
        best, answer = ops.where(better, finished, best), ops.where(better[:, None], ending, answer)

        is_end = is_stop(ops.arange(vocabulary, dtype="int32"), stops)
        scores = ops.where(is_end, NEVER, steps) + living[..., None]
        grown, chosen = ops.top_k(ops.reshape(scores, (rows, beams * vocabulary)), beams)
        chosen = ops.cast(chosen, "int32")
        parents = ops.where(is_over, ops.arange(beams, dtype="int32")[None], chosen // vocabulary)
        living = ops.where(is_over, living, ops.where(is_extra, NEVER, grown))
        tokens = ops.reshape(chosen % vocabulary, (-1, 1))  # of rows that wait they stand beyond the answer
        ids = ops.slice_update(gather(ids, parents), (0, slot), tokens)
        cache = keras.tree.map_structure(lambda value: gather(value, parents), cache)
        seen = ops.logical_or(gather(seen, parents), ops.arange(vocabulary, dtype="int32")[None] == tokens)
        return slot + 1, ids, seen, living, cache, best, answer

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
    unfinished = ops.max(living, axis=-1) / divisor(ops.minimum(slot, prompts.ends))
    longest = gather(ids, ops.cast(ops.argmax(living, axis=-1), "int32")[:, None])
    return ops.where((unfinished > best)[:, None], longest, answer)
