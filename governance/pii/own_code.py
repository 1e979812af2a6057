"""Classes that a workspace names as "module:Class": its own recognizers and operators."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import ConfigError


@dataclass(frozen=True)
class OwnClass:
    """What was imported, and the SHA-256 (hex) of its file when it was.

    The digest is that of the code that runs: a file that is edited later is another one in the next process alone.
    """

    found: Any
    digest: str


def own_class(named: str, where: str | None = None) -> OwnClass:
    """Imports "module:Class", once a process.

    Raises:
        ConfigError: it cannot be imported.
    """
    try:
        return _imported(named)
    except (ImportError, AttributeError, SyntaxError, NameError, ValueError, TypeError, OSError) as error:
        raise ConfigError(
            f"{named} cannot be imported: {error}",
            where=where,
            fix="install the package it is in, or put its folder on PYTHONPATH",
        ) from None


@functools.cache
def _imported(named: str) -> OwnClass:
    module, _, name = named.partition(":")
    found = getattr(importlib.import_module(module), name)
    return OwnClass(found, hashlib.sha256(Path(inspect.getfile(found)).read_bytes()).hexdigest())
