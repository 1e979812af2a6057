"""Text from a trained model: sampling with a key/value cache, on shapes that are compiled once.

A compiled loop needs static shapes. So prompts are padded to few lengths and few batch sizes, and
everything else that differs between requests (temperature, top-k, top-p, seed, number of tokens)
is an input of the compiled function: after `warm_up` no request waits for a compiler.

Random numbers are drawn on the host, one uniform number per row and token from (seed, row), so
that an answer depends neither on the backend nor on what else is in its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import Encoder
from zoo.compiled import BATCH_SIZES, bucket, check_utf8, compiled, lengths_up_to

if TYPE_CHECKING:
    import keras_hub
    import numpy as np
    import numpy.typing as npt


_SAMPLED_TOKENS = 64


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        max_tokens: new tokens at most, per prompt.
        temperature: 0 always takes the most likely token.
        top_k: choose among so many of the most likely tokens; None for all.
        top_p: choose among the most likely tokens that together have this probability (Holtzman et
            al. 2020, arXiv:1904.09751).
        seed: the same seed and prompt give the same answer.
    """

    max_tokens: int = 128
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = {
            "max_tokens must be at least 1": self.max_tokens < 1,
            "temperature must not be negative": not self.temperature >= 0,
            "top_k must be at least 1": self.top_k is not None and self.top_k < 1,
            "top_p must lie above 0 and not above 1": not 0 < self.top_p <= 1,
            "seed must lie between 0 and 2^63 - 1": not 0 <= self.seed < 2**63,
        }
        for what, is_wrong in wrong.items():
            if is_wrong:
                raise ConfigError(what, where="sampling")


