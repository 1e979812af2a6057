"""Masked language modelling of whole words, with masks that change in each epoch.

BERT's 15 % and 80/10/10 (Devlin et al. 2019, arXiv:1810.04805); whole words (its authors' later
release); dynamic and without next-sentence prediction (RoBERTa, Liu et al. 2019, arXiv:1907.11692).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from governance.errors import ConfigError
from pipelines.stream import Windows
from pipelines.tokenizers import Lexicon, WordTable
from zoo.objectives.base import SOURCE, Batch, Validation, WindowObjective, count_predicted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.stream import Signature
    from pipelines.tokens import TokenSplit
    from zoo.families.base import Family

#: Share of a window's tokens that are predicted.
SHARE = 0.15
#: Of those, what the model sees: the mask, a random token, or the token itself.
_MASKED, _RANDOM = 0.8, 0.1


@dataclass(frozen=True)
class MaskedLM(WindowObjective):
    """Predicts words that are hidden, from both sides.

    A window is `<s>` and window - 1 tokens of packed documents, each followed by `</s>`. The number of
    predicted positions is the same in each window, so that shapes are static; the few that are
    left over when the next word would not fit have weight 0.
    """

    words: WordTable
    start_id: int
    mask_id: int
    pad_id: int

    name: ClassVar[str] = "masked_lm"
    overlap: ClassVar[int] = 0

    @classmethod
    def of(cls, lexicon: Lexicon) -> Self:
        """For a tokenizer of an encoder."""
        return cls(lexicon.words, lexicon.special("first"), lexicon.special("mask"), lexicon.special("pad"))

    def span(self, window: int) -> int:
        if window < 2:
            raise ConfigError("a window that begins with <s> needs at least 2 tokens", where="plan.window")
        return window - 1

    def signature(self, rows: int, window: int) -> Signature:
        predictions = max(1, round(SHARE * window))
        return {
            "inputs": ("int32", (rows, window)),
            "positions": ("int32", (rows, predictions)),
            "targets": ("int32", (rows, predictions)),
            "weights": ("float32", (rows, predictions)),
        }

    def examples(self, windows: Windows) -> Batch:
        import numpy as np

        rows, length = windows.ids.shape
        shapes = self.signature(rows, length + 1)
        batch = {name: np.zeros(shape, dtype) for name, (dtype, shape) in shapes.items()}
        whole = np.concatenate([np.full((rows, 1), self.start_id, np.int32), windows.ids], axis=1)
        batch["inputs"][:] = whole
        starts = self.starts(whole, windows)
        hidden = ~(self.words.is_special(whole))
        for row in range(rows):
            key = [windows.seed & 0xFFFFFFFFFFFFFFFF, int(windows.index[row])]
            draw = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, int(windows.epoch[row])]))
            real = int((whole[row] != self.pad_id).sum())
            most = min(batch["positions"].shape[1], max(1, round(SHARE * real)))
            chosen = choose_words(starts[row], hidden[row], most, draw)
            count = len(chosen)
            batch["positions"][row, :count] = chosen
            batch["targets"][row, :count] = whole[row, chosen]
            batch["weights"][row, :count] = 1
            batch["inputs"][row, chosen] = self._corrupt(whole[row, chosen], draw)
        return batch

    def starts(self, ids: npt.NDArray[np.int32], windows: Windows) -> npt.NDArray[np.bool_]:
        """Where begins what is hidden as a whole, bool, of the shape of `ids`: the windows after their first token."""
        return self.words.word_starts(ids)

    def _corrupt(self, ids: npt.NDArray[np.int32], draw: np.random.Generator) -> npt.NDArray[np.int32]:
        import numpy as np

        fate = draw.random(len(ids))
        ordinary = np.flatnonzero(self.words.bytes)
        random = ordinary[draw.integers(0, len(ordinary), len(ids))]
        return np.where(fate < _MASKED, self.mask_id, np.where(fate < _MASKED + _RANDOM, random, ids))

    def validation(self, split: TokenSplit, *, batch_size: int, window: int) -> Validation:
        """The masks are those of seed 0 and epoch 0, so that evaluations can be compared."""
        counts = count_predicted(self._in_order(split, batch_size, window), self.words.bytes, split)
        return Validation(self._in_order(split, batch_size, window), *counts)

    def _in_order(self, split: TokenSplit, batch_size: int, window: int) -> Iterator[Batch]:
        import numpy as np

        span = self.span(window)
        for start in range(0, len(split), batch_size * span):
            chunk = np.asarray(split.ids[start : start + batch_size * span], np.int32)
            ids = np.full(batch_size * span, self.pad_id, np.int32)
            ids[: len(chunk)] = chunk
            index = start // span + np.arange(batch_size)
            joined = None if split.spans is None else split.joined(start, start + batch_size * span)
            windows = Windows(
                ids.reshape(batch_size, span),
                np.zeros(batch_size, np.int64),
                index,
                seed=0,
                joined=None if joined is None else joined.reshape(batch_size, span),
            )
            batch = {**self.examples(windows)}
            batch["padding_mask"] = (batch["inputs"] != self.pad_id).astype(np.int32)
            if split.sources is not None:  # the window's first token is no token of the split
                token = index[:, None] * span + batch["positions"] - 1
                batch[SOURCE] = split.source_of(np.clip(token, 0, len(split) - 1))
            yield batch

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        logits = ops.cast(family.logits(task, batch, training), "float32")
        return ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)


def choose_words(
    starts: npt.NDArray[np.bool_], allowed: npt.NDArray[np.bool_], most: int, draw: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Positions of whole words, in order, `most` at most: words are taken in a random order, and one
    that does not fit any more is passed over."""
    import numpy as np

    word = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    lengths = np.diff(np.append(first, len(starts)))
    candidates = draw.permutation(np.flatnonzero(allowed[first]))
    taken, room = [], most
    for candidate in candidates:
        if lengths[candidate] <= room:
            taken.append(candidate)
            room -= lengths[candidate]
            if room == 0:
                break
    return np.flatnonzero(np.isin(word, taken))
