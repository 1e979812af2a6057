"""Examples for fine-tuning: the parts of a dataset version as ids, encoded once, memory-mapped ever after.

    storage/examples/<dataset>-<sources>-<tokenizer>-<parts>-<format>/
        meta.json                   sizes, classes, label, both digests in full
        <split>.<part>.ids          uint16 (uint32 above 65,535 words): the ids of a part, without special tokens
        <split>.<part>.offsets      int64 [examples + 1], where each example's ids start
        <split>.label               int32 [examples], the class; -1 for one that the training split does not have
        <split>.sources             uint16 [examples], number of the pipeline's source, where it has several
        <split>.tags                int16 [tokens of the part text], what each token is part of: see `Examples.types`

What stands around the parts (start and end tokens, a chat template) is the business of a task.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from governance.errors import DataError
from governance.labels import Label
from governance.wording import in_words
from pipelines.arrays import damaged, id_dtype, map_array
from pipelines.parts import PartName, is_text, read_spans
from pipelines.tokenizers import Encoder, TokenizerFiles, folder_made_once, load_encoder
from pipelines.tokens import Sources
from pipelines.versions import SourceTable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SPLITS = ("train", "validation", "test")
_BATCH = 512
#: Changes with whatever changes the files that the same records give.
_FORMAT = 3
_UNKNOWN = -1
#: Without which its description is damaged.
_KEYS = ("tokenizer_digest", "label", "dataset_digest", "classes", "types", "names", "sources", "splits")

Progress = Callable[[str, int], None]


class PartsVersion(Protocol):
    """What this module needs of a dataset version."""

    @property
    def digest(self) -> str: ...
    @property
    def label(self) -> Label: ...
    @property
    def sources(self) -> SourceTable: ...
    def source_numbers(self, split: str) -> npt.NDArray[np.uint16]: ...
    def parts(self, split: str) -> Iterator[tuple[str, dict[str, str]]]: ...


@dataclass(frozen=True)
class PartIds:
    """One part of all examples of a split.

    Attributes:
        ids: uint16 or uint32 [tokens].
        offsets: int64 [examples + 1]; example i has ids[offsets[i]:offsets[i + 1]].
    """

    ids: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    def __getitem__(self, example: int) -> npt.NDArray[np.int32]:
        import numpy as np

        return np.asarray(self.ids[self.offsets[example] : self.offsets[example + 1]], np.int32)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 [examples], in tokens."""
        import numpy as np

        return np.diff(self.offsets)


@dataclass(frozen=True)
class ExampleSplit:
    """The examples of one split, in the order of the shards.

    Attributes:
        parts: the text parts, by name.
        labels: int32 [examples], index into the classes or -1; None without a part `label`.
        tags: int16 [tokens of the part text], or None without a part `spans`.
        bytes: UTF-8 bytes of all text of a part, by its name.
        sources: of the examples; None where all are of one.
    """

    name: str
    count: int
    parts: dict[str, PartIds]
    labels: npt.NDArray[np.int32] | None
    tags: npt.NDArray[np.int16] | None
    bytes: dict[str, int]
    sources: Sources | None = None

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Examples:
    """A dataset version's parts as ids, and the tokenizer that made them.

    Attributes:
        classes: of the part `label`, by number.
        types: of the part `spans`. Tag 0 is outside, 1 + 2 * n begins a place of type n, 2 + 2 * n goes on with it;
            -1 and -2 do so for places of a type that the training split does not have.
    """

    folder: Path
    tokenizer: TokenizerFiles
    label: Label
    dataset_digest: str
    classes: tuple[str, ...]
    types: tuple[str, ...]
    names: tuple[str, ...]
    source_names: tuple[str, ...]
    sizes: dict[str, dict[str, Any]]

    @property
    def tokenizer_dir(self) -> Path:
        return self.tokenizer.folder

    @property
    def tokenizer_digest(self) -> str:
        return self.tokenizer.digest

    @property
    def vocab_size(self) -> int:
        return self.tokenizer.vocab_size

    def document_lengths(self, split: str) -> npt.NDArray[np.int64]:
        """int64 [examples], tokens of all text parts together."""
        import numpy as np

        lengths = [part.lengths for part in self.split(split).parts.values()]
        total: npt.NDArray[np.int64] = np.sum(lengths, axis=0, dtype=np.int64)
        return total

    def split(self, name: str) -> ExampleSplit:
        """Opens "train", "validation" or "test".

        Raises:
            DataError: files are missing or cut short.
        """
        import numpy as np

        size = self.sizes[name]
        count = size["examples"]
        width = id_dtype(self.tokenizer.vocab_size)
        parts = {
            part: PartIds(
                map_array(self.folder / f"{name}.{part}.ids", width, size["tokens"][part]),
                map_array(self.folder / f"{name}.{part}.offsets", np.dtype("<i8"), count + 1),
            )
            for part in self.names
            if is_text(part)
        }
        labels = None
        if "label" in self.names:
            labels = map_array(self.folder / f"{name}.label", np.dtype("<i4"), count)
        tags = None
        if "spans" in self.names:
            tags = map_array(self.folder / f"{name}.tags", np.dtype("<i2"), size["tokens"]["text"])
        sources = None
        if self.source_names:
            sources = Sources(self.source_names, map_array(self.folder / f"{name}.sources", np.dtype("<u2"), count), ())
        return ExampleSplit(name, count, parts, labels, tags, size["bytes"], sources)


