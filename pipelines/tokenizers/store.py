"""Tokenizers on disk: trained once for each dataset version and kind, verified whenever they are opened.

storage/tokenizers/<dataset>-<kind>-<words>-<version of the algorithm>/
    the algorithm's files     named as keras-hub names them among a preset's assets
    meta.json                 kind, label, sizes, SHA-256 over the files
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from governance.errors import ConfigError, DataError, did_you_mean
from governance.labels import Label
from governance.wording import in_words
from pipelines.atomic import atomic_path
from pipelines.tokenizers import bpe, byte_pieces, unigram, wordpiece
from pipelines.tokenizers.kinds import KINDS, AlgorithmName, Encoder, Frame, Kind, Lexicon
from pipelines.versions import SourceTable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Without which its description is damaged.
_KEYS = ("kind", "digest", "vocab_size", "eos_id", "start_id", "label", "dataset_digest")


@dataclass(frozen=True)
class Algorithm:
    """How a kind's files are made and read.

    Attributes:
        files: names within the tokenizer's folder.
        version: changes with whatever changes the files that the same text gives.
        train: (texts, words at most, kind, folder) writes the files. Raises ConfigError for too few words.
        open: (folder, kind) reads them. Raises OSError or ValueError.
        surface: the UTF-8 bytes of text that an ordinary token stands for.
        is_rest: where tokens say so themselves, whether one continues the word of the token before it.
    """

    files: tuple[str, ...]
    version: str
    train: Callable[[Iterable[str], int, Kind, Path], None]
    open: Callable[[Path, Kind], Encoder]
    surface: Callable[[str], bytes]
    is_rest: Callable[[str], bool] | None = None


ALGORITHMS: dict[AlgorithmName, Algorithm] = {
    "bpe": Algorithm(bpe.FILES, bpe.VERSION, bpe.train, bpe.open_files, bpe.surface),
    "wordpiece": Algorithm(
        wordpiece.FILES,
        wordpiece.VERSION,
        wordpiece.train,
        wordpiece.open_files,
        wordpiece.surface,
        wordpiece.is_rest,
    ),
    "unigram": Algorithm(unigram.FILES, unigram.VERSION, unigram.train, unigram.open_files, unigram.surface),
    # Published ones alone, so nothing is trained.
    "byte_pieces": Algorithm(unigram.FILES, unigram.VERSION, unigram.train, byte_pieces.open_files, unigram.surface),
}


class Texts(Protocol):
    """What this module needs of a dataset version."""

    @property
    def digest(self) -> str: ...
    @property
    def label(self) -> Label: ...
    @property
    def sources(self) -> SourceTable: ...
    def source_numbers(self, split: str) -> npt.NDArray[np.uint16]: ...
    def texts(self, split: str) -> Iterator[tuple[str, str]]: ...
    def verify(self) -> None: ...


@dataclass(frozen=True)
class TokenizerFiles:
    """A trained tokenizer on disk.

    Attributes:
        folder: holds the files of the kind's algorithm, as keras-hub reads them, and meta.json.
        digest: SHA-256 (hex) over those files.
        vocab_size: true size; smaller than asked when the text has too few distinct words.
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


def train_tokenizer(version: Texts, *, kind: str, vocab_size: int, storage: Path) -> TokenizerFiles:
    """Trains the tokenizer of a dataset version, or opens the one that was trained before.

    Raises:
        ConfigError: a `kind` that is unknown or published, or a vocabulary that is too small.
        DataError: the training split is empty, or a stored tokenizer is damaged.
    """
    trained = [name for name, one in KINDS.items() if not one.published]
    if kind not in trained:
        reason = "is of vocabularies from elsewhere" if kind in KINDS else "is unknown" + did_you_mean(kind, trained)
        raise ConfigError(
            f'a tokenizer of kind "{kind}" cannot be trained: it {reason}',
            where="tokenizer.kind",
            fix=f"use {' or '.join(trained)}",
        )
    algorithm = ALGORITHMS[KINDS[kind].algorithm]
    folder = storage / "tokenizers" / f"{version.digest[:16]}-{kind}-{vocab_size}-{algorithm.version}"
    if not folder.exists():
        with folder_made_once(folder) as temporary:
            algorithm.train(_train_texts(version), vocab_size, KINDS[kind], temporary)
            _describe(temporary, KINDS[kind], version.label, version.digest)
    return open_tokenizer(folder)


