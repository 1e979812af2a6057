"""Which files a source has, and a digest over their content that is cheap when nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from governance.errors import DataError, did_you_mean
from governance.wording import in_words
from pipelines.atomic import write_json
from pipelines.spec import SUFFIXES, Format, SourceSpec

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_READ_BYTES = 1 << 20

#: What file systems of fsspec call a file's hash or the time of its last change.
_CHANGE_KEYS: tuple[str, ...] = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "modify", "modificationTime")
_CHANGE_KEYS += ("LastModified", "Last-Modified", "last_modified", "updated")


@dataclass(frozen=True)
class SourceFile:
    """One file of a source. `name` is what messages and manifests show, `url` is what is opened."""

    name: str
    url: str
    format: Format
    stamp: str  # changes whenever the file may have changed: size, times, ETag

    @property
    def key(self) -> str | None:
        """Names the file in the cache of digests; None for what is not remembered there."""
        return self.url

    def unchanged(self) -> bool:
        """Whether the file is as it was when it was listed."""
        return present_stamp(self) == self.stamp

    def content_digest(self) -> str:
        """SHA-256 (hex) over its bytes. Raises DataError: it cannot be read."""
        return _content_digest(self)

    def open(self) -> Any:
        """Opens the file for reading bytes, decompressed by its suffix."""
        import fsspec

        if self.url.endswith(".zst"):
            from pipelines.sources.zstd import open_zstd

            return open_zstd(fsspec.open(self.url, "rb").open())
        return fsspec.open(self.url, "rb", compression="infer").open()


def list_files(source: SourceSpec, folder: str) -> list[SourceFile]:
    """Lists a source's files in a stable order.

    Raises:
        DataError: nothing matches, or a file's format cannot be told from its name.
    """
    import fsspec

    assert source.path is not None
    url = source.path if "://" in source.path or os.path.isabs(source.path) else os.path.join(folder, source.path)
    try:
        filesystem, pattern = fsspec.core.url_to_fs(url)
        if filesystem.isdir(pattern):
            found = filesystem.find(pattern)
            paths = [p for p in found if _format_of(p) is not None or source.format is not None]
        else:
            paths = [p for p in filesystem.glob(pattern) if not filesystem.isdir(p)]
        visible = [p for p in paths if not os.path.basename(p).startswith((".", "_"))]
        files = [_source_file(filesystem, path, source, folder) for path in sorted(visible)]
    except ImportError as error:
        raise DataError(f"this kind of path needs another package: {error}", where=source.path) from None
    except (OSError, ValueError) as error:
        raise DataError(f"the source cannot be listed: {_reason(error)}", where=source.path) from None
    if not files:
        known = ", ".join(SUFFIXES)
        raise DataError("no file matches", where=source.path, fix=f"check the path (starts from {folder}; {known})")
    return files


def _source_file(filesystem: Any, path: str, source: SourceSpec, folder: str) -> SourceFile:
    local = "file" in filesystem.protocol
    name = os.path.relpath(path, folder) if local else filesystem.unstrip_protocol(path)
    if local and name.startswith(".."):
        name = path
    file_format = source.format or _format_of(path)
    if file_format is None:
        suffix = Path(path).suffix
        hint = did_you_mean(suffix, SUFFIXES)
        raise DataError(
            f'the suffix "{suffix}" is no known format{hint}',
            where=name,
            fix=f"use {', '.join(SUFFIXES)} or set format",
        )
    stamp = _stamp(filesystem, path)
    return SourceFile(name=name, url=filesystem.unstrip_protocol(path), format=file_format, stamp=stamp)


def present_stamp(file: SourceFile) -> str | None:
    """The stamp that a listed file has now; None when it is gone."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(file.url)
    try:
        return _stamp(filesystem, path)
    except OSError:
        return None


def _stamp(filesystem: Any, path: str) -> str:
    if "file" in filesystem.protocol:
        stat = os.stat(path)
        return f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_ino}"
    info = filesystem.info(path)
    known = {k: str(info[k]) for k in ("size", *_CHANGE_KEYS) if info.get(k) is not None}
    return json.dumps(known, sort_keys=True)


def _tells_changes(stamp: str) -> bool:
    """Whether a stamp changes with the content; one of a store without times and hashes is the size alone."""
    return not stamp.startswith("{") or any(key in json.loads(stamp) for key in _CHANGE_KEYS)


def _format_of(path: str) -> Format | None:
    stem = path.lower()
    for compression in COMPRESSIONS:
        stem = stem.removesuffix(compression)
    return SUFFIXES.get(Path(stem).suffix)


class Listed(Protocol):
    """What a source consists of: a file, a query, a data set."""

    @property
    def name(self) -> str: ...
    @property
    def stamp(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    def unchanged(self) -> bool: ...
    def content_digest(self) -> str: ...


def source_digest(files: Iterable[Listed], cache: Path) -> str:
    """SHA-256 (hex) over the names and contents of files.

    Content is read again only for files whose stamp differs from the one in `cache`, a JSON file. What has no key is
    not remembered.

    Raises:
        DataError: a file cannot be read.
    """
    try:
        known: dict[str, list[str]] = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it is only a cache: what cannot be read is computed
        known = {}
    fresh: dict[str, list[str]] = {}
    digest = hashlib.sha256()
    for file in files:
        # A file may be named after a person, whose name must not stay here.
        name = hashlib.sha256((file.key or "").encode()).hexdigest()
        stamp, content = known.get(name, ("", ""))
        if stamp != file.stamp or not _tells_changes(stamp):
            content = file.content_digest()
        if file.key is not None:
            fresh[name] = [file.stamp, content]
        digest.update(f"{file.name}\0{content}\n".encode())
    if fresh != known:
        write_json(cache, fresh)
    return digest.hexdigest()


def _content_digest(file: SourceFile) -> str:
    import fsspec

    digest = hashlib.sha256()
    try:
        with fsspec.open(file.url, "rb") as stream:
            while chunk := stream.read(_READ_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"the file cannot be read: {_reason(error)}", where=file.name) from None
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or in_words(error)
