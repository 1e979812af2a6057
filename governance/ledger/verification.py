"""Walks the chain and names the first row that is not as it was written."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from governance.ledger.entries import GENESIS, Entry, Json
from governance.ledger.head import Head


@dataclass(frozen=True)
class Problem:
    """What is wrong with the ledger; `number` is the first entry that is concerned."""

    number: int
    what: str


@dataclass(frozen=True)
class Verification:
    """Result of a walk over the whole ledger.

    Attributes:
        entries: how many were walked, up to the first problem.
        head: hash of the last good entry; keep it elsewhere to prove later that nothing was cut off.
        problem: None when the ledger is whole.
    """

    entries: int
    head: str | None
    problem: Problem | None

    @property
    def ok(self) -> bool:
        return self.problem is None

    def to_json(self) -> dict[str, Json]:
        """As `zoo ledger verify --json` prints it."""
        found: Json = None if self.problem is None else {"entry": self.problem.number, "what": self.problem.what}
        return {"ok": self.ok, "entries": self.entries, "head": self.head, "problem": found}


def walk(
    entries: Iterable[Entry], key: bytes, *, must_have: Collection[Head] = (), heads: Iterable[str] = ()
) -> Verification:
    """Checks a chain from its first entry.

    Args:
        entries: in the order of their numbers.
        key: of the workspace.
        must_have: entries that are known to have been written.
        heads: hashes of entries that are known to have been written, without their numbers.
    """
    unseen = set(heads)
    count, previous = 0, GENESIS
    for entry in entries:
        what = _wrong(entry, count + 1, previous, key, must_have)
        if what is not None:
            return Verification(count, previous if count else None, Problem(count + 1, what))
        count, previous = entry.number, entry.hash
        unseen.discard(entry.hash)
    missing = max((head.number for head in must_have), default=0)
    if missing > count:
        what = f"cut off: the ledger ends here, but entry {missing} was written"
        return Verification(count, previous if count else None, Problem(count + 1, what))
    if unseen:
        what = f"cut off: no entry has the hash {min(unseen)}"
        return Verification(count, previous if count else None, Problem(count + 1, what))
    return Verification(count, previous if count else None, None)


def _wrong(entry: Entry, expected: int, previous: str, key: bytes, must_have: Iterable[Head]) -> str | None:
    if not entry.is_sealed_by(key):
        return "edited, moved or added: its hash is not that of its content under the workspace's key"
    if entry.number != expected:
        return f"removed: entry {entry.number} follows"
    if entry.previous != previous:
        return "written anew: it does not follow from the entry before"
    if any(head.number == entry.number and head.hash != entry.hash for head in must_have):
        return "written anew: another entry of this number is known to have been written"
    return None
