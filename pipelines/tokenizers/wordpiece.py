"""WordPiece (Schuster & Nakajima 2012) on lower-case words without accents, as BERT uncased has it (Devlin et
al. 2019, arXiv:1810.04805).

Words are cut and folded as `keras_hub.tokenizers.WordPieceTokenizer` (0.32) does it with `SETTINGS`, character by
character: white space and control characters end a word, each sign and each CJK character is one, accents go, and
what is left is NFKC-folded. So a no-break space does not end a word, as it would in Google's BERT, whose own way is
in `pipelines.tokenizers.bert`. What has no pieces becomes `[UNK]`. (Ids are equal for all characters that Python's
Unicode knows; `keras_hub` may know later ones.)

Hugging Face's own WordPiece trainer numbers the pieces that continue a word in the order of a hash table: two trainings
on the same text differ. So a byte-pair trainer, which that one is underneath, gets words whose characters
after the first are moved to planes of Unicode that nothing uses, where it sorts them like all others.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from governance.errors import ConfigError
from pipelines.tokenizers.kinds import KINDS, Encoder, Kind, Lexicon

#: As keras-hub names it among a preset's assets.
FILES = ("vocabulary.txt",)

#: Of keras-hub's tokenizer class; `fold` does the same.
SETTINGS = {"lowercase": True, "strip_accents": True}

REST = "##"  # begins a piece that continues a word
UNKNOWN = "[UNK]"

#: Changes with whatever changes the files that the same text gives.
VERSION = hashlib.sha256(f"1 {SETTINGS} {unicodedata.unidata_version}".encode()).hexdigest()[:8]

_LONGEST = 100  # bytes of a word; a longer one is unknown
_END = "\0"  # between words; a control character, so that no word has it
_CJK = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F)),
    *((0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
#: Characters that Unicode says to ignore and that are neither controls nor accents.
_IGNORED = frozenset((0x115F, 0x1160, 0x2065, 0x3164, 0xFFA0, *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000)))
_LONG = re.compile(f"[^{_END}]{{{_LONGEST // 4 + 1},}}")  # that a word of too many bytes has at least
_LAST_PLANE = 0x40000  # no character in use, private ones aside, is beyond
_MOVED = 0x80000  # by how much a character that continues a word is moved
_REPEATED = 10_000

_ASCII = [chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper()]
#: Pieces that each vocabulary has, so that no word of such characters is unknown.
_ALWAYS = [*_ASCII, *(chr(ord(sign) + _MOVED) for sign in _ASCII if sign.isalnum())]


class _Folded(dict[int, str]):
    """What becomes of a character when text is cut into words; worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = _folded(code)
        return self[code]


def _folded(code: int) -> str:
    character, category = chr(code), unicodedata.category(chr(code))
    if character in " \t\n\r\f" or category in ("Cc", "Cf"):
        return _END
    if code in _IGNORED or category == "Mn":
        return ""
    alone = category.startswith("P") or code < 0x7F and not character.isalnum()
    if alone or any(first <= code <= last for first, last in _CJK):
        return f"{_END}{character}{_END}"
    return character


_FOLDED = _Folded()


def fold(text: str) -> str:
    """The words of a text, folded, with NUL between them (and sometimes before, after or several)."""
    words = unicodedata.normalize("NFD", text).translate(_FOLDED)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", words).casefold())


