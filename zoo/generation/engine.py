"""Prompts as ids into answers as ids: the host's side of generation, which feeds the compiled functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.compiled import bucket, jitted, lengths_up_to
from zoo.generation.beam import search_beams
from zoo.generation.decoders import Decoder, decoder_of
from zoo.generation.encoder_decoders import EncoderDecoder, encoder_decoder_of
from zoo.generation.loops import CHUNK, Progress, Prompts, draw, read_prompts, search_contrastively
from zoo.generation.sampling import BEAMS, CANDIDATES, Sampling, uniform

if TYPE_CHECKING:
    import keras_hub
    import numpy as np
    import numpy.typing as npt

#: Prompts that are answered at once; a request takes the smallest that fits.
BATCH_SIZES = (1, 2, 4, 8, 16)
#: Tokens between two looks at the text: for stop strings, and for a stream, whose first piece hurries.
STOP_PACE = (16,)
STREAM_PACE = (2, 4, 8)
#: Slots beyond prompt and answer: prompts are padded to whole chunks, and candidates stand side by side.
_SPARE_SLOTS = CHUNK + CANDIDATES[-1]


class Request(NamedTuple):
    """What is to be written.

    Attributes:
        ids: what the decoder is given, at least one token.
        new: tokens at most; 0 for an answer that is complete and only stands in a batch.
        source: what the encoder is given; nothing for a decoder.
        seen: tokens that count as written already, for the repetition penalty.
        written: parts of the answer that were written before.
        drawn: random numbers that they took.
    """

    ids: Sequence[int]
    new: int
    source: Sequence[int] = ()
    seen: Sequence[int] = ()
    written: Sequence[int] = ()
    drawn: int = 0


class Written(NamedTuple):
    """An answer so far, without the stop, and the stop that ended it, if one did."""

    ids: list[int]
    stop: int | None


class Engine:
    """The compiled functions of one task.

    Args:
        task: as `TextModel` or `Seq2SeqModel` has it.
        eos_id: ends an answer.
        vocabulary: number of ids.
        context: tokens that prompt and answer may have together; of a seq2seq model the encoder has room for
            as many again.
        other_stops: more ids that end an answer.

    Raises:
        ConfigError: there is no decoder for the task.
    """

    def __init__(
        self,
        task: keras_hub.models.CausalLM | keras_hub.models.Seq2SeqLM,
        *,
        eos_id: int,
        vocabulary: int,
        context: int,
        other_stops: Sequence[int] = (),
    ) -> None:
        import keras_hub

        self.context = context
        self._stops = (eos_id, *other_stops)
        self._vocabulary = vocabulary
        network: Decoder | EncoderDecoder
        network = encoder_decoder_of(task) if isinstance(task, keras_hub.models.Seq2SeqLM) else decoder_of(task)
        self._encode = jitted(task, network.encode) if isinstance(network, EncoderDecoder) else None

        def compiled(function: Callable[..., Any], *fixed: Any) -> Callable[..., Any]:
            def call(prompts: Prompts, *arrays: Any) -> Any:
                decoder = network.over(prompts.source) if isinstance(network, EncoderDecoder) else network
                return function(decoder, *fixed, prompts, *arrays)

            return jitted(task, call)

        self._read = compiled(read_prompts)
        self._draw = compiled(draw, self._stops)
        self._contrastive = {width: compiled(search_contrastively, self._stops, width) for width in CANDIDATES}
        self._beams = {width: compiled(search_beams, self._stops, width) for width in BEAMS}

    def lengths(self) -> list[int]:
        """The lengths that are compiled, in tokens: of prompt and answer together, and of the encoder."""
        return lengths_up_to(self.context)

    def warm_up(self, batch_size: int, length: int, sampling: Sampling) -> None:
        """Compiles what requests of this batch size and length need that choose as `sampling` does."""
        for _ in self._run(
            [Request([0], 1, source=[0])], bucket(batch_size, BATCH_SIZES), length, sampling, 0, (), None
        ):
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
        """As `write`, of prompts for a decoder: ids of at least one token each, whose first one stands before
        the text and is not penalised. Yields the ids alone."""
        requests = [Request(row, sampling.max_tokens, seen=row[1:]) for row in rows]
        parts = self.write(requests, size, sampling, first_row=first_row, pace=pace, is_over=is_over)
        return ([answer.ids for answer in answers] for answers in parts)

    def write(
        self,
        requests: Sequence[Request],
        size: int,
        sampling: Sampling,
        *,
        first_row: int = 0,
        pace: Sequence[int] = (),
        is_over: Callable[[list[int]], bool] | None = None,
    ) -> Iterator[list[Written]]:
        """Yields the answers so far after each part of the work; the last time all of them.

        Args:
            requests: at most `size`, one of which has something to be written.
            size: one of BATCH_SIZES.
            first_row: what the first one counts as for its random numbers.
            pace: tokens of the first parts, the last number being that of all others; () for one part. A
                beam search has one.
            is_over: whether an answer has come to its end in another way.
        """
        longest = max(max(len(request.source), len(request.ids) + request.new) for request in requests)
        length = bucket(longest, self.lengths())
        return self._run(requests, size, length, sampling, first_row, pace, is_over)

    def _run(
        self,
        requests: Sequence[Request],
        size: int,
        length: int,
        sampling: Sampling,
        first_row: int,
        pace: Sequence[int],
        is_over: Callable[[list[int]], bool] | None,
    ) -> Iterator[list[Written]]:
        import numpy as np

        prompts, done = self._prompts(requests, size, length)
        start, end = int(prompts.start), int(prompts.ends.max())
        settings = sampling.settings(self._vocabulary)
        progress: Progress = self._read(prompts, done)
        if sampling.beams > 1:
            found = np.asarray(self._beams[bucket(sampling.beams, BEAMS)](prompts, progress, settings))
            yield self._written(requests, found[:, start:end])
            return
        advance = self._advance(requests, sampling, prompts, settings, first_row)
        until, parts = start, itertools.chain(pace, itertools.repeat(pace[-1] if pace else end))
        while until < end and not done.all():
            until = min(until + next(parts), end)
            progress = advance(progress, np.int32(until))
            answers = self._written(requests, np.asarray(progress.ids)[:, start:until])
            done = np.array(progress.done)
            if is_over is not None:
                done[: len(requests)] |= [is_over(answer.ids) for answer in answers]
                progress = progress._replace(done=done)
            yield answers

    def _advance(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        prompts: Prompts,
        settings: npt.NDArray[np.float32],
        first_row: int,
    ) -> Callable[[Progress, np.int32], Progress]:
        import numpy as np

        if sampling.contrastive > 0:
            search = self._contrastive[bucket(sampling.top_k or 0, CANDIDATES)]
            return lambda progress, until: search(prompts, progress, until, settings)
        start = int(prompts.start)
        random = np.zeros(prompts.ids.shape, np.float32)
        if sampling.temperature > 0:
            for index, request in enumerate(requests):
                numbers = uniform(sampling.seed, first_row + index, request.drawn + request.new)
                random[index, start : start + request.new] = numbers[request.drawn :]
        return lambda progress, until: self._draw(prompts, progress, until, random, settings)

    def _prompts(self, requests: Sequence[Request], size: int, length: int) -> tuple[Prompts, npt.NDArray[np.bool_]]:
        """The requests as arrays, and which rows are done from the beginning: also those that only fill the batch."""
        import numpy as np

        start = -(-(max(len(request.ids) for request in requests) - 1) // CHUNK) * CHUNK + 1
        ids = np.full((size, length + _SPARE_SLOTS), self._stops[0], np.int32)
        pads = np.full(size, start - 1, np.int32)
        ends = np.full(size, start, np.int32)
        seen = np.zeros((size, self._vocabulary), np.bool_)
        for index, request in enumerate(requests):
            pads[index] = start - len(request.ids)
            ids[index, pads[index] : start] = request.ids
            ends[index] += request.new
            seen[index, list(request.seen)] = True
        return Prompts(ids, pads, np.int32(start), ends, seen, self._source(requests, size, length)), ends == start

    def _source(self, requests: Sequence[Request], size: int, length: int) -> Any:
        """What the encoder makes of the sources; nothing for a decoder."""
        import numpy as np

        if self._encode is None:
            return ()
        ids = np.full((size, length), self._stops[0], np.int32)
        mask = np.zeros((size, length), np.int32)
        mask[:, 0] = 1  # rows that only fill the batch are not empty
        for index, request in enumerate(requests):
            ids[index, : len(request.source)], mask[index, : len(request.source)] = request.source, 1
        return self._encode(ids, mask)

    def _written(self, requests: Sequence[Request], rows: npt.NDArray[np.int32]) -> list[Written]:
        """Answers from what stands after the prompts, int32 [rows, count]."""
        answers = []
        for request, row in zip(requests, rows.tolist(), strict=False):
            new = row[: request.new]
            end = next((place for place, token in enumerate(new) if token in self._stops), None)
            answers.append(Written([*request.written, *new[:end]], None if end is None else new[end]))
        return answers
