"""Token files: a dataset version, encoded once, memory-mapped ever after.

    storage/tokens/<dataset>-<tokenizer>-<sources>/
        meta.json                 sizes, label, both digests in full
        <split>.ids               little-endian uint16 (uint32 above 65,535 words), each document in its frame
        <split>.offsets           little-endian int64 [documents + 1], where each document starts
        <split>.sources           little-endian uint16 [documents], number of the pipeline's source
        <split>.spans             little-endian int64 [spans, 2], where entities and phrases start and end; if asked for

Canaries that a training asks for, and documents that a mixture reads several times, stand in the tokens of the
training split alone, in a folder of their own.

The folder's name says what is in it, so a second call has nothing to do, and a change of data or
tokenizer can never be mistaken for the old one.
"""

from __future__ import annotations

import bisect
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from governance.labels import Label
from governance.wording import in_words
from pipelines import spans
from pipelines.arrays import damaged, id_dtype, map_array
from pipelines.mixture import Mixture
from pipelines.planting import Planted
from pipelines.tokenizers import (
    Encoder,
    Lexicon,
    Texts,
    TokenizerFiles,
    folder_made_once,
    load_encoder,
    train_tokenizer,
)
from pipelines.tokenizers.wordpiece import WordPieceEncoder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SPLITS = ("train", "validation", "test")

#: One call of the encoder gets at most so many documents, or so many characters (one document may
#: be longer): about 50 MB of memory.
_BATCH_DOCUMENTS = 512
_BATCH_CHARACTERS = 2_000_000
#: Without which its description is damaged.
_KEYS = ("tokenizer_digest", "label", "sources", "dataset_digest", "splits")

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
        spans: int64 [spans, 2], first token of each entity or phrase and the one after its last, in order;
            None when nobody looked for them.
    """

    name: str
    ids: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]
    bytes: int
    eos_id: int
    sources: Sources | None = None
    spans: npt.NDArray[np.int64] | None = None

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

    def joined(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Whether each of these tokens goes on with the span of the one before it, bool [stop - start]."""
        import numpy as np

        joined = np.zeros(stop - start, bool)
        if self.spans is not None:
            number = bisect.bisect_right(self.spans, start, key=lambda span: int(span[1]))
            while number < len(self.spans) and self.spans[number][0] < stop:
                first, end = self.spans[number]
                joined[max(first + 1 - start, 0) : end - start] = True
                number += 1
        return joined

    @property
    def documents(self) -> int:
        return len(self.offsets) - 1

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.ids)


@dataclass(frozen=True)
class Tokens:
    """A dataset version as ids, and the tokenizer that made them.

    Attributes:
        planted: digest of the texts that were planted in the training split; None where there are none.
        mixture: digest of the mixture of the training split; None where each document stands there once.
    """

    folder: Path
    tokenizer: TokenizerFiles
    label: Label
    dataset_digest: str
    sizes: dict[str, dict[str, Any]]
    source_names: tuple[str, ...]
    spans_fingerprint: str | None = None
    planted: str | None = None
    mixture: str | None = None

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

    def document_lengths(self, split: str) -> npt.NDArray[np.int64]:
        """int64 [documents], in tokens."""
        import numpy as np

        return np.diff(self.split(split).offsets)

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
        ids = map_array(self.folder / f"{name}.ids", id_dtype(self.vocab_size), size["tokens"])
        offsets = map_array(self.folder / f"{name}.offsets", np.dtype("<i8"), size["documents"] + 1)
        numbers = map_array(self.folder / f"{name}.sources", np.dtype("<u2"), size["documents"])
        sources = Sources(self.source_names, numbers, tuple(size["source_bytes"]))
        found = None
        if self.spans_fingerprint is not None:
            found = map_array(self.folder / f"{name}.spans", np.dtype("<i8"), 2 * size["spans"]).reshape(-1, 2)
        return TokenSplit(name, ids, offsets, size["bytes"], self.eos_id, sources, found)


def tokenize(
    version: Texts,
    *,
    kind: str,
    vocab_size: int,
    storage: Path,
    progress: Progress | None = None,
    tokenizer: TokenizerFiles | None = None,
    entity_spans: bool = False,
    processes: int | None = None,
    planted: Planted | None = None,
    mixture: Mixture | None = None,
) -> Tokens:
    """Trains the tokenizer on the training split and encodes all splits; each only once.

    Args:
        version: the dataset version.
        kind: a name in `pipelines.tokenizers.KINDS`.
        vocab_size: words at most, special ones included.
        storage: folder under which "tokenizers/" and "tokens/" lie.
        progress: called after each batch of documents.
        tokenizer: encodes the text instead of a new one; `kind` and `vocab_size` are its own then.
        entity_spans: also finds entities and phrases (see `pipelines.spans`); for WordPiece alone.
        processes: that find them; the result does not depend on it. All cores if None.
        planted: texts that stand among those of the training split; the tokenizer does not learn from them.
        mixture: how often each document of the training split is read; the tokenizer learns from each once.

    Raises:
        ConfigError: unknown kind, or a vocabulary that is too small.
        DetectorError: spans are asked for, and the model that finds them is missing.
        DataError: no training text, files that are damaged or were changed, or a disk that cannot
            be written.
    """
    if not any((storage / "tokens").glob(f"{version.digest[:16]}-*")):
        version.verify()  # everything from here on is named after the digest: it must be true once
    if tokenizer is None:
        tokenizer = train_tokenizer(version, kind=kind, vocab_size=vocab_size, storage=storage)
    name = f"{version.digest[:16]}-{tokenizer.digest[:16]}-{version.sources.digest[:8]}"
    fingerprint = spans.fingerprint() if entity_spans else None
    name = name if fingerprint is None else f"{name}-{fingerprint[:16]}"
    name = name if planted is None else f"{name}-planted-{planted.digest[:16]}"
    folder = storage / "tokens" / (name if mixture is None else f"{name}-mixed-{mixture.digest[:16]}")
    if not folder.exists():
        with folder_made_once(folder) as temporary:
            workers = processes or os.cpu_count() or 1
            _encode_all(version, tokenizer, temporary, progress, fingerprint, workers, planted, mixture)
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
        names, fingerprint = tuple(meta["sources"]), meta.get("spans_fingerprint")
        more = {name: meta.get(name) for name in ("planted", "mixture")}
        return Tokens(folder, tokenizer, label, meta["dataset_digest"], meta["splits"], names, fingerprint, **more)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, in_words(error, detail=True, expected=_KEYS)) from None


