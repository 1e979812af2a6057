"""Byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909; on bytes: Radford et al. 2019, GPT-2).

Merges stay inside runs of letters, of signs or of line breaks; each digit stands alone. So no merge
reaches across a place where any of the usual patterns cuts a text into words: GPT-2's, that of
Llama 3 with its groups of three digits, or none at all, which is what `keras_hub.models.GPT2Tokenizer`
(0.32) does when it is called on strings, since it passes its pattern as a literal. All of them give
the same ids as ours, today and when that is mended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError
from pipelines.tokenizers.kinds import Encoder, Kind, Lexicon

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: As keras-hub names them among a preset's assets.
FILES = ("vocabulary.json", "merges.txt")

#: See above. Letters and signs take one space before them along, as in GPT-2.
SPLIT = r" ?\p{L}+| ?[^\s\p{L}\p{N}]+|\p{N}|[\r\n]+|\s"
#: By the names in `Kind.split`: those of vocabularies that came from elsewhere, as published.
SPLITS = {
    None: SPLIT,
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
#: Changes with whatever changes the files that the same text gives.
VERSION = hashlib.sha256(SPLIT.encode()).hexdigest()[:8]

_BYTES = 256


class BytePairEncoder(Encoder):
    """Opens a vocabulary and "left right" pairs in order of their rank."""

    def __init__(self, kind: Kind, vocabulary: dict[str, int], merges: Iterable[str]) -> None:
        from tokenizers import Tokenizer, models

        pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
        self.lexicon = Lexicon(kind, vocabulary)
        # Llama 3 takes a piece that is a word of its vocabulary as a whole, whatever its merges would make.
        whole = kind.split == "llama3"
        self.tokenizer: Tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, ignore_merges=whole))
        _configure(self.tokenizer, SPLITS[kind.split])

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def places(self, text: str) -> list[tuple[int, int]]:
        places: list[tuple[int, int]] = self.tokenizer.encode(text, add_special_tokens=False).offsets
        return places

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False)
        return text


def train(texts: Iterable[str], vocab_size: int, kind: Kind, folder: Path) -> None:
    """Writes the files of a tokenizer; the same texts in the same order give the same ones.

    Args:
        vocab_size: words at most; all bytes and the special tokens of the kind are among them.

    Raises:
        ConfigError: `vocab_size` cannot hold all bytes and the special tokens.
    """
    from tokenizers import Tokenizer, models, trainers
    from tokenizers.pre_tokenizers import ByteLevel

    special_tokens = list(kind.special_tokens)
    smallest = _BYTES + len(special_tokens)
    if vocab_size < smallest:
        raise ConfigError(
            f"a byte-level vocabulary of {vocab_size} cannot hold all bytes",
            where="tokenizer.vocab_size",
            fix=f"use {smallest} or more",
        )
    tokenizer = Tokenizer(models.BPE())
    _configure(tokenizer, SPLITS[kind.split])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special_tokens,
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = content["model"]["vocab"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in content["model"]["merges"]]
    write_files(vocabulary, merges, folder)


def write_files(vocabulary: Mapping[str, int], merges: Iterable[str], folder: Path) -> None:
    """Writes the files of a tokenizer, from "left right" pairs in order of their rank; the same vocabulary and
    merges give the same bytes."""
    for name, text in file_texts(vocabulary, merges).items():
        _write_text(folder / name, text)


def file_texts(vocabulary: Mapping[str, int], merges: Iterable[str]) -> dict[str, str]:
    """The files of `write_files` by name."""
    in_order = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    return {
        "vocabulary.json": json.dumps(in_order, ensure_ascii=False),
        "merges.txt": "".join(f"{merge}\n" for merge in merges),
    }


def open_files(folder: Path, kind: Kind) -> BytePairEncoder:
    """Raises OSError or ValueError for files that are missing or damaged."""
    return BytePairEncoder(kind, *read_files(folder))


def read_files(folder: Path) -> tuple[dict[str, int], list[str]]:
    """Vocabulary and merges, of this module's files or of those that keras-hub made of them.

    Raises:
        OSError, ValueError: they are missing or damaged.
    """
    vocabulary: dict[str, int] = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    merges = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    return vocabulary, [merge for merge in merges if merge and not merge.startswith("#version")]


def surface(token: str) -> bytes:
    """The bytes of text that an ordinary token stands for."""
    return bytes(map(_BYTE_OF.__getitem__, token))


def _configure(tokenizer: Tokenizer, split: str) -> None:
    from tokenizers import Regex, decoders, pre_tokenizers

    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _byte_of_character() -> dict[str, int]:
    """GPT-2's way to write bytes as printable characters, the other way round: those of Latin-1 that
    can be seen stand for themselves, the others for 256 + n."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(seen)]
    return {chr(byte): byte for byte in seen} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


_BYTE_OF = _byte_of_character()
