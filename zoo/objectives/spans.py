"""Span corruption, T5's objective (Raffel et al. 2020, arXiv:1910.10683, section 3.1.4).

15 % of a window's tokens are hidden in spans of three on average. The input has a sentinel in place of
each span, the target is the hidden spans, each after its sentinel:

    input     Your return <extra_id_0> in April unless <extra_id_1>. </s>
    target    <extra_id_0> is due <extra_id_1> you ask for more time </s>

A span can stand at any place between two tokens that stay, also before the first and after the last
(T5 always keeps the first token and hides the last). Ends of documents are hidden like other tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from governance.errors import ConfigError
from pipelines.tokenizers import Lexicon
from zoo.objectives.seq2seq import Corrupted, Corruption, PairFrame

if TYPE_CHECKING:
    import numpy as np

    from zoo.objectives.seq2seq import Ids

#: Share of the tokens that are hidden, and the mean length of a span.
SHARE = 0.15
MEAN_SPAN = 3


@dataclass(frozen=True)
class SpanCorruption(Corruption):
    """Predicts spans that are hidden from the encoder. Counts are the same in each window, so that shapes
    are static and nothing is padding."""

    sentinels: tuple[int, ...]

    name: ClassVar[str] = "span_corruption"

    @classmethod
    def of(cls, lexicon: Lexicon) -> SpanCorruption:
        """For a tokenizer with sentinels."""
        sentinels = tuple(lexicon.ids[token] for token in lexicon.kind.sentinels)
        return cls(lexicon.words, PairFrame.of(lexicon), sentinels)

    def counts(self, tokens: int) -> tuple[int, int]:
        """Tokens that are hidden, and spans that they stand in: never more than there are sentinels."""
        hidden = max(1, round(SHARE * tokens))
        return hidden, min(max(1, round(hidden / MEAN_SPAN)), len(self.sentinels))

    def lengths(self, tokens: int) -> tuple[int, int]:
        hidden, spans = self.counts(tokens)
        return tokens - hidden + spans + 1, hidden + spans + 1

    def span(self, window: int) -> int:
        tokens = window
        while tokens and max(self.lengths(tokens)) > window:
            tokens -= 1
        if not tokens:
            raise ConfigError("a window for spans and their sentinels needs at least 3 tokens", where="plan.window")
        while max(self.lengths(tokens + 1)) <= window:
            tokens += 1
        return tokens

    def corrupt(self, ids: Ids, draw: np.random.Generator) -> Corrupted:
        import numpy as np

        hidden, spans = self.counts(len(ids))
        kept = len(ids) - hidden
        places = np.sort(draw.choice(kept + 1, spans, replace=False))  # kept tokens before each span
        cuts = np.sort(draw.choice(hidden - 1, spans - 1, replace=False)) + 1  # hidden tokens before each but the first
        before = np.concatenate([[0], cuts])
        is_hidden = np.zeros(len(ids), bool)
        for place, start, end in zip(places, before, np.append(cuts, hidden), strict=True):
            is_hidden[place + start : place + end] = True
        sentinels = np.array(self.sentinels[:spans], np.int32)
        end_id = np.int32(self.frame.end_id)
        source = np.insert(ids[~is_hidden], places, sentinels)
        target = np.insert(ids[is_hidden], before, sentinels)
        origins = np.flatnonzero(is_hidden)
        origins = np.insert(origins, before, origins[before])  # a sentinel stands for the first token of its span
        return Corrupted(np.append(source, end_id), np.append(target, end_id), np.append(origins, origins[-1]))
