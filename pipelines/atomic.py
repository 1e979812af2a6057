"""Writing so that a reader, or a rerun after a kill, sees all of a file or nothing of it."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from governance.errors import DataError

#: AT_FDCWD of fcntl.h and RENAME_EXCHANGE of linux/fs.h.
_HERE, _EXCHANGE = -100, 2


def sync(path: Path) -> None:
    """Forces a file or a folder's entries to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that is renamed over it when the block succeeds.

    Works for files and, when `path` does not exist yet, for folders.

    Raises:
        DataError: disk full, read-only folder and the like; the temporary thing is removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield temporary
        _sync_tree(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise DataError(
            f"cannot write: {error.strerror or error}",
            where=str(path),
            fix="check free space and permissions, then run the same command again",
        ) from None
    finally:
        _remove(temporary)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON atomically, keys in a stable order."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")


def exchanged(one: Path, other: Path) -> bool:
    """Swaps two folders in one step, so that a reader always finds either under each name.

    Returns:
        whether it was done: only Linux can (renameat2(2), RENAME_EXCHANGE), and not on every file system.

    Raises:
        OSError: there is no such folder, or it may not be changed.
    """
    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if swap is None:
        return False
    paths = (ctypes.c_char_p(os.fsencode(one)), ctypes.c_char_p(os.fsencode(other)))
    if swap(_HERE, paths[0], _HERE, paths[1], ctypes.c_uint(_EXCHANGE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(one))


def _remove_leftovers(path: Path) -> None:
    """What a killed process left of an earlier try to write `path`; its number is in the name."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        number = leftover.name.removesuffix(".tmp").rpartition(".")[2]
        if number == str(os.getpid()) or not (number.isdigit() and _is_alive(int(number))):
            _remove(leftover)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_tree(path: Path) -> None:
    if path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.is_file():
                sync(inner)
    sync(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