def encode_examples(
    version: PartsVersion,
    tokenizer: TokenizerFiles,
    names: Sequence[PartName],
    *,
    storage: Path,
    progress: Progress | None = None,
) -> Examples:
    """Encodes these parts of a dataset version, only once; memory does not grow with their number.

    Raises:
        DataError: a record lacks one of the parts, a class occurs once alone, or the disk cannot be written.
    """
    version_key = f"{version.digest[:16]}-{version.sources.digest[:8]}"
    key = f"{version_key}-{tokenizer.digest[:16]}-{'-'.join(names)}-{_FORMAT}"
    folder = storage / "examples" / key
    if not folder.exists():
        with folder_made_once(folder) as temporary:
            _encode(version, tokenizer, names, temporary, progress)
    return _open(folder, tokenizer)


def examples_in_memory(
    records: Sequence[Mapping[str, str]], encoder: Encoder, names: Sequence[PartName], classes: Sequence[str]
) -> ExampleSplit:
    """Encodes some records for a model that knows these classes, or types of marked places."""
    import numpy as np

    parts: dict[str, PartIds] = {}
    for name in filter(is_text, names):
        ids = encoder.encode([record[name] for record in records])
        flat = np.concatenate([np.asarray(one, np.int32) for one in ids])
        parts[name] = PartIds(flat, np.cumsum([0, *map(len, ids)], dtype=np.int64))
    sizes = {name: sum(len(record[name].encode()) for record in records) for name in parts}
    labels = tags = None
    if "label" in names:
        index = {name: number for number, name in enumerate(classes)}
        labels = np.array([index.get(record["label"], -1) for record in records], np.int32)
    if "spans" in names:
        marks = Marks((), tuple(classes))
        tags = np.concatenate([marks.tags(record, encoder.places(record["text"])) for record in records])
    return ExampleSplit("given", len(records), parts, labels, tags, sizes)


