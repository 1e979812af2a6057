"""WordPiece as published BERTs have it (Devlin et al. 2019, arXiv:1810.04805), with the ids of Hugging
Face's tokenizers.

It differs from our own way (`pipelines.tokenizers.wordpiece`), which is keras-hub's: a no-break space ends a word,
characters without width are left out and do not end one, nothing is NFKC-folded, a word may have 100 characters and
not 100 bytes, and `Kind.folding` says what becomes of capitals, accents and Chinese.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.tokenizers.kinds import Kind
from pipelines.tokenizers.wordpiece import UNKNOWN, WordPieceEncoder

if TYPE_CHECKING:
    from tokenizers import Encoding

#: Characters of a word; a longer one is unknown.
LONGEST = 100


class BertEncoder(WordPieceEncoder):
    """Opens a vocabulary of a kind with `Kind.folding`."""

    def __init__(self, kind: Kind, vocabulary: dict[str, int]) -> None:
        from tokenizers import models, normalizers, pre_tokenizers

        super().__init__(kind, vocabulary)
        folding = kind.folding
        assert folding is not None
        self.tokenizer.model = models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST)
        self.tokenizer.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=folding.cjk_apart,
            strip_accents=folding.strip_accents,
            lowercase=folding.lowercase,
        )
        self.tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def encode_parts(self, text: str, spans: Sequence[tuple[int, int]]) -> tuple[list[int], list[tuple[int, int]]]:
        """As `WordPieceEncoder.encode_parts`."""
        found = self.tokenizer.encode(text, add_special_tokens=False)
        words = _words(found)
        word_starts, starts = [start for start, _ in words], [start for start, _ in found.offsets]

        def is_inside(position: int) -> bool:
            before = bisect_left(word_starts, position) - 1
            return before >= 0 and words[before][1] > position

        kept = [(start, end) for start, end in spans if not is_inside(start) and not is_inside(end)]
        return found.ids, [(bisect_left(starts, start), bisect_left(starts, end)) for start, end in kept]

    def places(self, text: str) -> list[tuple[int, int]]:
        places: list[tuple[int, int]] = self.tokenizer.encode(text, add_special_tokens=False).offsets
        return places


def _words(found: Encoding) -> list[tuple[int, int]]:
    """Where each word stands that has tokens: characters [start, end)."""
    words: dict[int | None, tuple[int, int]] = {}
    for word, (start, end) in zip(found.word_ids, found.offsets, strict=True):
        words[word] = (words.get(word, (start, end))[0], end)
    return list(words.values())
