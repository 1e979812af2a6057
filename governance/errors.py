"""Errors that a user can cause or mend: one line that says what is wrong, where, and what to do.

The command line prints such an error as a single line on standard error and exits with code 1.
No message ever carries text of a record: that text may be personal data.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """Base of every error that is reported as one line instead of a traceback.

    Args:
        what: what is wrong, without a full stop.
        where: the file, field or row that is meant.
        fix: what the user can do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        text = what if where is None else f"{where}: {what}"
        if fix is not None:
            text = f"{text}; {fix}"
        super().__init__(" ".join(text.split()))


class ConfigError(ZooError):
    """zoo.yaml, a pipeline file, or an argument is wrong."""


class PolicyRefused(ZooError):
    """The policy does not allow what was asked."""


class DataError(ZooError):
    """A source, a dataset version or a token file is unreadable, empty or misfiled."""


class DetectorError(ZooError):
    """A PII detector that the policy needs is missing or is not the one that was verified."""


class FingerprintMismatch(ZooError):
    """Two things that must stem from the same inputs do not; the message shows both values.

    `differing` names the inputs that differ, where they are known.
    """

    differing: frozenset[str] = frozenset()


class RegistryError(ZooError):
    """MLflow, the catalogue or a gate cannot do what was asked."""


class LedgerError(ZooError):
    """The ledger cannot be read or written, was tampered with, or a receipt is not one of this workspace."""


class BusyError(ZooError):
    """Another process holds what is needed: a lock, a port, the database."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ``' (did you mean "x"?)'`` for a likely misspelling of a known word, or its beginning, else ``""``."""
    names = sorted(known)
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    found = [folded[name] for name in close] or [n for n in names if n.casefold().startswith(word.casefold()) and word]
    return f' (did you mean "{found[0]}"?)' if found else ""
