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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from governance.errors import ConfigError, DataError, did_you_mean
from governance.labels import Label
from pipelines.atomic import atomic_path

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class Kind:
    """A kind of tokenizer: the special tokens that keras-hub's class of it asks for.

    Attributes:
        end: stands after each document.
        start: stands before each document, if any.
        special_tokens: all of them; they get the first ids.
    """

    name: str
    end: str
    start: str | None
    special_tokens: tuple[str, ...]


#: `bpe` as GPT-2 has it (keras-hub's `GPT2Tokenizer`), the others as their namesakes (`Llama3Tokenizer`,
#: `RobertaTokenizer`). An encoder's `<s>` stands before each input, not before each document.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("bpe", END_OF_TEXT, None, (END_OF_TEXT,)),
        Kind(
            "llama3",
            "<|end_of_text|>",
            "<|begin_of_text|>",
            ("<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        ),
        Kind("roberta", "</s>", None, ("<s>", "<pad>", "</s>", "<mask>")),
    )
}

#: See above. Letters and signs take one space before them along, as in GPT-2.
SPLIT = r" ?\p{L}+| ?[^\s\p{L}\p{N}]+|\p{N}|[\r\n]+|\s"

_BYTES = 256


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
        frame: the ids that stand around each document.
        label: the domains that the training text came from.
    """

    folder: Path
    digest: str
    kind: str
    vocab_size: int
    frame: Frame
    label: Label
    dataset_digest: str

    @property
    def eos_id(self) -> int:
        return self.frame.end_id


@dataclass(frozen=True)
class Frame:
    """The ids that stand around each document: `end_id` after it, `start_id` before it if there is one."""

    end_id: int
    start_id: int | None

    @classmethod
    def of(cls, vocabulary: Mapping[str, int]) -> Frame:
        """Finds the kind by its special tokens, which no text can merge into words.

        Raises:
            KeyError: a vocabulary of none of the kinds.
        """
        for kind in KINDS.values():
            if all(token in vocabulary for token in kind.special_tokens):
                return cls(vocabulary[kind.end], None if kind.start is None else vocabulary[kind.start])
        raise KeyError(END_OF_TEXT)

    def document(self, ids: list[int]) -> list[int]:
        """A document's ids with what stands around them."""
        return [*ids, self.end_id] if self.start_id is None else [self.start_id, *ids, self.end_id]

    @property
    def prompt_id(self) -> int:
        """What a text that is to be continued begins with: what the model saw before each document."""
        return self.end_id if self.start_id is None else self.start_id


def train_bpe(texts: Iterable[str], vocab_size: int, *, kind: str = "bpe") -> Tokenizer:
    """Trains byte-level BPE; the same texts in the same order give the same vocabulary.

    Args:
        vocab_size: words at most; all bytes and the special tokens of the kind are among them.

    Raises:
        ConfigError: `vocab_size` cannot hold all bytes and the special tokens.
    """
    from tokenizers import Tokenizer, models, trainers
    from tokenizers.pre_tokenizers import ByteLevel

    special_tokens = list(KINDS[kind].special_tokens)
    smallest = _BYTES + len(special_tokens)
    if vocab_size < smallest:
        raise ConfigError(
            f"a byte-level vocabulary of {vocab_size} cannot hold all bytes",
            where="tokenizer.vocab_size",
            fix=f"use {smallest} or more",
        )
    tokenizer = Tokenizer(models.BPE())
    _configure(tokenizer)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special_tokens,
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


def made_up_vocabulary(kind: str, vocab_size: int) -> dict[str, int]:
    """A vocabulary of this kind that no text was needed for: to measure the speed of a model."""
    special = KINDS[kind].special_tokens
    words = (f"w{number}" for number in range(vocab_size - len(special)))
    return {token: number for number, token in enumerate([*special, *words])}


def train_tokenizer(version: Texts, *, kind: str, vocab_size: int, storage: Path) -> TokenizerFiles:
    """Trains the tokenizer of a dataset version, or opens the one that was trained before.

    Raises:
        ConfigError: unknown `kind`, or a vocabulary that is too small.
        DataError: the training split is empty, or a stored tokenizer is damaged.
    """
    if kind not in KINDS:
        raise ConfigError(
            f'no tokenizer of kind "{kind}"{did_you_mean(kind, KINDS)}',
            where="tokenizer.kind",
            fix=f"use {' or '.join(KINDS)}",
        )
    pattern = hashlib.sha256(SPLIT.encode()).hexdigest()[:8]
    folder = storage / "tokenizers" / f"{version.digest[:16]}-{kind}-{vocab_size}-{pattern}"
    if not folder.exists():
        tokenizer = train_bpe(_train_texts(version), vocab_size, kind=kind)
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
            frame=Frame(meta["eos_id"], meta.get("start_id")),
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
    frame = Frame.of(vocabulary)
    meta = {
        "kind": kind,
        "vocab_size": len(vocabulary),
        "eos_id": frame.end_id,
        "start_id": frame.start_id,
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
