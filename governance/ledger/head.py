"""The newest entry's number and hash, kept in a file beside the ledger.

A chain that lost its last rows is still a chain. Only somebody who remembers the head can tell, so each append
remembers it here, outside the database.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from governance.errors import LedgerError

_LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class Head:
    """Number and hash of an entry that is known to have been written."""

    number: int
    hash: str


class HeadFile:
    """A file with the newest known head. It may lag behind the ledger after a kill, and never leads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Head | None:
        """None: there is no such file.

        Raises:
            LedgerError: the file is damaged.
        """
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return Head(int(content["number"]), str(content["hash"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise LedgerError(
                "the head of the ledger cannot be read",
                where=str(self.path),
                fix="restore the file from your backup; without it a cut at the end cannot be seen",
            ) from None

    def advance(self, head: Head) -> None:
        """Remembers a head, unless a newer one is remembered already.

        Raises:
            LedgerError: the file is damaged or cannot be written.
        """
        import filelock

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=_LOCK_SECONDS):
                known = self.read()
                if known is None or known.number < head.number:
                    self._write(head)
        except (OSError, filelock.Timeout) as error:
            raise LedgerError(f"the head of the ledger cannot be written: {error}", where=str(self.path)) from None

    def _write(self, head: Head) -> None:
        temporary = self.path.with_name(f".{self.path.name}.tmp")  # one name: the lock is held, a kill leaves one file
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump({"number": head.number, "hash": head.hash}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
