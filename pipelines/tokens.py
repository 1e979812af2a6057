"""Token files: a dataset version, encoded once, memory-mapped ever after.

    storage/tokens/<dataset>-<tokenizer>-<sources>/
        meta.json                 sizes, label, both digests in full
        <split>.ids               little-endian uint16 (uint32 above 65,535 words), each document in its frame
        <split>.offsets           little-endian int64 [documents + 1], where each document starts
        <split>.sources           little-endian uint16 [documents], number of the pipeline's source

The folder's name says what is in it, so a second call has nothing to do, and a change of data or
tokenizer can never be mistaken for the old one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from governance.labels import Label
from pipelines.tokenizers import (
    Encoder,
    Lexicon,
    Texts,
    TokenizerFiles,
    folder_made_once,
    load_encoder,
    train_tokenizer,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SPLITS = ("train", "validation", "test")

#: One call of the encoder gets at most so many documents, or so many characters (one document may
#: be longer): about 50 MB of memory.
_BATCH_DOCUMENTS = 512
_BATCH_CHARACTERS = 2_000_000

Progress = Callable[[str, int], None]
"""Called with the split's name and the number of documents encoded so far."""


@dataclass(frozen=True)
class Sources:
    """Which source of its pipeline each document came from.

    Attributes:
        names: of the sources, by their number.
        numbers: uint16 [documents]; memory-mapped.
        bytes: UTF-8 bytes of the text of each source.
    """

    names: tuple[str, ...]
    numbers: npt.NDArray[np.uint16]
    bytes: tuple[int, ...]

    def documents(self) -> dict[str, int]:
        """Number of documents of each source."""
        import numpy as np

        counts = np.bincount(self.numbers, minlength=len(self.names)).tolist()
        return dict(zip(self.names, counts, strict=True))