class TextModel:
    """A task and its tokenizer: text in, text out.

    Args:
        task: a keras-hub causal language model with `call_with_cache`.
        encoder: from `pipelines.tokenizers`; its ids are the task's.
        context: tokens that prompt and answer may have together.
    """

    def __init__(self, task: keras_hub.models.CausalLM, encoder: Encoder, *, context: int) -> None:
        self.task = task
        self.encoder = encoder
        self.frame = encoder.frame
        self.eos_id = self.frame.end_id
        self.context = context
        self._decode = compiled(task, self._decode_batch)

    def generate(
        self, prompts: Sequence[str], sampling: Sampling | None = None, *, truncate: bool = False
    ) -> list[str]:
        """Continues each prompt; returns the continuations alone, without the prompts.

        A prompt is read as the beginning of a document. Generation ends at the end-of-text token,
        which is not returned.

        Args:
            truncate: a prompt that does not fit into the context together with `max_tokens` loses
                its beginning.

        Raises:
            DataError: a prompt is not UTF-8, or does not fit and `truncate` is False.
            ConfigError: `max_tokens` leaves no room in the context.
        """
        chosen = sampling or Sampling()
        check_utf8(prompts)
        new = chosen.max_tokens
        if new >= self.context:
            raise ConfigError(f"max_tokens must be below the model's context of {self.context}", where="sampling")
        rows = [[self.frame.prompt_id, *ids] for ids in self.encoder.encode(prompts)]
        room = self.context - new
        longest = max(map(len, rows), default=0)
        if longest > room and not truncate:
            raise DataError(
                f"a prompt of {longest - 1} tokens and max_tokens={new} exceed the model's context of {self.context}",
                fix=f"shorten it to {room - 1} tokens, or ask for fewer",
            )
        rows = [row[-room:] for row in rows]
        size = bucket(len(rows), BATCH_SIZES)  # of each batch, so that a short last one compiles nothing
        texts: list[str] = []
        for start in range(0, len(rows), size):
            texts += self._generate_batch(rows[start : start + size], size, new, chosen, first_row=start)
        return texts

    def sample(self, texts: Sequence[str], *, seed: int) -> list[str]:
        """A sampled continuation of each text. What the model learned by heart shows in them.

        Texts that are too long lose their beginning.
        """
        tokens = min(_SAMPLED_TOKENS, self.context // 2)
        return self.generate(texts, Sampling(max_tokens=tokens, temperature=1.0, seed=seed), truncate=True)

    def warm_up(self, batch_sizes: Sequence[int] = (1,), lengths: Sequence[int] | None = None) -> None:
        """Compiles these batch sizes with these lengths (all, when None) before the first request."""
        import numpy as np

        for batch_size in batch_sizes:
            for length in self.lengths() if lengths is None else lengths:
                rows = np.full((bucket(batch_size, BATCH_SIZES), length), self.eos_id, np.int32)
                self._run(rows, np.ones(len(rows), np.int32), 1, Sampling(max_tokens=1), first_row=0)

    def lengths(self) -> list[int]:
        """The lengths of prompt and answer together that are compiled, in tokens."""
        return lengths_up_to(self.context)

    def _generate_batch(
        self, rows: list[list[int]], size: int, new: int, sampling: Sampling, first_row: int
    ) -> list[str]:
        import numpy as np

        length = bucket(max(map(len, rows)) + new, self.lengths())
        padded = np.full((size, length), self.eos_id, np.int32)
        known = np.full(size, len(rows[0]), np.int32)
        for index in range(size):  # rows that only fill the batch repeat the first one
            row = rows[index] if index < len(rows) else rows[0]
            padded[index, : len(row)] = row
            known[index] = len(row)
        generated = self._run(padded, known, new, sampling, first_row)
        texts = []
        for row, ids in zip(rows, generated, strict=False):
            answer = ids[len(row) : len(row) + new].tolist()
            if self.eos_id in answer:
                answer = answer[: answer.index(self.eos_id)]
            texts.append(self.encoder.decode(answer))
        return texts

    def _run(
        self,
        ids: npt.NDArray[np.int32],
        known: npt.NDArray[np.int32],
        new: int,
        sampling: Sampling,
        first_row: int,
    ) -> npt.NDArray[np.int32]:
        import numpy as np

        uniform = np.zeros(ids.shape, np.float32)
        for index, start in enumerate(known):
            draw = np.random.Generator(np.random.Philox(key=[sampling.seed, first_row + index]))
            uniform[index, start:] = draw.random(ids.shape[1] - start, np.float32)
        greedy = sampling.temperature == 0
        vocabulary = self.encoder.vocab_size
        settings = np.array(
            [
                1.0 if greedy else sampling.temperature,
                min(sampling.top_k or vocabulary, vocabulary),
                sampling.top_p,
                greedy,
            ],
            np.float32,
        )
        generated: npt.NDArray[np.int32] = self._decode(ids, known, known + np.int32(new), uniform, settings)
        return generated

    def _decode_batch(self, ids: Any, known: Any, ends: Any, uniform: Any, settings: Any) -> Any:
        """The compiled part: fills rows [known, ends), each until its end of text.

        Args:
            ids: int32 [batch, length], the prompts, padded.
            known: int32 [batch], prompt lengths, at least 1.
            ends: int32 [batch], where to stop at the latest.
            uniform: float32 [batch, length], a random number for each position.
            settings: float32 [4], temperature, top-k, top-p, 1 for greedy.

        Returns:
            int32 [batch, length].
        """
        from keras import ops

        length = ids.shape[1]
        _, cache = self.task._build_cache(ids)
        first = ops.min(known)
        last = ops.minimum(ops.max(ends), length)
        done = ops.zeros(known.shape, "bool")

        def is_open(index: Any, ids: Any, cache: Any, done: Any) -> Any:
            return ops.logical_and(index < last, ops.logical_not(ops.all(done)))

        def turn(index: Any, ids: Any, cache: Any, done: Any) -> Any:
            before = ops.slice(ids, [0, index - 1], [ids.shape[0], 1])
            logits, _, cache = self.task.call_with_cache(before, cache, index - 1)
            random = ops.slice(uniform, [0, index], [ids.shape[0], 1])
            token = _choose(ops.cast(logits[:, 0, :], "float32"), random, settings)
            present = ops.slice(ids, [0, index], [ids.shape[0], 1])[:, 0]
            token = ops.where(index < known, present, token)
            ended = ops.logical_and(index >= known, token == self.eos_id)
            done = ops.logical_or(done, ops.logical_or(ended, index + 1 >= ends))
            return index + 1, ops.slice_update(ids, [0, index], token[:, None]), cache, done

        return ops.while_loop(is_open, turn, (first, ids, cache, done))[1]


def _choose(logits: Any, random: Any, settings: Any) -> Any:
    """Draws a token by inverting the cumulative distribution of the candidates.

    The candidates of top-k and top-p are all tokens above a threshold, which bisection finds in a
    tenth of the time that sorting a vocabulary takes. Tokens as likely as the last one stay in.

    Args:
        logits: float32 [batch, vocabulary].
        random: float32 [batch, 1], uniform in [0, 1).
        settings: float32 [4], temperature, top-k, top-p, 1 for greedy.

    Returns:
        int32 [batch].
    """
    from keras import ops

    best = ops.argmax(logits, axis=-1)
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

    limits = (ops.min(scaled, axis=-1, keepdims=True), ops.max(scaled, axis=-1, keepdims=True))
    threshold, _ = ops.fori_loop(0, 32, halve, limits)
    cumulative = ops.cumsum(ops.where(scaled >= threshold, probabilities, 0.0), axis=-1)
    passed = ops.sum(ops.cast(cumulative <= random * cumulative[:, -1:], "int32"), axis=-1)
    # Rounding may pass all candidates; the most likely token is always one of them.
    drawn = ops.where(passed < logits.shape[1], passed, best)
    return ops.cast(ops.where(settings[3] > 0, best, drawn), "int32")
