"""Prompts as ids into answers as ids: the host's side of generation, which feeds the compiled functions."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from zoo.compiled import bucket, jitted, lengths_up_to
from zoo.generation.beam import search_beams
from zoo.generation.decoders import decoder_of
from zoo.generation.loops import CHUNK, Progress, Prompts, draw, read_prompts, search_contrastively
from zoo.generation.sampling import BEAMS, CANDIDATES, Sampling, uniform

if TYPE_CHECKING:
    import keras_hub
    import numpy as np
    import numpy.typing as npt

#: Prompts that are answered at once; a request takes the smallest that fits.
BATCH_SIZES = (1, 2, 4, 8, 16)
#: Slots beyond prompt and answer: prompts are padded to whole chunks, and candidates stand side by side.
_SPARE_SLOTS = CHUNK + CANDIDATES[-1]


class Engine:
    """The compiled functions of one task.

    Args:
        task: as `TextModel` has it.
        eos_id: ends an answer.
        vocabulary: number of ids.
        context: tokens that prompt and answer may have together.

    Raises:
        ConfigError: there is no decoder for the task.
    """

    def __init__(self, task: keras_hub.models.CausalLM, *, eos_id: int, vocabulary: int, context: int) -> None:
        self.eos_id = eos_id
        self.context = context
        self._vocabulary = vocabulary
        decoder = decoder_of(task)

        def compiled(function: Callable[..., Any], *fixed: Any) -> Callable[..., Any]:
            return jitted(task, functools.partial(function, decoder, *fixed))

        self._read = compiled(read_prompts)
        self._draw = compiled(draw, eos_id)
        self._contrastive = {width: compiled(search_contrastively, eos_id, width) for width in CANDIDATES}
        self._beams = {width: compiled(search_beams, eos_id, width) for width in BEAMS}

    def lengths(self) -> list[int]:
        """The lengths of prompt and answer together that are compiled, in tokens."""
        return lengths_up_to(self.context)

    def warm_up(self, batch_size: int, length: int, sampling: Sampling) -> None:
        """Compiles what requests of this batch size and length need that choose as `sampling` does."""
        for _ in self._run([[0]], bucket(batch_size, BATCH_SIZES), length, sampling, 1, 0, (1,), None):
            pass

    def answers(
        self,
        rows: Sequence[Sequence[int]],
        size: int,
        sampling: Sampling,
        *,
        first_row: int = 0,
        pace: Sequence[int] = (),
        is_over: Callable[[list[int]], bool] | None = None,
    ) -> Iterator[list[list[int]]]:
        """Yields the answers so far, without `eos_id`, after each part of the work; the last time all of them.

        Args:
            rows: ids of prompts of at least one token, at most `size`.
            size: one of BATCH_SIZES.
            first_row: what the first one counts as for its random numbers.
            pace: tokens of the first parts, the last number being that of all others; () for one part. A
                beam search has one.
            is_over: whether an answer has come to its end in another way.
        """
        length = bucket(max(map(len, rows)) + sampling.max_tokens, self.lengths())
        return self._run(rows, size, length, sampling, sampling.max_tokens, first_row, pace, is_over)

    def _run(
        self,
        rows: Sequence[Sequence[int]],
        size: int,
        length: int,
        sampling: Sampling,
        new: int,
        first_row: int,
        pace: Sequence[int],
        is_over: Callable[[list[int]], bool] | None,
    ) -> Iterator[list[list[int]]]:
        import numpy as np

        prompts, done = self._prompts(rows, size, length + _SPARE_SLOTS, new)
        start, end = int(prompts.start), int(prompts.end)
        settings = sampling.settings(self._vocabulary)
        progress: Progress = self._read(prompts, done)
        if sampling.beams > 1:
            found = np.asarray(self._beams[bucket(sampling.beams, BEAMS)](prompts, progress, settings))
            yield [self._answer(ids[start:end]) for ids in found[: len(rows)]]
            return
        advance = self._advance(sampling, prompts, settings, first_row)
        until, parts = start, itertools.chain(pace, itertools.repeat(pace[-1] if pace else end))
        while until < end and not done.all():
            until = min(until + next(parts), end)
            progress = advance(progress, np.int32(until))
            answers = [self._answer(ids[start:until]) for ids in np.asarray(progress.ids)[: len(rows)]]
            done = np.array(progress.done)
            if is_over is not None:
                done[: len(rows)] |= [is_over(answer) for answer in answers]
                progress = progress._replace(done=done)
            yield answers

    def _advance(
        self, sampling: Sampling, prompts: Prompts, settings: npt.NDArray[np.float32], first_row: int
    ) -> Callable[[Progress, np.int32], Progress]:
        import numpy as np

        if sampling.contrastive > 0:
            search = self._contrastive[bucket(sampling.top_k or 0, CANDIDATES)]
            return lambda progress, until: search(prompts, progress, until, settings)
        start, end = int(prompts.start), int(prompts.end)
        random = np.zeros(prompts.ids.shape, np.float32)
        if sampling.temperature > 0:
            for index in range(len(random)):
                random[index, start:end] = uniform(sampling.seed, first_row + index, end - start)
        return lambda progress, until: self._draw(prompts, progress, until, random, settings)

    def _prompts(
        self, rows: Sequence[Sequence[int]], size: int, slots: int, new: int
    ) -> tuple[Prompts, npt.NDArray[np.bool_]]:
        """The rows as arrays, and which rows are done from the beginning: those that only fill the batch."""
        import numpy as np

        start = -(-(max(map(len, rows)) - 1) // CHUNK) * CHUNK + 1
        ids = np.full((size, slots), self.eos_id, np.int32)
        pads = np.full(size, start - 1, np.int32)
        seen = np.zeros((size, self._vocabulary), np.bool_)
        for index, row in enumerate(rows):
            pads[index] = start - len(row)
            ids[index, pads[index] : start] = row
            seen[index, row[1:]] = True  # the first one stands before the text
        done = np.arange(size) >= len(rows)
        return Prompts(ids, pads, np.int32(start), np.int32(start + new), seen), done

    def _answer(self, ids: npt.NDArray[np.int32]) -> list[int]:
        answer: list[int] = ids.tolist()
        return answer[: answer.index(self.eos_id)] if self.eos_id in answer else answer
