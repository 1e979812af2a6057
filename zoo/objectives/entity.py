"""Masked language modelling of whole entities and phrases (ERNIE, Sun et al. 2019, arXiv:1904.09223).

What is hidden together: the tokens of a span that an analyzer found when the text was tokenized (a firm, a date, an
amount, a law, a noun phrase; `pipelines.spans` says which of two that overlap), those of a placeholder that stands for
personal data (`<PERSON_3fa2b1c4>`, or a run of stars), else those of a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from pipelines.tokenizers import Lexicon
from zoo.objectives.masked import MaskedLM

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.stream import Windows

_LONGEST = 32  # tokens of a placeholder


@dataclass(frozen=True)
class EntityMaskedLM(MaskedLM):
    """As `MaskedLM`, with entities and phrases in place of their words.

    Attributes:
        opens, joins, closes, star: ids of `<`, `_`, `>` and `*`.
    """

    opens: int
    joins: int
    closes: int
    star: int

    name: ClassVar[str] = "entity_masked_lm"

    @classmethod
    def of(cls, lexicon: Lexicon) -> Self:
        """For a tokenizer of an encoder; in one without these signs nothing is taken for a placeholder."""
        words = MaskedLM.of(lexicon)
        signs = (lexicon.ids.get(sign, -1) for sign in "<_>*")
        return cls(words.words, words.start_id, words.mask_id, words.pad_id, *signs)

    def starts(self, ids: npt.NDArray[np.int32], windows: Windows) -> npt.NDArray[np.bool_]:
        starts = super().starts(ids, windows)
        for row, column in zip(*(ids == self.opens).nonzero(), strict=True):
            length = self._placeholder(ids[row, column : column + _LONGEST], starts[row, column : column + _LONGEST])
            starts[row, column + 1 : column + length] = False
        starts[:, 1:] &= (ids[:, 1:] != self.star) | (ids[:, :-1] != self.star)
        if windows.joined is not None:
            starts[:, 1:] &= ~windows.joined
        return starts

    def _placeholder(self, ids: npt.NDArray[np.int32], starts: npt.NDArray[np.bool_]) -> int:
        """Tokens of the placeholder that begins here: `<`, words with `_` between them, `>`; 0 for none."""
        word_before = False
        for index in range(1, len(ids)):
            if ids[index] == self.closes:
                return index + 1 if word_before else 0
            if not starts[index]:
                continue
            if (ids[index] == self.joins) != word_before:
                return 0
            word_before = not word_before
        return 0
