"""A TFDS data set as a source: by name, or the folder of a prepared one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import DataError
from governance.wording import in_words
from pipelines.sources.formats import BadRow, Row, Rows, require_columns
from pipelines.spec import SourceSpec, TfdsSpec


@dataclass(frozen=True)
class TfdsSource:
    """A split of a prepared data set."""

    name: str
    folder: str
    split: str
    stamp: str

    @classmethod
    def of(cls, spec: TfdsSpec, folder: str) -> TfdsSource:
        """Opens a data set; one that is named and not there yet is made by TFDS, which may download it.

        Args:
            folder: what relative paths start from.

        Raises:
            DataError: there is no such data set or split.
        """
        import tensorflow_datasets as tfds

        local = os.path.join(folder, spec.name)
        try:
            if os.path.isdir(local):
                builder = tfds.builder_from_directory(local)
            else:
                place = None if spec.data_dir is None else os.path.join(folder, spec.data_dir)
                builder = tfds.builder(spec.name, data_dir=place)
                builder.download_and_prepare()
        except (tfds.core.DatasetNotFoundError, FileNotFoundError, ValueError, OSError) as error:
            first = str(error).strip().partition("\n")[0] or in_words(error)
            raise DataError(
                f"TFDS cannot open it: {first}", where=f"tfds {spec.name}", fix="give NAME/CONFIG, or a folder"
            ) from None
        if spec.split not in builder.info.splits:
            known = ", ".join(builder.info.splits)
            raise DataError(f'there is no split "{spec.split}"', where=f"tfds {spec.name}", fix=f"known: {known}")
        made = str(builder.data_dir)
        return cls(f"tfds:{spec.name}:{spec.split}", made, spec.split, _stamp(Path(made)))

    @property
    def key(self) -> str:
        """Names the source in a cache."""
        return f"{self.folder}:{self.split}"

    def content_digest(self) -> str:
        """SHA-256 (hex) over the files of the data set."""
        digest = hashlib.sha256()
        for path in _files(Path(self.folder)):
            digest.update(f"{path.name}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def unchanged(self) -> bool:
        """Whether the files are those that were listed."""
        return _stamp(Path(self.folder)) == self.stamp

    def rows(self, source: SourceSpec, max_bytes: int) -> Rows:
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(self.folder)
        columns = list(builder.info.features)
        require_columns(columns, self.name, source, fix=f"features: {', '.join(columns[:20])}")
        wanted = source.fields | {source.domain_field}  # the latter says whether the record may be here
        features = {name: builder.info.features[name] for name in columns if name in wanted}
        for number, example in enumerate(self._examples(builder), 1):
            yield _row(self.name, number, example, features)

    def _examples(self, builder: Any) -> Iterable[Mapping[str, Any]]:
        import tensorflow_datasets as tfds

        if builder.info.file_format in tfds.core.file_adapters.FileFormat.with_random_access():
            source: Any = builder.as_data_source(split=self.split)
            return (source[number] for number in range(len(source)))
        examples: Iterable[Mapping[str, Any]] = tfds.as_numpy(builder.as_dataset(split=self.split, shuffle_files=False))
        return examples


def _row(name: str, number: int, example: Mapping[str, Any], features: Mapping[str, Any]) -> Row | BadRow:
    import tensorflow_datasets as tfds

    fields: dict[str, Any] = {}
    for feature, kind in features.items():
        value = example[feature]
        if isinstance(kind, tfds.features.ClassLabel):  # a class is said by its name; -1 is none
            value = kind.int2str(int(value)) if value >= 0 else None
        elif isinstance(value, bytes):
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError as error:
                return BadRow(name, number, f'the feature "{feature}" is not UTF-8 at byte {error.start}')
        elif hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
            value = value.item()
        fields[feature] = value
    return Row(name, number, fields)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _stamp(folder: Path) -> str:
    stats = [(path.name, path.stat()) for path in _files(folder)]
    return "-".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)
