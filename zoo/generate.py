"""Text from a trained model, on shapes that are compiled once.

A compiled loop needs static shapes. So batches are filled up to few sizes, prompts and answers share few
lengths, and everything else that differs between requests is an input of the compiled functions:
after `warm_up` no request waits for a compiler. How tokens are chosen is in `zoo/generation`.

Random numbers are drawn on the host, one uniform number per row and token from (seed, row), so
that an answer depends neither on the backend nor on what else is in its batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from governance.errors import ConfigError, DataError, did_you_mean
from pipelines.tokenizers import Encoder
from zoo.compiled import bucket, check_utf8
from zoo.generation.choose import choose
from zoo.generation.engine import BATCH_SIZES, STOP_PACE, STREAM_PACE, Engine
from zoo.generation.sampling import Sampling
from zoo.generation.texts import cut, over_at_stops, pieces

if TYPE_CHECKING:
    import keras_hub

    from zoo.tasks.chat import Template

__all__ = ["Sampling", "TextModel", "choose"]

_SAMPLED_TOKENS = 64


class TextModel:
    """A task and its tokenizer: text in, text out.

    Args:
        task: a keras-hub causal language model for which `zoo.generation.decoders` has a decoder.
        encoder: from `pipelines.tokenizers`; its ids are the task's.
        context: tokens that prompt and answer may have together.
        template: of a model that was tuned to answer: stands around each prompt.
        controls: ids of the control codes that it knows, by name; empty for most models.

    Raises:
        ConfigError: there is no decoder for the task.
    """

    def __init__(
        self,
        task: keras_hub.models.CausalLM,
        encoder: Encoder,
        *,
        context: int,
        template: Template | None = None,
        controls: Mapping[str, int] | None = None,
    ) -> None:
        self.task = task
        self.encoder = encoder
        self.frame = encoder.frame
        self.eos_id = self.frame.end_id
        self.context = context
        self._template = template
        self.controls = dict(controls or {})
        self._engine = Engine(task, eos_id=self.eos_id, vocabulary=encoder.vocab_size, context=context)

    def generate(
        self, prompts: Sequence[str], sampling: Sampling | None = None, *, truncate: bool = False
    ) -> list[str]:
        """Continues each prompt; returns the continuations alone, without the prompts.

        A prompt is read as the beginning of a document. Generation ends at the end-of-text token,
        which is not returned, or before a stop string.

        Args:
            truncate: a prompt that does not fit into the context together with `max_tokens` loses
                its beginning.

        Raises:
            DataError: a prompt is not UTF-8, or does not fit and `truncate` is False.
            ConfigError: `max_tokens` leaves no room in the context.
        """
        chosen = sampling or Sampling()
        rows = self._rows(prompts, chosen, truncate)
        size = bucket(len(rows), BATCH_SIZES)  # of each batch, so that a short last one compiles nothing
        texts: list[str] = []
        for start in range(0, len(rows), size):
            answers = self._last_answers(rows[start : start + size], size, chosen, start)
            texts += [cut(self.encoder.decode(answer), chosen.stops) for answer in answers]
        return texts

    def stream(self, prompt: str, sampling: Sampling | None = None, *, truncate: bool = False) -> Iterator[str]:
        """Continues a prompt and gives the text in pieces as it comes.

        Joined they are the answer of `generate`. No piece ends within a character, and none has a part
        of a stop string. Nothing is computed ahead: who stops reading stops the work.

        Raises:
            DataError, ConfigError: as `generate`, at once; also for a beam search, whose answer is not
                known before its end.
        """
        chosen = sampling or Sampling()
        chosen.check_streams()
        [row] = self._rows([prompt], chosen, truncate)
        return self._pieces(row, chosen)

    def sample(self, texts: Sequence[str], *, seed: int) -> list[str]:
        """A sampled continuation of each text. What the model learned by heart shows in them.

        Texts that are too long lose their beginning.
        """
        tokens = min(_SAMPLED_TOKENS, self.context // 2)
        return self.generate(texts, Sampling(max_tokens=tokens, temperature=1.0, seed=seed), truncate=True)

    def continued(self, rows: Sequence[list[int]], length: int) -> list[list[int]]:
        """So many ids after each row of ids, the likeliest each time; fewer where the text ends before.

        Raises:
            ConfigError: a row and its continuation do not fit into the context.
        """
        size = bucket(len(rows), BATCH_SIZES)
        greedy = Sampling(max_tokens=length, temperature=0.0)
        if max(map(len, rows), default=0) + length > self.context:
            raise ConfigError(f"a row and {length} ids exceed the model's context of {self.context}", where="rows")
        written: list[list[int]] = []
        for start in range(0, len(rows), size):
            written += self._last_answers(list(rows[start : start + size]), size, greedy, start)
        return written

    def warm_up(
        self,
        batch_sizes: Sequence[int] = (1,),
        lengths: Sequence[int] | None = None,
        samplings: Sequence[Sampling] = (Sampling(),),
    ) -> None:
        """Compiles before the first request.

        Args:
            batch_sizes: numbers of prompts that requests will have.
            lengths: some of `lengths()`; None for all.
            samplings: one for each way to choose: drawing and greedy are one, each width of beams and of
                contrastive candidates is another.
        """
        for batch_size, length, sampling in itertools.product(batch_sizes, lengths or self.lengths(), samplings):
            self._engine.warm_up(batch_size, length, sampling)

    def lengths(self) -> list[int]:
        """The lengths of prompt and answer together that are compiled, in tokens."""
        return self._engine.lengths()

    def _rows(self, prompts: Sequence[str], sampling: Sampling, truncate: bool) -> list[list[int]]:
        check_utf8(prompts)
        control, new = self._control(sampling.control), sampling.max_tokens
        if new >= self.context:
            raise ConfigError(f"max_tokens must be below the model's context of {self.context}", where="sampling")
        encoded = self.encoder.encode(prompts)
        around = 1 if self._template is None else self._template.around - 1
        room = self.context - new - around
        longest = max(map(len, encoded), default=0)
        if room < 0 or (longest > room and not truncate):
            raise DataError(
                f"a prompt of {longest} tokens and max_tokens={new} exceed the model's context of {self.context}",
                fix=f"shorten it to {max(room, 0)} tokens, or ask for fewer",
            )
        return [self._row(ids, room, control) for ids in encoded]

    def _control(self, name: str | None) -> int | None:
        """The id of a control code."""
        if name is None or name in self.controls:
            return None if name is None else self.controls[name]
        known = ", ".join(self.controls)
        raise ConfigError(
            f'this model has no control code "{name}"{did_you_mean(name, self.controls)}',
            where="sampling.control",
            fix=f"use one of {known}" if known else "leave it out: a ctrl alone has some",
        )

    def _row(self, ids: list[int], room: int, control: int | None) -> list[int]:
        if control is not None:  # stands before each window, also before one that lost its beginning
            return [control, *ids[max(0, len(ids) - room) :]]
        if self._template is not None:
            kept = ids[max(0, len(ids) - room) :]
            return [*self._template.before, *kept, *self._template.between]
        return [self.frame.prompt_id, *ids][-room - 1 :]  # what lost its beginning is no beginning of a document

    def _last_answers(self, rows: list[list[int]], size: int, sampling: Sampling, first_row: int) -> list[list[int]]:
        pace = STOP_PACE if sampling.stops else ()
        is_over = over_at_stops(self.encoder.decode, sampling.stops)
        *_, answers = self._engine.answers(rows, size, sampling, first_row=first_row, pace=pace, is_over=is_over)
        return answers

    def _pieces(self, row: list[int], sampling: Sampling) -> Iterator[str]:
        is_over = over_at_stops(self.encoder.decode, sampling.stops)
        answers = self._engine.answers([row], 1, sampling, pace=STREAM_PACE, is_over=is_over)
        return pieces((answer for [answer] in answers), self.encoder.decode, sampling.stops)
