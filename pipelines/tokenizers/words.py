"""What the words of a tokenizer stand for: their bytes, and where words of the text begin.

Both follow from the vocabulary alone, so they can be looked up for any array of ids at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.tokenizers.kinds import Lexicon
from pipelines.tokenizers.store import ALGORITHMS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_LETTERS, _DIGITS, _SIGNS, _SPACE, _SPECIAL, _REST = range(1, 7)


@dataclass(frozen=True)
class WordTable:
    """Per id of a vocabulary.

    Attributes:
        bytes: int32 [vocab], UTF-8 bytes of text that the id stands for; 0 for special tokens.
        kinds: int8 [vocab], of the last character: letters, digits, signs, white space, special; or that the
            id is the rest of a word, where tokens say so themselves (WordPiece).
        leads: bool [vocab], whether the id begins with a space or a line break, or says that it begins a word.
    """

    bytes: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.int8]
    leads: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, lexicon: Lexicon) -> WordTable:
        """Reads a vocabulary."""
        import numpy as np

        special = set(lexicon.kind.special_tokens)
        algorithm = ALGORITHMS[lexicon.kind.algorithm]
        size = max(lexicon.ids.values()) + 1
        lengths, kinds, leads = np.zeros(size, np.int32), np.full(size, _SPECIAL, np.int8), np.zeros(size, bool)
        for token, index in lexicon.ids.items():
            if token not in special:
                raw = algorithm.surface(token)
                rest = algorithm.is_rest is not None and algorithm.is_rest(token)
                lengths[index] = len(raw)
                kinds[index] = _REST if rest else _kind(raw)
                leads[index] = raw[:1].isspace() if algorithm.is_rest is None else not rest
        return cls(lengths, kinds, leads)

    def word_starts(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Whether a word begins at each of these ids, bool [..., length]; special tokens are words.

        A word is a run of letters with the space before it, or a run of digits. Each sign is one. A
        character of several bytes counts as a letter, whichever it is. Where tokens say themselves which of
        them continue a word, that alone counts. (The rest of a word that a window cuts off belongs to
        whatever stands before it: to the window's first token, which is never hidden.)
        """
        import numpy as np

        kinds, leads = self.kinds[ids], self.leads[ids]
        starts = np.ones(ids.shape, bool)
        runs = (kinds[..., 1:] == _LETTERS) | (kinds[..., 1:] == _DIGITS)
        joined = (kinds[..., 1:] == kinds[..., :-1]) & runs & ~leads[..., 1:]
        starts[..., 1:] = ~(joined | (kinds[..., 1:] == _REST))
        return starts

    def is_special(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Whether each id is a special token, bool, of the shape of `ids`."""
        special: npt.NDArray[np.bool_] = self.kinds[ids] == _SPECIAL
        return special


def ending_with(lexicon: Lexicon, characters: str) -> npt.NDArray[np.bool_]:
    """Whether each ordinary token of a vocabulary ends with one of these ASCII characters, bool [vocab];
    white space and closing signs after it do not count."""
    import numpy as np

    surface, special = ALGORITHMS[lexicon.kind.algorithm].surface, set(lexicon.kind.special_tokens)
    ends = np.zeros(max(lexicon.ids.values()) + 1, bool)
    for token, index in lexicon.ids.items():
        if token not in special:
            ends[index] = surface(token).rstrip(b" \r\n\"')")[-1:] in {character.encode() for character in characters}
    return ends


def _kind(raw: bytes) -> int:
    last = raw[-1:]
    if last.isspace():
        return _SPACE
    if last.isdigit():
        return _DIGITS
    return _LETTERS if last.isalpha() or last[0] >= 0x80 else _SIGNS
