"""Denoising, BART's objective (Lewis et al. 2020, arXiv:1910.13461, sections 2.2 and 4.1).

The decoder writes a window of text again that the encoder sees with its sentences in another order and
30 % of its tokens in spans, each of which is one `<mask>`: the model has to find out how many tokens
are missing. Lengths of spans are Poisson distributed with mean 3; one of length 0 is a mask where
nothing is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from governance.errors import ConfigError
from pipelines.tokenizers import Lexicon, ending_with
from zoo.objectives.seq2seq import Corrupted, Corruption, PairFrame

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from zoo.objectives.seq2seq import Ids

#: Share of the tokens that are hidden, and the mean length of a span.
SHARE = 0.3
MEAN_SPAN = 3


@dataclass(frozen=True)
class Denoising(Corruption):
    """Predicts the whole window from a noisy one. Both begin with `<s>`; `</s>` stands where documents end.

    Attributes:
        stops: bool [vocabulary], tokens that end a sentence when white space or an end follows.
    """

    mask_id: int
    stops: npt.NDArray[np.bool_]

    name: ClassVar[str] = "denoising"

    @classmethod
    def of(cls, lexicon: Lexicon) -> Denoising:
        """For a tokenizer with a mask."""
        frame, stops = PairFrame.of(lexicon), ending_with(lexicon, ".!?")
        return cls(lexicon.words, frame, lexicon.special("mask"), stops)

    def span(self, window: int) -> int:
        tokens = window - len(self.frame.before)
        if tokens < 1:
            raise ConfigError("a window that begins with <s> needs at least 2 tokens", where="plan.window")
        return tokens

    def counts(self, tokens: int) -> tuple[int, int]:
        """Tokens that are hidden, and spans at most: half as many as tokens, which at a mean of 3 is
        reached so rarely that it only bounds the shape, and not more than there are places for."""
        hidden = max(1, round(SHARE * tokens))
        return hidden, min(hidden // 2 + 1, tokens - hidden + 1)

    def lengths(self, tokens: int) -> tuple[int, int]:
        hidden, spans = self.counts(tokens)
        first = len(self.frame.before)
        return first + tokens - hidden + spans, first + tokens

    def corrupt(self, ids: Ids, draw: np.random.Generator) -> Corrupted:
        import numpy as np

        before = np.array(self.frame.before, np.int32)
        shuffled = ids[self.sentence_order(ids, draw)]
        hidden, most = self.counts(len(ids))
        lengths = span_lengths(hidden, most, draw)
        kept = len(ids) - hidden
        places = np.sort(draw.choice(kept + 1, len(lengths), replace=False))  # kept tokens before each span
        ends = np.cumsum(lengths)
        is_hidden = np.zeros(len(ids), bool)
        for place, start, end in zip(places, ends - lengths, ends, strict=True):
            is_hidden[place + start : place + end] = True
        noisy = np.insert(shuffled[~is_hidden], places, np.int32(self.mask_id))
        origins = np.concatenate([np.zeros(len(before), np.int64), np.arange(len(ids))])
        return Corrupted(np.concatenate([before, noisy]), np.concatenate([before, ids]), origins)

    def sentence_order(self, ids: Ids, draw: np.random.Generator) -> npt.NDArray[np.int64]:
        """Positions with the sentences of each document in a random order; its end stays where it is."""
        import numpy as np

        is_end = ids == self.frame.end_id
        follows = np.append(self.words.leads[ids[1:]] | is_end[1:], True)
        # A sentence begins after a stop, at an end, and after it.
        begins = np.concatenate([[True], (self.stops[ids] & follows)[:-1] | is_end[1:] | is_end[:-1]])
        sentences = np.split(np.arange(len(ids)), np.flatnonzero(begins)[1:])
        order: list[npt.NDArray[np.int64]] = []
        document: list[npt.NDArray[np.int64]] = []
        for sentence in sentences:
            if is_end[sentence[0]]:
                order += [document[index] for index in draw.permutation(len(document))]
                order.append(sentence)
                document = []
            else:
                document.append(sentence)
        order += [document[index] for index in draw.permutation(len(document))]
        return np.concatenate(order)


def span_lengths(hidden: int, most: int, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Lengths of at most `most` spans with `hidden` tokens in all; the last one is what is left."""
    import numpy as np

    lengths: list[int] = []
    left = hidden
    while left:
        length = left if len(lengths) == most - 1 else min(int(draw.poisson(MEAN_SPAN)), left)
        lengths.append(length)
        left -= length
    return np.array(lengths, np.int64)
