"""What a seq2seq model is asked, given a prompt: that follows from what it was trained on.

A model that was trained on pairs answers: the prompt is the input, with a task's prefix if it has one.
One that only read text can do what its objective taught it, and so it continues the prompt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from pipelines.tokenizers import Lexicon
from zoo.objectives import Denoising, SpanCorruption
from zoo.objectives.seq2seq import PairFrame


@dataclass(frozen=True)
class Asking(ABC):
    """How prompt and text so far become what encoder and decoder are given.

    Attributes:
        stops: ids that end an answer.
        in_parts: whether an answer consists of several, each of which is asked for with those before it.
        continues: whether the prompt is the beginning of the text. Its end matters more than its beginning, and
            the repetition penalty counts its tokens.
        prefix: ids that the decoder is given, when these are always so many.
    """

    lexicon: Lexicon
    in_parts: ClassVar[bool] = False
    continues: ClassVar[bool] = True

    @property
    def frame(self) -> PairFrame:
        return PairFrame.of(self.lexicon)

    @property
    def stops(self) -> frozenset[int]:
        return frozenset([self.frame.end_id])

    @property
    def prefix(self) -> int | None:
        return len(self.request([])[1])

    @abstractmethod
    def request(self, ids: list[int]) -> tuple[list[int], list[int]]:
        """Input of the encoder and first inputs of the decoder."""

    def room(self, context: int, new: int) -> int:
        """Tokens of a prompt that fit into a context beside so many new ones; negative if none do."""
        source, known = self.request([])
        return context - max(len(source) + (new if self.in_parts else 0), len(known) + new)


class Answer(Asking):
    """The prompt is an input, and the output is the answer. A prefix stands at the beginning, so that is
    what is kept of an input that is too long."""

    continues = False

    def request(self, ids: list[int]) -> tuple[list[int], list[int]]:
        return self.frame.text(ids), self.frame.decoder_prompt

    def room(self, context: int, new: int) -> int:
        source, known = self.request([])
        return context - len(source) if len(known) + new <= context else -1


class FillSpans(Asking):
    """Span corruption: what may be hidden after the prompt? Spans are short, so what was found is appended
    and the next one asked for, until there are enough tokens or the model ends the text."""

    in_parts = True

    @property
    def stops(self) -> frozenset[int]:
        sentinels = (self.lexicon.ids[token] for token in self.lexicon.kind.sentinels)
        return frozenset([self.frame.end_id, *sentinels])

    def request(self, ids: list[int]) -> tuple[list[int], list[int]]:
        sentinel = self.lexicon.ids[self.lexicon.kind.sentinels[0]]
        return [*ids, sentinel, self.frame.end_id], [self.frame.start_id, sentinel]


class Denoise(Asking):
    """Denoising: the text is the prompt and a mask, the decoder has written the prompt and goes on."""

    prefix = None

    def request(self, ids: list[int]) -> tuple[list[int], list[int]]:
        frame = self.frame
        return [*frame.before, *ids, self.lexicon.special("mask")], [*frame.decoder_prompt, *ids]


def asking(objective: str, lexicon: Lexicon) -> Asking:
    """How a model with this last objective is asked."""
    ways: dict[str, type[Asking]] = {SpanCorruption.name: FillSpans, Denoising.name: Denoise}
    return ways.get(objective, Answer)(lexicon)
