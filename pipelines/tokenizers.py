"""Byte-level BPE, trained on the training split of one dataset version and on nothing else.

Merges stay inside runs of letters, of signs or of line breaks; each digit stands alone. So no merge
reaches across a place where any of the usual patterns cuts a text into words: GPT-2's, that of
Llama 3 with its groups of three digits, or none at all, which is what `keras_hub.models.GPT2Tokenizer`
(0.32) does when it is called on strings, since it passes its pattern as a literal. All of them give
the same ids as ours, today and when that is mended.

BPE: Sennrich et al. 2016, https://arxiv.org/abs/1508.07909; on bytes: Radford et al. 2019 (GPT-2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from governance.errors import ConfigError, DataError
from governance.labels import Label
from pipelines.atomic import atomic_path

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END_OF_TEXT = "<|endoftext|>"

#: See above. Letters and signs take one space before them along, as in GPT-2.
SPLIT = r" ?\p{L}+| ?[^\s\p{L}\p{N}]+|\p{N}|[\r\n]+|\s"

#: 256 bytes and the end of text.
SMALLEST_VOCABULARY = 257


class Texts(Protocol):
    """What this module needs of a dataset version."""

    @property
    def digest(self) -> str: ...
    @property
    def label(self) -> Label: ...
    def texts(self, split: str) -> Iterator[tuple[str, str]]: ...
    def verify(self) -> None: ...


@dataclass(frozen=True)
class TokenizerFiles:
    """A trained tokenizer on disk.

    Attributes:
        folder: holds vocab.json, merges.txt (both as keras-hub reads them), tokenizer.json, meta.json.
        digest: SHA-256 (hex) of vocabulary and merges.
        vocab_size: true size; smaller than asked when the text has too few distinct pairs.
        eos_id: id of `<|endoftext|>`.
        label: the domains that the training text came from.
    """

    folder: Path
    digest: str
    kind: str
    vocab_size: int
    eos_id: int
    label: Label
    dataset_digest: str


def train_bpe(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Trains byte-level BPE; the same texts in the same order give the same vocabulary.

    Raises:
        ConfigError: `vocab_size` is below 257 (all bytes and the end of text).
    """
    from tokenizers import Tokenizer, models, trainers
    from tokenizers.pre_tokenizers import ByteLevel

    if vocab_size < SMALLEST_VOCABULARY:
        raise ConfigError(
            f"a byte-level vocabulary of {vocab_size} cannot hold all bytes",
            where="tokenizer.vocab_size",
            fix=f"use {SMALLEST_VOCABULARY} or more",
        )
    tokenizer = Tokenizer(models.BPE())
    _configure(tokenizer)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_encoder(folder: Path) -> Tokenizer:
    """Opens a tokenizer so that text can never become the special token.

    A record that spells `<|endoftext|>` is encoded as ordinary characters: data does not get to
    say where a document ends.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
        return encoder_from(vocabulary, lines)
    except (OSError, ValueError) as error:
        raise _damaged(folder, error) from None


def encoder_from(vocabulary: dict[str, int], merges: Iterable[str]) -> Tokenizer:
    """Makes an encoder, as `load_encoder` does, from "left right" pairs in order of their rank."""
    from tokenizers import Tokenizer, models

    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    _configure(tokenizer)
    return tokenizer


def _configure(tokenizer: Tokenizer) -> None:
    from tokenizers import Regex, decoders, pre_tokenizers

    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()


def train_tokenizer(version: Texts, *, kind: str, vocab_size: int, storage: Path) -> TokenizerFiles:
    """Trains the tokenizer of a dataset version, or opens the one that was trained before.

    Raises:
        ConfigError: unknown `kind`, or a vocabulary that is too small.
        DataError: the training split is empty, or a stored tokenizer is damaged.
    """
    if kind != "bpe":
        raise ConfigError(f'no tokenizer of kind "{kind}"', where="tokenizer.kind", fix="use bpe")
    pattern = hashlib.sha256(SPLIT.encode()).hexdigest()[:8]
    folder = storage / "tokenizers" / f"{version.digest[:16]}-{kind}-{vocab_size}-{pattern}"
    if not folder.exists():
        tokenizer = train_bpe(_train_texts(version), vocab_size)
        with folder_made_once(folder) as temporary:
            _write(tokenizer, version, kind, temporary)
    return open_tokenizer(folder)


def open_tokenizer(folder: Path) -> TokenizerFiles:
    """Reads and verifies a tokenizer's folder.

    Raises:
        DataError: a file is missing, unreadable, or not the one that was written.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        found = _digest(folder)
        if found != meta["digest"]:
            raise ValueError(f"its SHA-256 is {found[:16]} and not {meta['digest'][:16]}")
        return TokenizerFiles(
            folder=folder,
            digest=meta["digest"],
            kind=meta["kind"],
            vocab_size=meta["vocab_size"],
            eos_id=meta["eos_id"],
            label=Label.from_list(meta["label"]),
            dataset_digest=meta["dataset_digest"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None


def _train_texts(version: Texts) -> Iterator[str]:
    empty = True
    for _, text in version.texts("train"):
        empty = False
        yield text
    if empty:
        raise DataError("the training split has no records", where=f"dataset {version.digest[:16]}")


def _write(tokenizer: Tokenizer, version: Texts, kind: str, folder: Path) -> None:
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = content["model"]["vocab"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in content["model"]["merges"]]
    in_order = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    _write_text(folder / "vocab.json", json.dumps(in_order, ensure_ascii=False))
    _write_text(folder / "merges.txt", "".join(f"{merge}\n" for merge in merges))
    _write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    meta = {
        "kind": kind,
        "vocab_size": len(vocabulary),
        "eos_id": vocabulary[END_OF_TEXT],
        "label": version.label.to_list(),
        "dataset_digest": version.digest,
        "digest": _digest(folder),
    }
    _write_text(folder / "meta.json", json.dumps(meta, indent=1))


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


def _damaged(folder: Path, error: Exception) -> DataError:
    reason = error.strerror if isinstance(error, OSError) else error
    return DataError(
        f"the tokenizer is damaged: {type(error).__name__}: {reason}",
        where=str(folder),
        fix="delete the folder; it is made again from the same text",
    )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def folder_made_once(folder: Path) -> Iterator[Path]:
    """Yields an empty temporary folder that takes its final name when the block ends well.

    When another process was faster its folder stays: both were made from the same inputs.

    Raises:
        DataError: the disk is full or not writable.
    """
    try:
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            yield temporary
    except DataError:
        if not folder.is_dir():
            raise