def _encode_all(
    version: Texts,
    tokenizer: TokenizerFiles,
    folder: Path,
    progress: Progress | None,
    fingerprint: str | None,
    processes: int,
    planted: Planted | None,
    mixture: Mixture | None,
) -> None:
    encoder = load_encoder(tokenizer.folder)
    sizes = {}
    with spans.SpanFinder(processes) as finder:
        for split in SPLITS:
            texts: Iterable[str] = (text for _, text in version.texts(split))
            numbers = version.source_numbers(split)
            if mixture is not None and split == "train":
                mixed = mixture.apply(version)
                texts, numbers = mixed.texts(), mixed.numbers()
            if planted is not None and split == "train":
                texts, numbers = planted.among(texts, len(numbers)), planted.sources_among(numbers)
            wanted = fingerprint is not None
            sizes[split] = _write_split(
                _encoded_with_spans(texts, encoder, finder) if wanted else _encoded(texts, encoder),
                numbers,
                len(version.sources.names),
                tokenizer,
                folder / split,
                progress,
                with_spans=wanted,
            )
    meta = {
        "dataset_digest": version.digest,
        "tokenizer_digest": tokenizer.digest,
        "label": (version.label | tokenizer.label).to_list(),
        "sources": version.sources.names,
        "splits": sizes,
        "spans_fingerprint": fingerprint,
        "planted": None if planted is None else planted.digest,
        "mixture": None if mixture is None else mixture.digest,
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


#: The texts of a batch, the ids of each without its frame, and ranges of these ids that are spans.
_Encoded = tuple[list[str], list[list[int]], list[spans.Spans]]


def _encoded(texts: Iterable[str], encoder: Encoder) -> Iterator[_Encoded]:
    for batch in _batches(texts, _BATCH_CHARACTERS):
        yield batch, encoder.encode(batch), [[] for _ in batch]


def _encoded_with_spans(texts: Iterable[str], encoder: Encoder, finder: spans.SpanFinder) -> Iterator[_Encoded]:
    assert isinstance(encoder, WordPieceEncoder)
    for batch, found in finder.find(_batches(texts, _BATCH_CHARACTERS // 20)):  # slower by far: smaller batches
        parts = [encoder.encode_parts(*one) for one in zip(batch, found, strict=True)]
        yield batch, [ids for ids, _ in parts], [ranges for _, ranges in parts]


def _write_split(
    encoded: Iterable[_Encoded],
    numbers: npt.NDArray[np.uint16],
    sources: int,
    tokenizer: TokenizerFiles,
    path: Path,
    progress: Progress | None,
    *,
    with_spans: bool,
) -> dict[str, Any]:
    """Appends batch by batch, so that memory does not grow with the corpus."""
    import numpy as np

    width = id_dtype(tokenizer.vocab_size)
    before = 0 if tokenizer.frame.start_id is None else 1  # tokens of the frame
    sizes = dict.fromkeys(("tokens", "documents", "spans"), 0)
    of_sources = np.zeros(sources, np.int64)
    with ExitStack() as stack:
        names = ("ids", "offsets", "spans") if with_spans else ("ids", "offsets")
        files = {name: stack.enter_context(path.with_suffix(f".{name}").open("wb")) for name in names}
        files["offsets"].write(np.zeros(1, "<i8").tobytes())
        for texts, all_ids, all_spans in encoded:
            ids = [tokenizer.frame.document(one) for one in all_ids]
            ends = sizes["tokens"] + np.cumsum([len(one) for one in ids])
            files["ids"].write(np.concatenate([np.asarray(one, width) for one in ids]).tobytes())
            files["offsets"].write(ends.astype("<i8").tobytes())
            if with_spans:
                starts = [sizes["tokens"] + before, *(ends[:-1] + before).tolist()]
                found = [(a + start, b + start) for start, some in zip(starts, all_spans, strict=True) for a, b in some]
                files["spans"].write(np.asarray(found, "<i8").tobytes())
                sizes["spans"] += len(found)
            sizes["tokens"] = int(ends[-1])
            done = sizes["documents"]
            np.add.at(of_sources, numbers[done : done + len(texts)], [len(text.encode()) for text in texts])
            sizes["documents"] += len(texts)
            if progress is not None:
                progress(path.name, sizes["documents"])
    path.with_suffix(".sources").write_bytes(numbers.astype("<u2").tobytes())
    return {**sizes, "bytes": int(of_sources.sum()), "source_bytes": of_sources.tolist()}


def _batches(texts: Iterable[str], most: int) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if len(batch) == _BATCH_DOCUMENTS or characters >= most:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
