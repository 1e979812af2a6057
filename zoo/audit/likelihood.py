"""How likely a language model finds a text, each family by what it was trained to predict.

A decoder reads the text as a document and predicts each of its tokens. An encoder is given the text with one token
of the code hidden at a time, and their losses are added (pseudo-log-likelihood: Salazar et al. 2020, arXiv:1910.14659).
A seq2seq model is asked to continue what stands before the code, as it learned to: `t5` finds it under its first
sentinel, `bart` behind a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from governance.errors import ConfigError
from governance.leakage import canary
from zoo import objectives
from zoo.asking import asking
from zoo.audit.planting import FRAME
from zoo.load import LoadedModel
from zoo.objectives import Batch
from zoo.objectives.seq2seq import PairFrame, make_batch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ROWS = 64  # of a batch


def canary_nats(model: LoadedModel, codes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Negative log-likelihood of the codes of canaries, given what stands before them, float64 [codes].

    All of them are compared in batches of one shape.

    Raises:
        ConfigError: a canary does not fit into the model's context.
    """
    import numpy as np

    from zoo.compiled import compiled
    from zoo.fit.step import Loss

    text_model: Any = model.text_model
    objective = objectives.get(model.family.objective, text_model.encoder.lexicon)
    compute = compiled(text_model.task, Loss(text_model.task, model.family, objective).weighted)
    canaries = _encoded(model, codes)
    if max(len(one.ids) for one in canaries) + FRAME > text_model.context:
        raise ConfigError(f"a canary does not fit into the model's context of {text_model.context}", where="model")
    found = np.zeros(len(codes))
    for batch, numbers in _BATCHES[model.family.shape](model, canaries):
        nats = compute(batch).sum(axis=1, dtype=np.float64)
        np.add.at(found, numbers, nats[: len(numbers)])  # the last rows only fill the batch
    return found


class _Canary(NamedTuple):
    """A canary as ids; those of its code are ids[first:end]."""

    ids: list[int]
    first: int
    end: int


def _encoded(model: LoadedModel, codes: Sequence[str]) -> list[_Canary]:
    """What all of them begin or end with is not of the code."""
    rows = model.text_model.encoder.encode(list(map(canary, codes)))
    first = _common(rows)
    last = _common([ids[first:][::-1] for ids in rows])
    return [_Canary(ids, first, len(ids) - last) for ids in rows]


def _common(rows: Sequence[Sequence[int]]) -> int:
    """Length of the beginning that all rows share."""
    return next((n for n, ids in enumerate(zip(*rows, strict=False)) if len(set(ids)) > 1), min(map(len, rows)))


#: A batch, and the numbers of the canaries that its first rows are about.
_Batches = Iterator[tuple[Batch, list[int]]]


def _of_decoder(model: LoadedModel, canaries: Sequence[_Canary]) -> _Batches:
    import numpy as np

    frame = model.text_model.frame
    before = [] if frame.start_id is None else [frame.start_id]
    longest = len(before) + max(one.end for one in canaries)
    for numbers in _numbers(len(canaries)):
        inputs, targets = np.full((2, _ROWS, longest), frame.end_id, np.int32)
        weights = np.zeros((_ROWS, longest), np.float32)
        for row, number in enumerate(numbers):
            ids, first, end = canaries[number]
            known = [*before, *ids[:end]]
            targets[row, : len(known)], inputs[row, 1 : len(known)] = known, known[:-1]
            weights[row, len(before) + first : len(known)] = 1
        yield {"inputs": inputs, "targets": targets, "weights": weights}, numbers


def _of_encoder(model: LoadedModel, canaries: Sequence[_Canary]) -> _Batches:
    import numpy as np

    start, pad, mask = map(model.text_model.encoder.lexicon.special, ("first", "pad", "mask"))
    hidden = [(number, place) for number, one in enumerate(canaries) for place in range(one.first, one.end)]
    longest = 2 + max(len(one.ids) for one in canaries)
    for some in _numbers(len(hidden)):
        inputs = np.full((_ROWS, longest), pad, np.int32)
        inputs[:, 0] = start  # rows that only fill the batch are not empty
        positions, targets = np.zeros((2, _ROWS, 1), np.int32)
        weights = np.zeros((_ROWS, 1), np.float32)
        for row, (number, place) in enumerate(hidden[index] for index in some):
            text = [start, *canaries[number].ids, model.text_model.frame.end_id]
            positions[row], targets[row], weights[row] = place + 1, text[place + 1], 1
            inputs[row, : len(text)] = text
            inputs[row, place + 1] = mask
        batch = {"inputs": inputs, "positions": positions, "targets": targets, "weights": weights}
        yield batch | {"padding_mask": (inputs != pad).astype(np.int32)}, [hidden[index][0] for index in some]


def _of_seq2seq(model: LoadedModel, canaries: Sequence[_Canary]) -> _Batches:

    lexicon = model.text_model.encoder.lexicon
    frame, ways = PairFrame.of(lexicon), asking(model.family.objective, lexicon)
    pairs, given = [], []
    for ids, first, end in canaries:
        source, known = ways.request(ids[:first])
        pairs.append((source, [*known[1:], *ids[first:end]]))
        given.append(len(known) - 1)
    lengths = max(len(source) for source, _ in pairs), max(len(target) for _, target in pairs)
    for numbers in _numbers(len(canaries)):
        rows = [pairs[number] for number in numbers] + [pairs[0]] * (_ROWS - len(numbers))
        batch = dict(make_batch(rows, pad_id=frame.pad_id, start_id=frame.start_id, lengths=lengths))
        for row, number in enumerate(numbers):
            batch["weights"][row, : given[number]] = 0
        yield batch, numbers


_BATCHES: Mapping[str, Callable[[LoadedModel, Sequence[_Canary]], _Batches]] = {
    "decoder": _of_decoder,
    "encoder": _of_encoder,
    "seq2seq": _of_seq2seq,
}


def _numbers(count: int) -> Iterator[list[int]]:
    return (list(range(start, min(start + _ROWS, count))) for start in range(0, count, _ROWS))
