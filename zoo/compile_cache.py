"""Where XLA keeps what it compiled for a CPU, so that the next process need not compile it again.

The files are machine code, and TensorFlow (2.21) looks them up by the function alone: not by its own version, the flags
or the processor. So all of these are in the folder's name, and a folder that others can write to is not used. JAX's
files lie beside them; their names tell versions and flags apart.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
from importlib import metadata
from pathlib import Path

#: Names the folder in place of the usual one; "0" switches the cache off.
VARIABLE = "ZOO_COMPILE_CACHE"

_MOST_BYTES = 1_000_000_000
#: Free bytes of the disk below which nothing is kept: TensorFlow ends a training that cannot write its cache.
_FREE_BYTES = 2_000_000_000


def compile_cache() -> Path | None:
    """The folder of this TensorFlow on this machine, made if need be; None where there must be none.

    Its oldest files go when they are more than 1 GB in all.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "0" or not hasattr(os, "getuid"):
        return None
    root = wanted or f"{_user_cache()}/domain-zoo/xla"
    if root.startswith("~") or any(map(str.isspace, os.path.abspath(root))):
        return None  # a user without a home; the flag that names the folder ends at a space
    folder = Path(root).absolute() / _key()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder) or shutil.disk_usage(folder).free < _FREE_BYTES:
            return None
        _evict(folder)
    except OSError:  # no home, a read-only disk: everything is compiled, as without a cache
        return None
    return folder


def _user_cache() -> str:
    """See the XDG base directory specification; begins with "~" for a user without a home."""
    return os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")


def _key() -> str:
    facts = (metadata.version("tensorflow"), os.environ.get("XLA_FLAGS", ""), platform.machine(), _processor())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _processor() -> str:
    """What this processor can do, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    told = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(told)}))


def _is_private(folder: Path) -> bool:
    about = folder.stat()
    others = stat.S_IWGRP | stat.S_IWOTH
    return about.st_uid == os.getuid() and not about.st_mode & others and os.access(folder, os.W_OK | os.X_OK)


def _evict(folder: Path) -> None:
    found = sorted(((file.stat(), file) for file in folder.iterdir()), key=lambda one: one[0].st_mtime, reverse=True)
    total = 0
    for about, file in found:
        total += about.st_size
        if total > _MOST_BYTES or about.st_size == 0:  # empty: what a power cut leaves, and TensorFlow stumbles over
            file.unlink(missing_ok=True)
