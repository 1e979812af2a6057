"""Text to text: how pairs become batches of an encoder and a decoder, and objectives that corrupt text.

A batch has these arrays; lengths of encoder and decoder differ:

    inputs          int32 [rows, encoder length], what the encoder reads
    padding_mask    int32 [rows, encoder length], 1 where "inputs" are no padding
    decoder_inputs  int32 [rows, decoder length], the targets one place later, after a start token
    targets         int32 [rows, decoder length]
    weights         float32 [rows, decoder length], 0 where the targets are padding

The decoder needs no mask of its own: it looks back alone, and padding stands at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pipelines.tokenizers import Lexicon, WordTable
from zoo.objectives.base import SOURCE, Batch, Validation, WindowObjective, count_predicted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.stream import Signature, Windows
    from pipelines.tokens import TokenSplit
    from zoo.families.base import Family

    Ids = npt.NDArray[np.int32]
    Pair = tuple[Ids | Sequence[int], Ids | Sequence[int]]


def nats(task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
    """Cross-entropy of each target, float32 [rows, decoder length], where the weights are 0 as well."""
    from keras import ops

    logits = ops.cast(family.logits(task, batch, training), "float32")
    return ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)


@dataclass(frozen=True)
class PairFrame:
    """The ids that stand around the input and the output of a seq2seq model, as keras-hub places them.

    Attributes:
        pad_id: fills up rows.
        start_id: the first input of the decoder.
        first_id: stands before inputs and outputs (BART's `<s>`), if any.
        end_id: stands after them.
    """

    pad_id: int
    start_id: int
    first_id: int | None
    end_id: int

    @classmethod
    def of(cls, lexicon: Lexicon) -> PairFrame:
        """For a tokenizer of a seq2seq family."""
        first = None if lexicon.kind.first is None else lexicon.special("first")
        return cls(lexicon.special("pad"), lexicon.special("decoder_start"), first, lexicon.frame.end_id)

    def text(self, ids: Sequence[int]) -> list[int]:
        """An input, or an output, with what stands around it."""
        return [*self.before, *ids, self.end_id]

    @property
    def before(self) -> list[int]:
        """What stands before a text."""
        return [] if self.first_id is None else [self.first_id]

    @property
    def decoder_prompt(self) -> list[int]:
        """What the decoder is given before it writes an output."""
        return [self.start_id, *self.before]


def make_batch(pairs: Sequence[Pair], *, pad_id: int, start_id: int, lengths: tuple[int, int]) -> Batch:
    """Rows of inputs and targets, padded to the lengths of encoder and decoder.

    Args:
        pairs: inputs and targets with all that stands around them (`PairFrame.text`).
    """
    import numpy as np

    rows = len(pairs)
    inputs, decoder_inputs, targets = (np.full((rows, length), pad_id, np.int32) for length in (*lengths, lengths[1]))
    mask, weights = np.zeros(inputs.shape, np.int32), np.zeros(targets.shape, np.float32)
    decoder_inputs[:, 0] = start_id
    for row, (source, target) in enumerate(pairs):
        inputs[row, : len(source)], mask[row, : len(source)] = source, 1
        targets[row, : len(target)], weights[row, : len(target)] = target, 1
        decoder_inputs[row, 1 : len(target)] = target[:-1]
    return {
        "inputs": inputs,
        "padding_mask": mask,
        "decoder_inputs": decoder_inputs,
        "targets": targets,
        "weights": weights,
    }


class Corrupted(NamedTuple):
    """What became of some tokens of a split.

    Attributes:
        inputs: int32, for the encoder, with what stands around a text.
        targets: int32, for the decoder, likewise.
        origins: int64, of the length of `targets`: which of the tokens each target is, or stands for.
    """

    inputs: Ids
    targets: Ids
    origins: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corruption(WindowObjective, ABC):
    """An objective that makes an input and a target of each window of packed documents.

    The pair of a window is a pure function of (seed, epoch, window). The window of a plan is the length of
    the longer of the two sides.
    """

    words: WordTable
    frame: PairFrame

    overlap: ClassVar[int] = 0

    @abstractmethod
    def span(self, window: int) -> int:
        """Tokens of the split whose input and target fit into a window.

        Raises:
            ConfigError: no token fits.
        """

    @abstractmethod
    def lengths(self, tokens: int) -> tuple[int, int]:
        """Ids of input and target of so many tokens, at most."""

    @abstractmethod
    def corrupt(self, ids: Ids, draw: np.random.Generator) -> Corrupted:
        """Input and target of some tokens: one at least."""

    def signature(self, rows: int, window: int) -> Signature:
        source, target = self.lengths(self.span(window))
        return {
            "inputs": ("int32", (rows, source)),
            "padding_mask": ("int32", (rows, source)),
            "decoder_inputs": ("int32", (rows, target)),
            "targets": ("int32", (rows, target)),
            "weights": ("float32", (rows, target)),
        }

    def examples(self, windows: Windows) -> Batch:
        rows, length = windows.ids.shape
        corrupted = [
            self._corrupted(ids, int(number), int(epoch), windows.seed)
            for ids, number, epoch in zip(windows.ids, windows.index, windows.epoch, strict=True)
        ]
        return self._batch(corrupted, rows, length)

    def validation(self, split: TokenSplit, *, batch_size: int, window: int) -> Validation:
        """What is corrupted is that of seed 0 and epoch 0, so that evaluations can be compared."""
        counts = count_predicted(self._in_order(split, batch_size, window), self.words.bytes, split)
        return Validation(self._in_order(split, batch_size, window), *counts)

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        return nats(task, family, batch, training)

    def _in_order(self, split: TokenSplit, batch_size: int, window: int) -> Iterator[Batch]:
        """Each token once; the last window may be shorter, and the last batch has empty rows."""
        import numpy as np

        span = self.span(window)
        for start in range(0, len(split), batch_size * span):
            chunk = np.asarray(split.ids[start : start + batch_size * span], np.int32)
            starts = range(0, len(chunk), span)
            corrupted = [
                self._corrupted(chunk[first : first + span], (start + first) // span, epoch=0, seed=0)
                for first in starts
            ]
            batch = self._batch(corrupted, batch_size, span)
            if split.sources is not None:
                batch[SOURCE] = np.zeros(batch["targets"].shape, np.int32)
                for row, (first, one) in enumerate(zip(starts, corrupted, strict=True)):
                    batch[SOURCE][row, : len(one.origins)] = split.source_of(start + first + one.origins)
            yield batch

    def _corrupted(self, ids: Ids, number: int, epoch: int, seed: int) -> Corrupted:
        import numpy as np

        key = [seed & 0xFFFFFFFFFFFFFFFF, number]
        return self.corrupt(ids, np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, epoch])))

    def _batch(self, corrupted: Sequence[Corrupted], rows: int, tokens: int) -> Batch:
        """So many rows, of which the last ones may be empty."""
        nothing: Pair = ([], [])
        pairs = [(one.inputs, one.targets) for one in corrupted] + [nothing] * (rows - len(corrupted))
        lengths = self.lengths(tokens)
        return make_batch(pairs, pad_id=self.frame.pad_id, start_id=self.frame.start_id, lengths=lengths)
