"""Turns what MLflow, SQLAlchemy and the operating system throw into one line with its mend."""

from __future__ import annotations

import errno
import re

from governance.errors import BusyError, RegistryError, ZooError
from governance.wording import in_words

_LOCKED = ("database is locked", "database table is locked", "database schema is locked")
_READ_ONLY = ("readonly database", "read-only file system")
_FULL = ("disk is full", "no space left")
_NO_DATABASE = ("file is not a database", "disk image is malformed")
_OTHER_SCHEMA = ("out-of-date database schema", "can't locate revision")
_UNREACHABLE = (
    "max retries exceeded",
    "connection refused",
    "could not connect",
    "could not translate host",
    "connection to server at",
    "failed to establish",
    "name or service not known",
)


def without_password(uri: str) -> str:
    """The URI as it may be shown: `postgresql://user:***@host/db`."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", uri)


def translate(error: Exception, *, where: str) -> ZooError:
    """The one-line error for a foreign exception; unknown ones keep their own first line.

    SQLAlchemy adds the statement and its parameters on further lines: those are values of the user,
    so nothing after the first line is shown.
    """
    text = str(error).lower()

    def met(words: tuple[str, ...]) -> bool:
        return any(word in text for word in words)

    if met(_LOCKED):
        return BusyError(
            "the tracking database is locked by another process",
            where=where,
            fix="wait until that process is done, or end it, then run the same command again",
        )
    if met(_FULL) or getattr(error, "errno", None) == errno.ENOSPC:
        return RegistryError(
            "the disk is full", where=where, fix="free some, then run the same command again: it continues"
        )
    if met(_READ_ONLY):
        return RegistryError(
            "the tracking database cannot be written",
            where=where,
            fix="give yourself write permission on the file and its folder",
        )
    if "unable to open database file" in text:
        return RegistryError(
            "the tracking database cannot be opened",
            where=where,
            fix="check that its folder exists and that you may write in it",
        )
    if met(_NO_DATABASE):
        return not_a_database(where)
    if met(_OTHER_SCHEMA):
        return other_schema(where)
    if isinstance(error, ImportError):
        return RegistryError(
            f'the Python package "{error.name}" is missing, which the tracking URI needs',
            where=where,
            fix="install it (for PostgreSQL: pip install 'domain-zoo[postgres]', and write postgresql+psycopg://...)",
        )
    if isinstance(error, PermissionError):
        return RegistryError(
            "permission denied", where=str(error.filename or where), fix="give yourself write permission"
        )
    if met(_UNREACHABLE) or isinstance(error, ConnectionError):
        return RegistryError(
            "the tracking server does not answer",
            where=where,
            fix="check tracking_uri in zoo.yaml and that the server runs",
        )
    first = str(error).strip().split("\n", 1)[0][:300] or in_words(error)
    return RegistryError(f"MLflow could not do it: {without_password(first)}", where=where)


def not_a_database(where: str) -> RegistryError:
    return RegistryError(
        "this file is no MLflow database",
        where=where,
        fix="restore it from a backup, or name another file as tracking_uri in zoo.yaml",
    )


def other_schema(where: str) -> RegistryError:
    return RegistryError(
        "the tracking database was written by another version of MLflow",
        where=where,
        fix="install that version, or back the database up and run `mlflow db upgrade URI`",
    )
