"""Text from a model of encoder and decoder, on the compiled functions of `zoo.generation`.

What is written is chosen as `zoo.generate` chooses it; what encoder and decoder are given for a prompt is in
`zoo.asking`. Encoder and decoder share one length, so that there are as many compiled functions of a
kind as there are lengths.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import Encoder
from zoo.asking import asking
from zoo.compiled import bucket, check_utf8
from zoo.generation.engine import BATCH_SIZES, STOP_PACE, STREAM_PACE, Engine, Request, Written
from zoo.generation.sampling import Sampling
from zoo.generation.texts import cut, over_at_stops, pieces

if TYPE_CHECKING:
    import keras_hub

_SAMPLED_TOKENS = 64


class Seq2SeqModel:
    """A task and its tokenizer: text in, text out.

    The repetition penalty counts tokens of the answer alone, since an answer needs the words of its
    prompt; of a model that only read text and continues the prompt, those of prompt and answer, as a
    decoder's does. What stands around a text never counts.

    A `t5` that only read text writes one span after the other. Beams search for the likeliest of each
    span, and with `min_tokens` none is empty, and the text does not end before it has so many.

    Args:
        task: a keras-hub seq2seq language model for which `zoo.generation.encoder_decoders` has a network.
        encoder: from `pipelines.tokenizers`; its ids are the task's.
        context: tokens that an input may have, and an output.
        objective: what the task was trained on last; it decides what a prompt is: see `zoo.asking`.

    Raises:
        ConfigError: there is no network for the task.
    """

    def __init__(self, task: keras_hub.models.Seq2SeqLM, encoder: Encoder, *, context: int, objective: str) -> None:
        self.task = task
        self.encoder = encoder
        self.frame = encoder.frame
        self.context = context
        self._asking = asking(objective, encoder.lexicon)
        end_id = self.frame.end_id
        self._engine = Engine(
            task,
            eos_id=end_id,
            vocabulary=encoder.vocab_size,
            context=context,
            other_stops=sorted(self._asking.stops - {end_id}),
        )

    def generate(
        self, prompts: Sequence[str], sampling: Sampling | None = None, *, truncate: bool = False
    ) -> list[str]:
        """Answers each prompt; of a model that only read text, continues it and returns the continuation.

        A prompt is encoded as it is, a task's prefix with it. An answer ends at the end of text, which is not
        returned, or before a stop string.

        Args:
            truncate: a prompt that is too long loses its end, where prefixes are not; one that is to be
                continued loses its beginning.

        Raises:
            DataError: a prompt is not UTF-8, or does not fit and `truncate` is False.
            ConfigError: `max_tokens` leaves no room in the context, or the model does not have a setting.
        """
        chosen = sampling or Sampling()
        rows = self._rows(prompts, chosen, truncate)
        size = bucket(len(rows), BATCH_SIZES)  # of each batch, so that a short last one compiles nothing
        pace = STOP_PACE if chosen.stops else ()
        texts: list[str] = []
        for start in range(0, len(rows), size):
            *_, answers = self._answers(rows[start : start + size], size, chosen, start, pace)
            texts += [cut(self._text(ids), chosen.stops) for ids in answers]
        return texts

    def stream(self, prompt: str, sampling: Sampling | None = None, *, truncate: bool = False) -> Iterator[str]:
        """Answers a prompt and gives the text in pieces as it comes, as `TextModel.stream` does.

        Raises:
            DataError, ConfigError: as `generate`, at once; also for a beam search, whose answer is not
                known before its end.
        """
        chosen = sampling or Sampling()
        chosen.check_streams()
        rows = self._rows([prompt], chosen, truncate)
        answers = self._answers(rows, bucket(1, BATCH_SIZES), chosen, 0, STREAM_PACE)
        return pieces((answer for [answer] in answers), self._text, chosen.stops)

    def sample(self, texts: Sequence[str], *, seed: int) -> list[str]:
        """A sampled continuation of each text, or answer to it. What the model learned by heart shows in them.

        Texts that are too long are cut.
        """
        tokens = min(_SAMPLED_TOKENS, self.context // 2)
        return self.generate(texts, Sampling(max_tokens=tokens, temperature=1.0, seed=seed), truncate=True)

    def continued(self, rows: Sequence[list[int]], length: int) -> list[list[int]]:
        """So many ids after each row of ids, as `generate` continues a text; fewer where it ends before.

        Raises:
            ConfigError: the model answers instead, or a row does not fit into the context.
        """
        size = bucket(len(rows), BATCH_SIZES)
        greedy = Sampling(max_tokens=length, temperature=0.0)
        if not self._asking.continues:
            raise ConfigError("a model that was trained on pairs does not continue texts", where="model")
        if max(map(len, rows), default=0) > self._asking.room(self.context, length):
            raise ConfigError(f"a row and {length} ids exceed the model's context of {self.context}", where="rows")
        written: list[list[int]] = []
        for start in range(0, len(rows), size):
            *_, answers = self._answers(list(rows[start : start + size]), size, greedy, start, ())
            written += answers
        return written

    def warm_up(
        self,
        batch_sizes: Sequence[int] = (1,),
        lengths: Sequence[int] | None = None,
        samplings: Sequence[Sampling] = (Sampling(),),
    ) -> None:
        """Compiles before the first request; arguments as those of `TextModel.warm_up`."""
        for batch_size, length, sampling in itertools.product(batch_sizes, lengths or self.lengths(), samplings):
            self._engine.warm_up(bucket(batch_size, BATCH_SIZES), length, sampling)

    def lengths(self) -> list[int]:
        """The lengths of encoder and decoder that are compiled, in tokens."""
        return self._engine.lengths()

    def _rows(self, prompts: Sequence[str], sampling: Sampling, truncate: bool) -> list[list[int]]:
        """The prompts as ids, cut where that is wanted."""
        self._check(sampling)
        check_utf8(prompts)
        room = self._asking.room(self.context, sampling.max_tokens)
        if room < 0:
            raise ConfigError(
                f"max_tokens={sampling.max_tokens} leaves no room in the model's context of {self.context}",
                where="sampling",
                fix="ask for fewer",
            )
        rows = self.encoder.encode(prompts)
        longest = max(map(len, rows), default=0)
        if longest > room and not truncate:
            raise DataError(
                f"a prompt of {longest} tokens does not fit into the model's context of {self.context}"
                f" with max_tokens={sampling.max_tokens}",
                fix=f"shorten it to {room} tokens, or ask for fewer",
            )
        return [row[max(0, len(row) - room) :] if self._asking.continues else row[:room] for row in rows]

    def _check(self, sampling: Sampling) -> None:
        """Raises ConfigError for what this model does not have."""
        if sampling.control is not None:
            raise ConfigError("a seq2seq model has no control codes", where="sampling.control", fix="leave it out")
        if sampling.contrastive > 0 and self._asking.in_parts:
            raise ConfigError(
                "contrastive compares tokens of one span, and a model that fills spans writes short ones",
                where="sampling.contrastive",
                fix="use repetition_penalty",
            )

    def _text(self, ids: Sequence[int]) -> str:
        """What was written; special tokens among it are left out."""
        words = self.encoder.lexicon.words
        return self.encoder.decode([token for token in ids if words.bytes[token]])

    def _answers(
        self, prompts: list[list[int]], size: int, sampling: Sampling, first_row: int, pace: Sequence[int]
    ) -> Iterator[list[list[int]]]:
        """Yields the ids of the answers so far, each of one part or of several; the last time all of them.

        Args:
            prompts: at most `size`, at least one.
        """
        is_over = over_at_stops(self._text, sampling.stops)
        chosen = replace(sampling, min_tokens=min(1, sampling.min_tokens)) if self._asking.in_parts else sampling
        requests = [self._request(prompt, [], sampling.max_tokens, drawn=0) for prompt in prompts]
        while any(request.new for request in requests):
            answers: list[Written] = []
            for answers in self._engine.write(requests, size, chosen, first_row=first_row, pace=pace, is_over=is_over):
                yield [answer.ids for answer in answers]
            following = []
            for prompt, request, answer in zip(prompts, requests, answers, strict=True):
                goes_on = self._goes_on(request, answer, sampling) and not (is_over and is_over(answer.ids))
                new = sampling.max_tokens - len(answer.ids) if goes_on else 0
                following.append(self._request(prompt, answer.ids, new, drawn=request.drawn + request.new))
            requests = following

    def _request(self, prompt: list[int], written: list[int], new: int, *, drawn: int) -> Request:
        source, given = self._asking.request(prompt + written)
        seen = prompt + written if self._asking.continues else []
        return Request(given, new, source, seen, written, drawn)

    def _goes_on(self, request: Request, answer: Written, sampling: Sampling) -> bool:
        """Whether another part follows: after a span that is not empty, unless the model ended the text."""
        if not self._asking.in_parts or answer.stop is None or len(answer.ids) == len(request.written):
            return False
        return answer.stop != self.frame.end_id or len(answer.ids) < sampling.min_tokens
