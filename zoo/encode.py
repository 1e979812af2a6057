"""Text into an encoder: embeddings, and words for masks; on shapes that are compiled once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import Encoder
from zoo.compiled import (
    BATCH_SIZES,
    SHORTEST_READ,
    bucket,
    check_utf8,
    compiled,
    in_order_of_length,
    lengths_up_to,
)
from zoo.families.base import Family

if TYPE_CHECKING:
    import keras_hub
    import numpy as np
    import numpy.typing as npt

#: What stands for a hidden word in a text that is to be filled in; a tokenizer's own sign does so as well.
MASK = "<mask>"

#: Masks of one text are asked for in groups of at most so many.
_MASKS = 32
_SAMPLED_TOKENS = 32


@dataclass(frozen=True)
class Filled:
    """A candidate for a mask: the text of one token, and its probability."""

    token: str
    probability: float


class EncoderModel:
    """A masked language model and its tokenizer.

    Args:
        task: a keras-hub masked language model.
        encoder: from `pipelines.tokenizers`; its ids are the task's.
        family: of the task.
        context: tokens that a text may have.
    """

    def __init__(self, task: keras_hub.models.MaskedLM, encoder: Encoder, *, family: Family, context: int) -> None:
        self.task = task
        self.encoder = encoder
        self.context = context
        self.frame = encoder.frame
        self._family = family
        lexicon = encoder.lexicon
        self._start_id, self._pad_id, self._mask_id = map(lexicon.special, ("first", "pad", "mask"))
        self._masks = re.compile("|".join(map(re.escape, {MASK, lexicon.kind.mask or MASK})))
        self._words = lexicon.words
        self._pooled: Callable[..., Any] = compiled(task, self._mean_of_states)
        self._probabilities: Callable[..., Any] = compiled(task, self._probabilities_at)

    def embed(self, texts: Sequence[str], *, truncate: bool = False) -> npt.NDArray[np.float32]:
        """Embeddings of texts: the mean of the last layer's states over all tokens of `<s> text </s>` (`[CLS]` and
        `[SEP]` with BERT's tokenizer), normalised to length 1 (Reimers & Gurevych 2019, arXiv:1908.10084).

        Args:
            truncate: a text that is too long loses its end; otherwise it is refused.

        Returns:
            float32 [texts, width].

        Raises:
            DataError: a text does not fit into the context, or is not UTF-8.
        """
        import numpy as np

        rows = self._encode(texts, truncate=truncate)
        if not rows:
            return np.empty((0, self.task.backbone.hidden_dim), np.float32)

        def pooled(some: list[list[int]]) -> npt.NDArray[np.float32]:
            return np.concatenate([self._pooled(ids, mask)[:count] for ids, mask, count in self._batches(some)])

        embeddings: npt.NDArray[np.float32] = in_order_of_length(rows, pooled)
        return embeddings

    def fill(self, text: str, *, top_k: int = 5) -> list[list[Filled]]:
        """The likeliest tokens for each `<mask>` in a text, the likeliest first. BERT's `[MASK]` is understood by
        the families with its tokenizer.

        Raises:
            ConfigError: there is no mask in the text, or more than 32, or top_k is below 1.
            DataError: the text does not fit into the context, or is not UTF-8.
        """
        import numpy as np

        check_utf8([text])
        parts = self._masks.split(text)
        if top_k < 1:
            raise ConfigError("must be at least 1", where="top_k")
        if not 1 <= len(parts) - 1 <= _MASKS:
            raise ConfigError(f"a text to fill in holds 1 to {_MASKS} times {MASK}", where="text")
        # A token begins with the space before its word, so the mask stands for that space as well.
        parts = [part.removesuffix(" ") for part in parts[:-1]] + parts[-1:]
        ids: list[int] = [self._start_id]
        positions: list[int] = []
        for number, encoded in enumerate(self.encoder.encode(parts)):
            if number:
                positions.append(len(ids))
                ids.append(self._mask_id)
            ids += encoded
        self._check_length(len(ids) + 1)
        padded = positions + [0] * (_MASKS - len(positions))
        probabilities = self._predict([[*ids, self.frame.end_id]], [padded])[0][: len(positions)]
        best = np.argsort(-probabilities, axis=-1, kind="stable")[:, :top_k]
        return [
            [Filled(self.encoder.decode([int(token)]), float(row[token])) for token in tokens]
            for row, tokens in zip(probabilities, best, strict=True)
        ]

    def sample(self, texts: Sequence[str], *, seed: int) -> list[str]:
        """A sampled continuation of each text: masks after it, filled from left to right, each from what
        the model expects after those before (Wang & Cho 2019, arXiv:1902.04094). What it learned by
        heart shows in them.

        Texts that are too long lose their end.
        """
        import numpy as np

        new = min(_SAMPLED_TOKENS, self.context // 2)
        known = [row[:-1][: self.context - new - 1] for row in self._encode(texts, truncate=True)]
        rows = [[*row, *[self._mask_id] * new, self.frame.end_id] for row in known]
        uniform = [np.random.Generator(np.random.Philox(key=[seed, n])).random(new) for n in range(len(rows))]
        for step in range(new):
            positions = [[len(row) + step] for row in known]
            for index, probabilities in enumerate(self._predict(rows, positions)):
                cumulative = np.cumsum(probabilities[0])
                drawn = int((cumulative <= uniform[index][step] * cumulative[-1]).sum())
                rows[index][positions[index][0]] = min(drawn, len(cumulative) - 1)
        return [self._decode(row[len(start) : len(start) + new]) for row, start in zip(rows, known, strict=True)]

    def _decode(self, ids: list[int]) -> str:
        """The text up to an end of text; other special tokens are left out."""
        if self.frame.end_id in ids:
            ids = ids[: ids.index(self.frame.end_id)]
        text: str = self.encoder.decode([token for token in ids if self._words.bytes[token]])
        return text

    def warm_up(self, batch_sizes: Sequence[int] = (1,), lengths: Sequence[int] | None = None) -> None:
        """Compiles these batch sizes with these lengths (all, when None) before the first request."""
        for batch_size in batch_sizes:
            for length in self.lengths() if lengths is None else lengths:
                rows = [[self._start_id] * length] * batch_size
                for ids, mask, _ in self._batches(rows):
                    self._pooled(ids, mask)
                self._predict(rows[:1], [[0] * _MASKS])

    def lengths(self) -> list[int]:
        """The lengths that are compiled, in tokens."""
        return lengths_up_to(self.context, shortest=SHORTEST_READ)

    def _encode(self, texts: Sequence[str], *, truncate: bool) -> list[list[int]]:
        check_utf8(texts)
        encoded = self.encoder.encode(texts)
        if not truncate:
            self._check_length(max((len(ids) + 2 for ids in encoded), default=0))
        return [[self._start_id, *ids[: self.context - 2], self.frame.end_id] for ids in encoded]

    def _check_length(self, tokens: int) -> None:
        if tokens > self.context:
            raise DataError(
                f"a text of {tokens - 2} tokens exceeds the model's context of {self.context}",
                fix=f"shorten it to {self.context - 2} tokens",
            )

    def _batches(self, rows: list[list[int]]) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], int]]:
        """Ids and padding masks, int32 [batch, length] of compiled shapes, and how many rows are real."""
        import numpy as np

        size = bucket(len(rows), BATCH_SIZES)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            length = bucket(max(map(len, part)), self.lengths())
            ids = np.full((size, length), self._pad_id, np.int32)
            mask = np.zeros((size, length), np.int32)
            mask[:, 0] = 1  # rows that only fill the batch are not empty
            for index, row in enumerate(part):
                ids[index, : len(row)] = row
                mask[index, : len(row)] = 1
            yield ids, mask, len(part)

    def _predict(self, rows: list[list[int]], positions: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
        """Probabilities of each token at as many positions of each row, float32 [positions, vocabulary]."""
        import numpy as np

        found: list[npt.NDArray[np.float32]] = []
        for ids, mask, count in self._batches(rows):
            asked = np.zeros((len(ids), len(positions[0])), np.int32)
            asked[:count] = positions[len(found) : len(found) + count]
            found.extend(self._probabilities(ids, mask, asked)[:count])
        return found

    def _mean_of_states(self, ids: Any, mask: Any) -> Any:
        from keras import ops

        states = ops.cast(self._family.states(self.task, ids, mask, False), "float32")  # type: ignore[misc]
        weights = ops.cast(mask, "float32")[:, :, None]
        mean = ops.sum(states * weights, axis=1) / ops.sum(weights, axis=1)
        return mean / ops.maximum(ops.norm(mean, axis=-1, keepdims=True), 1e-12)

    def _probabilities_at(self, ids: Any, mask: Any, positions: Any) -> Any:
        from keras import ops

        batch = {"inputs": ids, "padding_mask": mask, "positions": positions}
        logits = self._family.logits(self.task, batch, False)
        # A published model's table may have rows that stand for no word.
        return ops.softmax(ops.cast(logits[..., : self.encoder.vocab_size], "float32"))