class WordPieceEncoder(Encoder):
    """Opens a vocabulary."""

    def __init__(self, kind: Kind, vocabulary: dict[str, int]) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        if UNKNOWN not in vocabulary:
            raise ValueError(f"the vocabulary lacks {UNKNOWN}")
        self.lexicon = Lexicon(kind, vocabulary)
        self._tokens = list(vocabulary)
        # In ASCII text characters are bytes; elsewhere `_shortened` takes care of the longest word.
        model = models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=_LONGEST)
        self.tokenizer = Tokenizer(model)
        self.tokenizer.pre_tokenizer = pre_tokenizers.Split(_END, behavior="removed")

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        words = [_shortened(fold(text)) for text in texts]
        return [one.ids for one in self.tokenizer.encode_batch_fast(words, add_special_tokens=False)]

    def encode_parts(self, text: str, spans: Sequence[tuple[int, int]]) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of a text, and of each span of characters the range of ids that it became.

        A span that begins or ends within a word has none and is left out. The ids are those of `encode`.
        """
        kept = [span for span in spans if is_border(text, span[0]) and is_border(text, span[1])]
        cuts = [0, *(position for span in kept for position in span), len(text)]
        parts = self.encode([text[start:end] for start, end in pairwise(cuts)])
        ends = list(accumulate(map(len, parts)))
        return [token for part in parts for token in part], list(zip(ends[:-1:2], ends[1::2], strict=True))

    def places(self, text: str) -> list[tuple[int, int]]:
        """Pieces of a word whose characters cannot be told apart after folding have all of it."""
        cuts = [0, *(position for position in range(1, len(text)) if is_border(text, position)), len(text)]
        words = [text[start:end] for start, end in pairwise(cuts)]
        folded = [_shortened(fold(word)) for word in words]
        places: list[tuple[int, int]] = []
        encoded = self.tokenizer.encode_batch(folded, add_special_tokens=False)
        for start, word, characters, pieces in zip(cuts, words, folded, encoded, strict=False):
            origin = _origin(word, characters)
            for first, end in pieces.offsets:
                whole = (start, start + len(word))
                places.append(whole if origin is None else (start + origin[first], start + origin[end - 1] + 1))
        return places

    def decode(self, ids: Sequence[int]) -> str:
        """Text for people: pieces joined to words, a space before each word but for signs that hang on to a
        neighbour. Case, accents and other white space are lost; a rest without a beginning keeps its mark."""
        parts: list[str] = []
        word = ""  # what stands behind the last space
        for token in map(self._tokens.__getitem__, ids):
            piece = token.removeprefix(REST) if word else token
            if word and not is_rest(token) and not _hangs_on(word, piece):
                parts.append(word)
                word = ""
            while piece == "@" and parts and parts[-1].endswith("."):  # an address, as it turns out
                word = parts.pop() + word
            word += piece
        return " ".join([*parts, word])


def _hangs_on(word: str, piece: str) -> bool:
    """Whether a token that is no rest of a word is written without a space after this."""
    if piece in ".,;:!?)]}>%'\u2019\u201d-/_@" or word[-1] in "([{<$#\u201c-/_@'\u2019":
        return True
    of_number = word[-1] in ".,:" and word[-2:-1].isdigit() and piece[0].isdigit()
    of_address = word[-1] == "." and "@" in word
    repeated = piece == word[-1] and not piece.isalnum()  # a masked number is a run of stars
    return of_number or of_address or repeated


@functools.lru_cache(65_536)
def _fold_one(character: str) -> str:
    return fold(character)


def _origin(word: str, folded: str) -> list[int] | None:
    """For each folded character the one that it came from; None where they do not fold one by one."""
    parts = [_fold_one(character) for character in word]
    return [index for index, part in enumerate(parts) for _ in part] if "".join(parts) == folded else None


def is_border(text: str, position: int) -> bool:
    """Whether a text can be cut here and its parts encoded one by one, to the same ids."""
    before, after = _fold_one(text[position - 1 : position]), _fold_one(text[position : position + 1])
    return not 0 < position < len(text) or before.endswith(_END) or after.startswith(_END)


def train(texts: Iterable[str], vocab_size: int, kind: Kind, folder: Path) -> None:
    """Writes the vocabulary of a tokenizer; the same texts in the same order give the same one.

    The rarest characters are left out where there are so many that they would take more than half of it.

    Args:
        vocab_size: pieces at most; the special tokens of the kind and the signs, digits and small letters of
            ASCII are among them.

    Raises:
        ConfigError: `vocab_size` cannot hold these.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    smallest = len(kind.special_tokens) + len(_ALWAYS)
    if vocab_size < smallest:
        raise ConfigError(
            f"a vocabulary of {vocab_size} cannot hold the letters, digits and signs of ASCII",
            where="tokenizer.vocab_size",
            fix=f"use {smallest} or more",
        )
    counts = _count_words(texts)
    alphabet = _alphabet(counts, (vocab_size - len(kind.special_tokens)) // 2)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_END, behavior="removed")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(kind.special_tokens),
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(counts, alphabet), trainer)
    vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    special = set(kind.special_tokens)
    in_order = sorted(vocabulary, key=vocabulary.__getitem__)
    lines = [token if token in special else _spelled(token) for token in in_order]
    text = "".join(f"{line}\n" for line in lines)
    (folder / FILES[0]).write_text(text, encoding="utf-8", newline="\n")