@dataclass(frozen=True)
class TokenSplit:
    """The tokens of one split.

    Attributes:
        ids: uint16 or uint32 [tokens], each document followed by eos (and after a start token, if the
            tokenizer has one); memory-mapped.
        offsets: int64 [documents + 1]; document i is ids[offsets[i]:offsets[i + 1]].
        bytes: UTF-8 bytes of the text, the denominator of bits per byte.
        eos_id: the id that ends each document.
        sources: of the documents; None for text that belongs to no pipeline.
    """

    name: str
    ids: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]
    bytes: int
    eos_id: int
    sources: Sources | None = None

    def source_of(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Numbers of the sources that the tokens at these positions came from, in the same shape.

        Raises:
            DataError: the split's documents have no known sources.
        """
        import numpy as np

        if self.sources is None:
            raise DataError(f'the documents of "{self.name}" have no known sources', where="tokens")
        documents = np.searchsorted(self.offsets, tokens, side="right") - 1
        return self.sources.numbers[documents].astype(np.int32)

    @property
    def documents(self) -> int:
        return len(self.offsets) - 1

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.ids)


@dataclass(frozen=True)
class Tokens:
    """A dataset version as ids, and the tokenizer that made them."""

    folder: Path
    tokenizer: TokenizerFiles
    label: Label
    dataset_digest: str
    sizes: dict[str, dict[str, Any]]
    source_names: tuple[str, ...]

    @property
    def tokenizer_dir(self) -> Path:
        return self.tokenizer.folder

    @property
    def tokenizer_digest(self) -> str:
        return self.tokenizer.digest

    @property
    def vocab_size(self) -> int:
        return self.tokenizer.vocab_size

    @property
    def eos_id(self) -> int:
        return self.tokenizer.eos_id

    def lexicon(self) -> Lexicon:
        """Kind and vocabulary of the tokenizer."""
        return load_encoder(self.tokenizer.folder).lexicon

    def split(self, name: str) -> TokenSplit:
        """Opens "train", "validation" or "test".

        Raises:
            DataError: no such split, or its files are missing or cut short.
        """
        import numpy as np

        if name not in self.sizes:
            known = ", ".join(self.sizes)
            raise DataError(f'no split "{name}"', where=str(self.folder), fix=f"there are {known}")
        size = self.sizes[name]
        ids = _map(self.folder / f"{name}.ids", _width(self.vocab_size), size["tokens"])
        offsets = _map(self.folder / f"{name}.offsets", np.dtype("<i8"), size["documents"] + 1)
        numbers = _map(self.folder / f"{name}.sources", np.dtype("<u2"), size["documents"])
        sources = Sources(self.source_names, numbers, tuple(size["source_bytes"]))
        return TokenSplit(name, ids, offsets, size["bytes"], self.eos_id, sources)


def tokenize(
    version: Texts,
    *,
    kind: str,
    vocab_size: int,
    storage: Path,
    progress: Progress | None = None,
    tokenizer: TokenizerFiles | None = None,
) -> Tokens:
    """Trains the tokenizer on the training split and encodes all splits; each only once.

    Args:
        version: the dataset version.
        kind: a name in `pipelines.tokenizers.KINDS`.
        vocab_size: words at most, special ones included.
        storage: folder under which "tokenizers/" and "tokens/" lie.
        progress: called after each batch of documents.
        tokenizer: encodes the text instead of a new one; `kind` and `vocab_size` are its own then.

    Raises:
        ConfigError: unknown kind, or a vocabulary that is too small.
        DataError: no training text, files that are damaged or were changed, or a disk that cannot
            be written.
    """
    if not any((storage / "tokens").glob(f"{version.digest[:16]}-*")):
        version.verify()  # everything from here on is named after the digest: it must be true once
    if tokenizer is None:
        tokenizer = train_tokenizer(version, kind=kind, vocab_size=vocab_size, storage=storage)
    folder = storage / "tokens" / f"{version.digest[:16]}-{tokenizer.digest[:16]}-{version.sources.digest[:8]}"
    if not folder.exists():
        with folder_made_once(folder) as temporary:
            _encode_all(version, tokenizer, temporary, progress)
    return open_tokens(folder, tokenizer)


def open_tokens(folder: Path, tokenizer: TokenizerFiles) -> Tokens:
    """Opens token files that are complete.

    Raises:
        DataError: the folder's description is missing, or names another tokenizer.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["tokenizer_digest"] != tokenizer.digest:
            raise ValueError(f"they were made by tokenizer {meta['tokenizer_digest'][:16]}")
        # The same words may have come with another label when the files were made.
        label = Label.from_list(meta["label"]) | tokenizer.label
        return Tokens(folder, tokenizer, label, meta["dataset_digest"], meta["splits"], tuple(meta["sources"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from None


def _encode_all(version: Texts, tokenizer: TokenizerFiles, folder: Path, progress: Progress | None) -> None:
    encoder = load_encoder(tokenizer.folder)
    sizes = {split: _encode_split(version, split, encoder, tokenizer, folder / split, progress) for split in SPLITS}
    meta = {
        "dataset_digest": version.digest,
        "tokenizer_digest": tokenizer.digest,
        "label": (version.label | tokenizer.label).to_list(),
        "sources": version.sources.names,
        "splits": sizes,
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _encode_split(
    version: Texts,
    split: str,
    encoder: Encoder,
    tokenizer: TokenizerFiles,
    path: Path,
    progress: Progress | None,
) -> dict[str, Any]:
    """Appends batch by batch, so that memory does not grow with the corpus."""
    import numpy as np

    width = _width(tokenizer.vocab_size)
    tokens = documents = 0
    numbers = version.source_numbers(split)
    sizes = np.zeros(len(version.sources.names), np.int64)
    with (
        path.with_suffix(".ids").open("wb") as ids_file,
        path.with_suffix(".offsets").open("wb") as offsets_file,
    ):
        offsets_file.write(np.zeros(1, "<i8").tobytes())
        for texts in _batches(text for _, text in version.texts(split)):
            ids = [tokenizer.frame.document(one) for one in encoder.encode(texts)]
            ends = tokens + np.cumsum([len(one) for one in ids])
            ids_file.write(np.concatenate([np.asarray(one, width) for one in ids]).tobytes())
            offsets_file.write(ends.astype("<i8").tobytes())
            tokens = int(ends[-1])
            np.add.at(sizes, numbers[documents : documents + len(texts)], [len(text.encode()) for text in texts])
            documents += len(texts)
            if progress is not None:
                progress(path.name, documents)
    path.with_suffix(".sources").write_bytes(numbers.astype("<u2").tobytes())
    return {"tokens": tokens, "documents": documents, "bytes": int(sizes.sum()), "source_bytes": sizes.tolist()}


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if len(batch) == _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _width(vocab_size: int) -> np.dtype[Any]:
    import numpy as np

    return np.dtype("<u2" if vocab_size <= 65_536 else "<u4")


def _map(path: Path, dtype: np.dtype[Any], length: int) -> npt.NDArray[Any]:
    """Memory-maps a file whose length must be the one that was recorded."""
    import numpy as np

    try:
        found = path.stat().st_size
    except OSError as error:
        raise _damaged(path, str(error.strerror)) from None
    if found != length * dtype.itemsize:
        raise _damaged(path, f"{found} bytes instead of {length * dtype.itemsize}")
    if length == 0:  # an empty file cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=(length,))


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(
        f"the token files are damaged: {reason}",
        where=str(path),
        fix="delete the folder; it is made again from the same text",
    )