def _open(folder: Path, tokenizer: TokenizerFiles) -> Examples:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["tokenizer_digest"] != tokenizer.digest:
            raise ValueError(f"they were made by tokenizer {meta['tokenizer_digest'][:16]}")
        return Examples(
            folder=folder,
            tokenizer=tokenizer,
            label=Label.from_list(meta["label"]) | tokenizer.label,
            dataset_digest=meta["dataset_digest"],
            classes=tuple(meta["classes"]),
            types=tuple(meta["types"]),
            names=tuple(meta["names"]),
            source_names=tuple(meta["sources"]),
            sizes=meta["splits"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, in_words(error, detail=True, expected=_KEYS)) from None


def _encode(
    version: PartsVersion, tokenizer: TokenizerFiles, names: Sequence[PartName], folder: Path, progress: Progress | None
) -> None:
    marks = Marks.of(version, names)
    encoder = load_encoder(tokenizer.folder)
    sizes = {}
    source_names = version.sources.names if len(version.sources.names) > 1 else ()
    for split in SPLITS:
        if source_names:
            _path(folder / split, "sources").write_bytes(version.source_numbers(split).astype("<u2").tobytes())
        records = _checked(version, split, names)
        sizes[split] = _encode_split(records, encoder, names, marks, folder / split, progress)
    meta = {
        "dataset_digest": version.digest,
        "tokenizer_digest": tokenizer.digest,
        "label": (version.label | tokenizer.label).to_list(),
        "classes": list(marks.classes),
        "types": list(marks.types),
        "names": list(names),
        "sources": list(source_names),
        "splits": sizes,
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _checked(version: PartsVersion, split: str, names: Sequence[PartName]) -> Iterator[dict[str, str]]:
    for record_id, parts in version.parts(split):
        missing = [name for name in names if name not in parts]
        if missing:
            raise DataError(
                f'the record "{record_id}" has no part {missing[0]}; it has {", ".join(parts)}',
                where=f"dataset {version.digest[:16]}",
                fix=f"name the parts {', '.join(names)} under `parts` of each source in the pipeline",
            )
        yield parts


@dataclass(frozen=True)
class Marks:
    """The classes and types of marked places that the training split has."""

    classes: tuple[str, ...]
    types: tuple[str, ...]

    @classmethod
    def of(cls, version: PartsVersion, names: Sequence[PartName]) -> Marks:
        classes: set[str] = set()
        types: set[str] = set()
        if "label" in names or "spans" in names:
            for parts in _checked(version, "train", names):
                classes |= {parts["label"]} if "label" in names else set()
                types |= {span.type for span in read_spans(parts["spans"])} if "spans" in names else set()
        return cls(tuple(sorted(classes)), tuple(sorted(types)))

    def tags(self, parts: Mapping[str, str], places: Sequence[tuple[int, int]]) -> npt.NDArray[np.int16]:
        """int16 [tokens]: a token belongs to the place that it shares a character with; spaces count inside it."""
        import numpy as np

        text, tags = parts["text"], np.zeros(len(places), "<i2")
        number = {kind: index for index, kind in enumerate(self.types)}
        for span in read_spans(parts["spans"]):
            kind = number.get(span.type, _UNKNOWN)
            begins, rest = (-1, -2) if kind == _UNKNOWN else (1 + 2 * kind, 2 + 2 * kind)
            begun, stop = False, span.start + len(text[span.start : span.end].rstrip())
            for token, (start, end) in enumerate(places):
                shared = text[max(start, span.start) : min(end, stop)]
                if shared and (begun or shared.strip()) and not tags[token]:
                    tags[token] = rest if begun else begins
                    begun = True
        return tags


def _encode_split(
    records: Iterable[dict[str, str]],
    encoder: Encoder,
    names: Sequence[PartName],
    marks: Marks,
    path: Path,
    progress: Progress | None,
) -> dict[str, Any]:
    import numpy as np

    texts = [name for name in names if is_text(name)]
    index = {name: number for number, name in enumerate(marks.classes)}
    width = id_dtype(encoder.vocab_size)
    sizes: dict[str, Any] = {"examples": 0, "tokens": dict.fromkeys(texts, 0), "bytes": dict.fromkeys(texts, 0)}
    for name in texts:
        _path(path, f"{name}.ids").write_bytes(b"")
        _path(path, f"{name}.offsets").write_bytes(np.zeros(1, "<i8").tobytes())
    for mark, suffix in (("label", "label"), ("spans", "tags")):
        if mark in names:
            _path(path, suffix).write_bytes(b"")
    for batch in _batches(records):
        for name in texts:
            contents = [parts[name] for parts in batch]
            ids = encoder.encode(contents)
            ends = sizes["tokens"][name] + np.cumsum([len(one) for one in ids])
            _append(_path(path, f"{name}.ids"), np.concatenate([np.asarray(one, width) for one in ids]))
            _append(_path(path, f"{name}.offsets"), ends.astype("<i8"))
            sizes["tokens"][name] = int(ends[-1])
            sizes["bytes"][name] += sum(len(content.encode()) for content in contents)
        if "label" in names:
            _append(_path(path, "label"), np.array([index.get(parts["label"], -1) for parts in batch], "<i4"))
        if "spans" in names:
            tags = [marks.tags(parts, encoder.places(parts["text"])) for parts in batch]
            _append(_path(path, "tags"), np.concatenate(tags))
        sizes["examples"] += len(batch)
        if progress is not None:
            progress(path.name, sizes["examples"])
    return sizes


def _path(split: Path, suffix: str) -> Path:
    return split.with_name(f"{split.name}.{suffix}")


def _append(path: Path, array: npt.NDArray[Any]) -> None:
    with path.open("ab") as file:
        file.write(array.tobytes())


def _batches(records: Iterable[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    batch: list[dict[str, str]] = []
    for parts in records:
        batch.append(parts)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