def open_files(folder: Path, kind: Kind) -> WordPieceEncoder:
    """Raises OSError or ValueError for a file that is missing or damaged."""
    from pipelines.tokenizers.bert import BertEncoder

    tokens = (folder / FILES[0]).read_text(encoding="utf-8").split("\n")[:-1]
    encoder = WordPieceEncoder if kind.folding is None else BertEncoder
    return encoder(kind, {token: index for index, token in enumerate(tokens)})


def keras_settings(folder: Path) -> dict[str, bool]:
    """Of keras-hub's tokenizer class for a tokenizer's folder. For a published kind it gives other ids even so: see
    docs/exchange.md."""
    meta = folder / "meta.json"
    kind = KINDS[json.loads(meta.read_text(encoding="utf-8"))["kind"]] if meta.is_file() else None
    if kind is None or kind.folding is None:
        return dict(SETTINGS)
    return {"lowercase": kind.folding.lowercase, "strip_accents": kind.folding.strip_accents}


def surface(token: str) -> bytes:
    """The bytes of folded text that an ordinary token stands for.

    White space, case and accents are not among a model's tokens, so they are not among the bytes either:
    for ASCII these are exactly the bytes of the text that are no white space.
    """
    return token.removeprefix(REST).encode()


def is_rest(token: str) -> bool:
    """Whether a token continues the word of the one before it; all others begin one."""
    return token.startswith(REST)


def _shortened(words: str) -> str:
    """Puts a sign that no vocabulary has for each word of too many bytes."""
    if words.isascii():
        return words
    return _LONG.sub(lambda match: "\1" if len(match[0].encode()) > _LONGEST else match[0], words)


def _count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs, with the characters after its first one moved. Memory grows with the number
    of different words."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(fold(text).replace(_END, " ").split())  # also at white space that keras-hub leaves inside
    usual = {word: count for word, count in counts.items() if len(word.encode()) <= _LONGEST}
    return Counter({_moved(word): count for word, count in usual.items() if max(map(ord, word)) < _LAST_PLANE})


def _alphabet(counts: Counter[str], most: int) -> set[str]:
    """The most frequent characters, first and moved ones apart; of equally frequent ones those that come first."""
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    ranked = sorted(characters, key=lambda character: (-characters[character], character))
    alphabet = set(_ALWAYS)
    for character in ranked:
        if len(alphabet) >= most:
            break
        alphabet.add(character)
    return alphabet


def _repeated(counts: Counter[str], alphabet: set[str]) -> Iterator[str]:
    """Each word of the alphabet as often as it occurs: the trainer takes no counts."""
    for word in sorted(counts):
        if alphabet.issuperset(word):
            for start in range(0, counts[word], _REPEATED):
                yield (word + _END) * min(_REPEATED, counts[word] - start)


def _moved(word: str) -> str:
    return word[0] + "".join(chr(ord(character) + _MOVED) for character in word[1:])


def _spelled(piece: str) -> str:
    """A piece of a moved word as WordPiece writes it."""
    plain = "".join(chr(ord(character) % _MOVED) for character in piece)
    return plain if plain[0] == piece[0] else REST + plain