def adopt_tokenizer(
    write: Callable[[Path], None], *, kind: str, label: Label, origin: str, storage: Path
) -> TokenizerFiles:
    """Gives a tokenizer that was not trained here a folder like those that were.

    Args:
        write: writes the files of the kind's algorithm into an empty folder.
        label: the domains that its text came from.
        origin: SHA-256 (hex) of what it came with; stands where a trained one has its dataset's digest.

    Raises:
        DataError: the files are not those of a tokenizer of this kind, or cannot be written.
    """
    files = storage / "tokenizers"
    try:
        files.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adopt-", dir=files) as temporary:
            write(Path(temporary))
            digest = files_digest(Path(temporary), KINDS[kind])
            # The same files with another label are another tokenizer: a label never goes over to others.
            owner = hashlib.sha256(str(label).encode()).hexdigest()
            folder = files / f"adopted-{digest[:16]}-{kind}-{owner[:8]}"
            if not folder.exists():
                _describe(Path(temporary), KINDS[kind], label, origin)
                with folder_made_once(folder) as final:
                    for file in sorted(Path(temporary).iterdir()):
                        shutil.copyfile(file, final / file.name)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"the files of a {kind} tokenizer cannot be taken over: {in_words(error, detail=True)}",
            where=f"tokenizer of {origin[:16]}",
            fix="name a base that comes with its own tokenizer",
        ) from None
    return open_tokenizer(folder)


def open_tokenizer(folder: Path) -> TokenizerFiles:
    """Reads and verifies a tokenizer's folder.

    Raises:
        DataError: a file is missing, unreadable, or not the one that was written.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        found = files_digest(folder, KINDS[meta["kind"]])
        if found != meta["digest"]:
            raise ValueError(f"its SHA-256 is {found[:16]} and not {meta['digest'][:16]}")
        return TokenizerFiles(
            folder=folder,
            digest=meta["digest"],
            kind=meta["kind"],
            vocab_size=meta["vocab_size"],
            frame=Frame(meta["eos_id"], meta["start_id"]),
            label=Label.from_list(meta["label"]),
            dataset_digest=meta["dataset_digest"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None


def load_encoder(folder: Path) -> Encoder:
    """Opens the encoder of a tokenizer's folder.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        kind = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["kind"]
        return open_encoder(folder, kind)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None


def open_encoder(folder: Path, kind: str) -> Encoder:
    """Opens the files of a kind, in a tokenizer's folder or among the assets of a keras-hub preset.

    Raises:
        OSError, ValueError, KeyError: a file is missing or damaged, or the kind is unknown.
    """
    return ALGORITHMS[KINDS[kind].algorithm].open(folder, KINDS[kind])


def made_up_lexicon(kind: str, vocab_size: int) -> Lexicon:
    """A vocabulary of this kind that no text was needed for: to measure the speed of a model."""
    special = KINDS[kind].special_tokens
    words = (f"w{number}" for number in range(vocab_size - len(special)))
    return Lexicon(KINDS[kind], {token: number for number, token in enumerate([*special, *words])})


def _train_texts(version: Texts) -> Iterator[str]:
    empty = True
    for _, text in version.texts("train"):
        empty = False
        yield text
    if empty:
        raise DataError("the training split has no records", where=f"dataset {version.digest[:16]}")


def _describe(folder: Path, kind: Kind, label: Label, dataset_digest: str) -> None:
    lexicon = open_encoder(folder, kind.name).lexicon
    meta = {
        "kind": kind.name,
        "vocab_size": len(lexicon),
        "eos_id": lexicon.frame.end_id,
        "start_id": lexicon.frame.start_id,
        "label": label.to_list(),
        "dataset_digest": dataset_digest,
        "digest": files_digest(folder, kind),
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def files_digest(folder: Path, kind: Kind) -> str:
    """SHA-256 (hex) over the files of a kind: a tokenizer's digest, also among the assets of a preset."""
    return _digest_of((folder / name).read_bytes() for name in ALGORITHMS[kind.algorithm].files)


def preset_files_digest(folder: Path, kind: Kind) -> str:
    """The same of a keras-hub preset's tokenizer: keras-hub writes BPE's files in its own way, which are hashed as
    training had them. Nothing is written: a kill leaves no copy of a vocabulary anywhere."""
    if kind.algorithm != "bpe":
        return files_digest(folder, kind)
    texts = bpe.file_texts(*bpe.read_files(folder))
    return _digest_of(texts[name].encode() for name in ALGORITHMS["bpe"].files)


def _digest_of(contents: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _damaged(folder: Path, error: Exception) -> DataError:
    return DataError(
        f"the tokenizer is damaged: {in_words(error, detail=True, expected=_KEYS)}",
        where=str(folder),
        fix="delete the folder; it is made again from the same text",
    )


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
