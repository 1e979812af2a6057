"""The compiled parts of drawing and contrastive search: prompts into a cache, and tokens out of it.

All that differs between requests is an input, also how many tokens to generate: one function, compiled
for a batch size and a number of slots, serves a whole answer at once as well as a stream in pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.generation.choose import NEVER, adjust, choose, is_stop

if TYPE_CHECKING:
    from zoo.generation.decoders import Cache, Decoder

#: Slots that are read at once. A prompt is padded to a multiple; more pads waste work, less waste time on weights.
CHUNK = 32


class Prompts(NamedTuple):
    """A batch that waits for its answers, as arrays.

    Attributes:
        ids: int32 [rows, slots]; the last token of each prompt stands at `start` - 1.
        pads: int32 [rows], slots before the prompt.
        start: int32, slot of the first new token: a multiple of CHUNK, and one.
        ends: int32 [rows], where to stop at the latest.
        seen: bool [rows, vocabulary], tokens that count as written already, for the repetition penalty.
        source: from `EncoderDecoder.encode`; nothing for a decoder.
    """

    ids: Any
    pads: Any
    start: Any
    ends: Any
    seen: Any
    source: Any = ()


class Progress(NamedTuple):
    """Where an answer stands.

    Attributes:
        slot: int32, of the next token.
        ids: as in `Prompts`, with what was generated.
        seen: as in `Prompts`, with what was generated.
        done: bool [rows], answers that have ended.
        cache: of the slots before `slot` - 1.
        states: float32 [rows, slots, width], the directions of these slots' states: of length 1 each.
    """

    slot: Any
    ids: Any
    seen: Any
    done: Any
    cache: Cache
    states: Any


def read_prompts(decoder: Decoder, prompts: Prompts, done: Any) -> Progress:
    """Reads all but the last token of each prompt, some slots at a time: short prompts cost little."""
    from keras import ops

    rows, slots = prompts.ids.shape

    def turn(slot: Any, cache: Cache, states: Any) -> Any:
        part = ops.slice(prompts.ids, (0, slot), (rows, CHUNK))
        read, cache = decoder.read(part, cache, slot, prompts.pads)
        return slot + CHUNK, cache, ops.slice_update(states, (0, slot, 0), _of_length_one(read))

    nothing = (ops.zeros((), "int32"), decoder.empty(rows, slots), ops.zeros((rows, slots, decoder.width)))
    _, cache, states = ops.while_loop(lambda slot, *_: slot < prompts.start - 1, turn, nothing)
    return Progress(prompts.start, prompts.ids, prompts.seen, done, cache, states)


def draw(
    decoder: Decoder,
    stops: Sequence[int],
    prompts: Prompts,
    progress: Progress,
    until: Any,
    uniform: Any,
    settings: Any,
) -> Progress:
    """Goes on to the slot `until` or until all rows are done, by the likeliest tokens or by drawing.

    Args:
        stops: ids that end an answer; what is beyond an answer is filled up with the first of them.
        uniform: float32 [rows, slots], a random number for each place.
        settings: from `Sampling.settings`.
    """
    from keras import ops

    def pick(logits: Any, now: Progress) -> tuple[Any, Progress]:
        return choose(logits, ops.slice(uniform, (0, now.slot), (uniform.shape[0], 1)), settings), now

    return _generate(decoder, stops, prompts, progress, until, settings, pick)


def search_contrastively(
    decoder: Decoder,
    stops: Sequence[int],
    candidates: int,
    prompts: Prompts,
    progress: Progress,
    until: Any,
    settings: Any,
) -> Progress:
    """Goes on as `draw` does, by contrastive search (Su et al. 2022, arXiv:2202.06417, equation 5).

    Of the likeliest tokens it takes the one with the greatest (1 - alpha) * probability - alpha * s, s being
    the cosine of the angle between the token's state and the nearest state of all tokens before it. The
    candidates of a row are read together, as alternatives for one place, so that no cache is copied.

    Args:
        candidates: that are compiled; `settings` says how many count.
    """
    from keras import ops

    width, alpha = settings[6], settings[7]
    rows, slots = prompts.ids.shape
    places = ops.arange(slots, dtype="int32")
    is_extra = ops.cast(ops.arange(candidates), "float32") >= width

    def pick(logits: Any, now: Progress) -> tuple[Any, Progress]:
        likely, tokens = ops.top_k(ops.softmax(logits), candidates)
        tokens = ops.cast(tokens, "int32")
        read, cache = decoder.read(tokens, now.cache, now.slot, prompts.pads, alternatives=True)
        cosines = ops.matmul(_of_length_one(read), ops.transpose(now.states, (0, 2, 1)))
        before = ops.logical_and(places[None] >= prompts.pads[:, None], places[None] < now.slot)
        nearest = ops.max(ops.where(before[:, None], cosines, NEVER), axis=-1)
        scores = ops.where(is_extra, NEVER, (1 - alpha) * likely - alpha * nearest)
        best = ops.argmax(scores, axis=-1)
        return ops.take_along_axis(tokens, best[:, None], axis=1)[:, 0], now._replace(cache=cache)

    return _generate(decoder, stops, prompts, progress, until, settings, pick)


def _of_length_one(states: Any) -> Any:
    from keras import ops

    return ops.normalize(ops.cast(states, "float32"), axis=-1)


def _generate(
    decoder: Decoder,
    stops: Sequence[int],
    prompts: Prompts,
    progress: Progress,
    until: Any,
    settings: Any,
    pick: Callable[[Any, Progress], tuple[Any, Progress]],
) -> Progress:
    """The loop over tokens: reads the last one, and lets `pick` choose the next by its logits."""
    from keras import ops

    rows = prompts.ids.shape[0]

    def is_open(slot: Any, ids: Any, seen: Any, done: Any, cache: Cache, states: Any) -> Any:
        return ops.logical_and(slot < until, ops.logical_not(ops.all(done)))

    def turn(slot: Any, ids: Any, seen: Any, done: Any, cache: Cache, states: Any) -> Any:
        last = ops.slice(ids, (0, slot - 1), (rows, 1))
        read, cache = decoder.read(last, cache, slot - 1, prompts.pads)
        states = ops.slice_update(states, (0, slot - 1, 0), _of_length_one(read))
        logits = adjust(decoder.logits(read[:, 0]), seen, settings, stops=stops, chosen=slot - prompts.start)
        token, now = pick(logits, Progress(slot, ids, seen, done, cache, states))
        token = ops.where(done, stops[0], token)
        ids = ops.slice_update(ids, (0, slot), token[:, None])
        seen = ops.logical_or(seen, ops.arange(seen.shape[1], dtype="int32")[None] == token[:, None])
        ended = ops.logical_or(is_stop(token, stops), slot + 1 >= prompts.ends)
        return slot + 1, ids, seen, ops.logical_or(done, ended), now.cache, states

    return Progress(*ops.while_loop(is_open, turn, tuple(progress)))
