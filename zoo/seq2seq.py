"""Text from a model of encoder and decoder: the encoder runs once, the decoder with a key/value cache.

As in `zoo.generate`, prompts are padded to few lengths and batch sizes, and all else that differs
between requests is an input of the compiled function. Encoder and decoder share one length, so that
there are as many compiled functions as there are lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import Encoder
from zoo.asking import asking
from zoo.compiled import BATCH_SIZES, bucket, check_utf8, compiled, lengths_up_to
from zoo.generation.choose import choose
from zoo.generation.sampling import Sampling
from zoo.generation.texts import cut

if TYPE_CHECKING:
    import keras_hub
    import numpy as np

_SAMPLED_TOKENS = 64


class Seq2SeqModel:
    """A task and its tokenizer: text in, text out.

    Args:
        task: a keras-hub seq2seq language model with `call_encoder` and `call_decoder_with_cache`.
        encoder: from `pipelines.tokenizers`; its ids are the task's.
        context: tokens that an input may have, and an output.
        objective: what the task was trained on last; it decides what a prompt is: see `zoo.asking`.
    """

    def __init__(self, task: keras_hub.models.Seq2SeqLM, encoder: Encoder, *, context: int, objective: str) -> None:
        import numpy as np

        self.task = task
        self.encoder = encoder
        self.frame = encoder.frame
        self.context = context
        self._asking = asking(objective, encoder.lexicon)
        self._pair = self._asking.frame
        self._is_stop = np.isin(np.arange(encoder.vocab_size), list(self._asking.stops))
        self._decode = compiled(task, self._decode_batch)

    def generate(
        self, prompts: Sequence[str], sampling: Sampling | None = None, *, truncate: bool = False
    ) -> list[str]:
        """Answers each prompt; of a model that only read text, continues it and returns the continuation.

        A prompt is encoded as it is, a task's prefix with it.

        Args:
            truncate: a prompt that is too long loses its end, where prefixes are not; one that is to be
                continued loses its beginning.

        Raises:
            DataError: a prompt is not UTF-8, or does not fit and `truncate` is False.
            ConfigError: `max_tokens` leaves no room in the context.
        """
        chosen = sampling or Sampling()
        _check_supported(chosen)
        check_utf8(prompts)
        room = self._asking.room(self.context, chosen.max_tokens)
        if room < 0:
            raise ConfigError(
                f"max_tokens={chosen.max_tokens} leaves no room in the model's context of {self.context}",
                where="sampling",
                fix="ask for fewer",
            )
        rows = self.encoder.encode(prompts)
        longest = max(map(len, rows), default=0)
        if longest > room and not truncate:
            raise DataError(
                f"a prompt of {longest} tokens does not fit into the model's context of {self.context}"
                f" with max_tokens={chosen.max_tokens}",
                fix=f"shorten it to {room} tokens, or ask for fewer",
            )
        rows = [row[max(0, len(row) - room) :] if self._asking.keeps_end else row[:room] for row in rows]
        size = bucket(len(rows), BATCH_SIZES)
        texts: list[str] = []
        for start in range(0, len(rows), size):
            written = self._write(rows[start : start + size], size, chosen, first_row=start)
            texts += [cut(self._text(ids), chosen.stops) for ids in written]
        return texts

    def stream(self, prompt: str, sampling: Sampling | None = None, *, truncate: bool = False) -> Iterator[str]:
        """The answer in one piece: an answer of several parts is known only when the last of them is."""
        yield self.generate([prompt], sampling, truncate=truncate)[0]

    def sample(self, texts: Sequence[str], *, seed: int) -> list[str]:
        """A sampled continuation of each text, or answer to it. What the model learned by heart shows in them.

        Texts that are too long are cut.
        """
        tokens = min(_SAMPLED_TOKENS, self.context // 2)
        return self.generate(texts, Sampling(max_tokens=tokens, temperature=1.0, seed=seed), truncate=True)

    def warm_up(self, batch_sizes: Sequence[int] = (1,), lengths: Sequence[int] | None = None) -> None:
        """Compiles these batch sizes with these lengths (all, when None) before the first request."""
        for batch_size in batch_sizes:
            for length in self.lengths() if lengths is None else lengths:
                self._run([], [], bucket(batch_size, BATCH_SIZES), length, Sampling(max_tokens=1), [])

    def lengths(self) -> list[int]:
        """The lengths of encoder and decoder that are compiled, in tokens."""
        return lengths_up_to(self.context)

    def _text(self, ids: list[int]) -> str:
        """What was written; special tokens among it are left out."""
        words = self.encoder.lexicon.words
        return self.encoder.decode([token for token in ids if words.bytes[token]])

    def _write(self, prompts: list[list[int]], size: int, sampling: Sampling, first_row: int) -> list[list[int]]:
        """The ids of each answer, in one part or in several."""
        import numpy as np

        keys = ([sampling.seed, first_row + index] for index in range(len(prompts)))
        draws = [np.random.Generator(np.random.Philox(key=key)) for key in keys]
        written: list[list[int]] = [[] for _ in prompts]
        is_open = [True] * len(prompts)
        while any(is_open):
            requests = [self._asking.request(prompt + text) for prompt, text in zip(prompts, written, strict=True)]
            left = [go * (sampling.max_tokens - len(text)) for go, text in zip(is_open, written, strict=True)]
            longest = max(
                max(len(source), len(known) + new) for (source, known), new in zip(requests, left, strict=True)
            )
            found = self._run(requests, left, size, bucket(longest, self.lengths()), sampling, draws)
            for row, ids in enumerate(found):
                if is_open[row]:
                    end = next((index for index, token in enumerate(ids) if self._is_stop[token]), len(ids))
                    written[row] += ids[:end]
                    ended = end == 0 or end == len(ids) or ids[end] == self.frame.end_id
                    is_open[row] = self._asking.in_parts and not ended
        return written

    def _run(
        self,
        requests: Sequence[tuple[list[int], list[int]]],
        left: Sequence[int],
        size: int,
        length: int,
        sampling: Sampling,
        draws: Sequence[np.random.Generator],
    ) -> list[list[int]]:
        """One call of the compiled function: up to `left` ids after what the decoder is given, for each row."""
        import numpy as np

        source, target = np.full((2, size, length), self._pair.pad_id, np.int32)
        mask = np.zeros((size, length), np.int32)
        mask[:, 0] = 1  # rows that only fill the batch are not empty
        known = np.full(size, len(requests[0][1]) if requests else 1, np.int32)
        ends = known.copy()
        uniform = np.zeros((size, length), np.float32)
        for row, (ids, start) in enumerate(requests):
            source[row, : len(ids)], mask[row, : len(ids)] = ids, 1
            target[row, : len(start)] = start
            known[row], ends[row] = len(start), len(start) + left[row]
            uniform[row, len(start) : ends[row]] = draws[row].random(left[row], np.float32)
        greedy, vocabulary = sampling.temperature == 0, self.encoder.vocab_size
        top_k = min(sampling.top_k or vocabulary, vocabulary)
        settings = np.array([1.0 if greedy else sampling.temperature, top_k, sampling.top_p, greedy], np.float32)
        written = self._decode(source, mask, target, known, ends, uniform, settings)
        return [written[row, known[row] : ends[row]].tolist() for row in range(len(requests))]

    def _decode_batch(
        self, source: Any, mask: Any, ids: Any, known: Any, ends: Any, uniform: Any, settings: Any
    ) -> Any:
        """The compiled part: fills rows [known, ends) of the decoder's ids, each until a stop.

        Args:
            source: int32 [batch, length], what the encoder reads.
            mask: int32 [batch, length], 1 where that is no padding.
            ids: int32 [batch, length], what the decoder is given, padded.
            known: int32 [batch], ids that are given, at least 1.
            ends: int32 [batch], where to stop at the latest.
            uniform: float32 [batch, length], a random number for each position.
            settings: float32 [4], see `zoo.generate`.

        Returns:
            int32 [batch, length].
        """
        from keras import ops

        rows, length = ids.shape
        states = self.task.call_encoder(token_ids=source, padding_mask=mask)
        own, cross = self.task._initialize_cache(source, ids)

        def step(tokens: Any, own: Any, cross: Any, index: Any, first: bool) -> tuple[Any, Any, Any]:
            logits, _, own, cross = self.task.call_decoder_with_cache(
                encoder_hidden_states=states,
                encoder_padding_mask=mask,
                decoder_token_ids=tokens,
                self_attention_cache=own,
                self_attention_cache_update_index=index,
                cross_attention_cache=cross,
                cross_attention_cache_update_index=0 if first else None,
            )
            return logits, own, cross

        # What is always given is read at once, and so is the encoder for the cross attention.
        _, own, cross = step(ids[:, : self._asking.prefix], own, cross, 0, True)
        is_stop = ops.convert_to_tensor(self._is_stop)
        last = ops.minimum(ops.max(ends), length)

        def is_open(index: Any, ids: Any, own: Any, done: Any) -> Any:
            return ops.logical_and(index < last, ops.logical_not(ops.all(done)))

        def turn(index: Any, ids: Any, own: Any, done: Any) -> Any:
            before = ops.slice(ids, [0, index - 1], [rows, 1])
            logits, own, _ = step(before, own, cross, index - 1, False)
            random = ops.slice(uniform, [0, index], [rows, 1])
            token = choose(ops.cast(logits[:, 0, :], "float32"), random, settings)
            present = ops.slice(ids, [0, index], [rows, 1])[:, 0]
            token = ops.where(index < known, present, token)
            stopped = ops.logical_and(index >= known, ops.take(is_stop, token))
            done = ops.logical_or(done, ops.logical_or(stopped, index + 1 >= ends))
            return index + 1, ops.slice_update(ids, [0, index], token[:, None]), own, done

        return ops.while_loop(is_open, turn, (ops.min(known), ids, own, known >= ends))[1]


def _check_supported(sampling: Sampling) -> None:
    """Raises ConfigError for what only decoders can do so far."""
    asked = {
        "beams": sampling.beams > 1,
        "contrastive": sampling.contrastive > 0,
        "repetition_penalty": sampling.repetition_penalty != 1,
        "min_tokens": sampling.min_tokens > 0,
        "control": sampling.control is not None,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise ConfigError(f"{name} is for decoders; a seq2seq model does not have it yet", where="sampling")
