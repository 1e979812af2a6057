"""The append-only ledger of a workspace."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

from governance.errors import LedgerError
from governance.keys import Keys
from governance.ledger.database import Database
from governance.ledger.entries import GENESIS, Entry, Json, canonical_json, seal
from governance.ledger.head import Head, HeadFile
from governance.ledger.receipts import Signer, verify_receipt
from governance.ledger.verification import Problem, Verification, walk

_EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)*")


class Ledger:
    """A chain of entries, each sealed with the workspace's key together with the hash of the one before.

    An edited, removed, added or moved row is found by `verify`, and so is a cut at the end as long as the head is
    known: from the head's file, from a receipt, or from a hash that was kept elsewhere. Not found: whoever has the
    workspace's key can write any history; and whoever may write both database and head file can take both back to an
    earlier state, unless a receipt or a hash kept elsewhere is compared.

    Args:
        url: `sqlite:///…` or `postgresql+psycopg://…`; the table is made with the first entry.
        keys: the workspace's secret.
        head: where the newest head is remembered; None: beside a SQLite database.

    Raises:
        ConfigError: the URL is none, or of another database.
    """

    def __init__(self, url: str, keys: Keys, *, head: Path | None = None) -> None:
        self._database = Database(url)
        self._key = keys.derive("", "ledger")
        self._signer_seed = keys.derive("", "receipts")
        file = self._database.file
        head = head or (file.with_suffix(".head") if file is not None else None)
        if head is None:
            raise LedgerError("a ledger on a server needs a place for its head", where=self._database.where)
        self._head = HeadFile(head)

    @property
    def where(self) -> str:
        """The database, without a password."""
        return self._database.where

    @property
    def fingerprint(self) -> str:
        """Of the key that signs this workspace's receipts."""
        return self._signer.fingerprint

    def append(self, event: str, about: str, body: Mapping[str, Json]) -> Entry:
        """Adds an entry; it is on disk when this returns.

        Args:
            event: what happened, such as `model.registered`.
            about: what it happened to. Never personal data: ids of persons and records as keyed hashes.
            body: what else is to be known of it. Never personal data.

        Raises:
            LedgerError: the end of the ledger is not as it was written, or it cannot be written.
            BusyError: another process holds it for too long.
        """
        return cast("Entry", self.append_after(event, about, lambda latest: body))

    def ensure(self, event: str, about: str, body: Mapping[str, Json]) -> Entry | None:
        """Adds an entry unless there is one of this event about the same thing already; then returns None.

        Raises: as `append`.
        """
        return self.append_after(event, about, lambda latest: body if latest is None else None)

    def ensure_latest(self, event: str, about: str, body: Mapping[str, Json]) -> Entry | None:
        """Adds an entry unless the latest one of this event about the same thing has the same body; then None.

        Raises: as `append`.
        """
        written = canonical_json(body)
        return self.append_after(
            event, about, lambda latest: None if latest is not None and latest.body == written else body
        )

    def append_after(
        self, event: str, about: str, make: Callable[[Entry | None], Mapping[str, Json] | None]
    ) -> Entry | None:
        """Adds an entry whose body follows from the latest one of this event about the same thing.

        Args:
            make: gets that entry, or None; returns the body, or None to add nothing. No other process writes meanwhile.

        Raises: as `append`.
        """
        if not _EVENT.fullmatch(event):
            raise LedgerError(f'"{event}" is no name of an event', fix="write it like model.registered")

        def following(last: Entry | None, latest: Entry | None) -> Entry | None:
            self._check_end(last)
            body = make(latest)
            if body is None:
                return None
            number, previous = (1, GENESIS) if last is None else (last.number + 1, last.hash)
            time = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
            written = canonical_json(body)
            sealed = seal(self._key, number, time, event, about, written, previous)
            return Entry(number, time, event, about, written, previous, sealed)

        entry = self._database.append(event, about, following)
        if entry is not None:
            self._head.advance(Head(entry.number, entry.hash))
        return entry

    def entries(self, event: str | None = None, about: str | None = None, last: int | None = None) -> Iterator[Entry]:
        """Entries in the order of their numbers, of one event or about one thing, or the last ones alone.

        Raises:
            LedgerError: the database cannot be read.
        """
        return self._database.entries(event=event, about=about, last=last)

    def sign(self, payload: Mapping[str, Json], entry: Entry) -> dict[str, Json]:
        """A receipt: `payload` and the entry that records it, signed with the workspace's key."""
        return self._signer.sign(payload, entry)

    def verify(self, *, head: str | None = None, receipt: Mapping[str, Json] | None = None) -> Verification:
        """Walks the whole chain.

        Args:
            head: hash of an entry that is known to have been written; takes the place of the head's file.
            receipt: must be signed by this workspace, and its entry must be in the ledger.

        Raises:
            LedgerError: the database cannot be read, or the receipt is not one of this workspace.
        """
        must_have: list[Head] = []
        if receipt is not None:
            verify_receipt(receipt, self.fingerprint)
            entry = cast("dict[str, Json]", receipt["entry"])
            must_have.append(Head(int(cast("int", entry["number"])), str(entry["hash"])))
        if head is not None:
            return walk(self._database.entries(), self._key, must_have=must_have, heads=[head])
        remembered = self._head.read()  # before the rows are read: others may append meanwhile
        if remembered is not None:
            must_have.append(remembered)
        found = walk(self._database.entries(), self._key, must_have=must_have)
        if found.ok and remembered is None and found.entries > 1:  # a kill may leave the first entry without one
            what = f"the head's file {self._head.path} is missing, so a cut at the end cannot be seen"
            return Verification(found.entries, found.head, Problem(found.entries + 1, what))
        return found

    @property
    def _signer(self) -> Signer:
        return Signer(self._signer_seed)

    def _check_end(self, last: Entry | None) -> None:
        """Nothing is added to an end that is not as it was written: the next head would hide that."""
        known = self._head.read()
        fix = "run `zoo ledger verify`, and restore the ledger and its head from your backup"
        if last is not None and not last.is_sealed_by(self._key):
            raise LedgerError(
                f"the last entry, {last.number}, was edited or belongs to another workspace", where=self.where, fix=fix
            )
        end = Head(0, GENESIS) if last is None else Head(last.number, last.hash)
        if known is not None and known != end and known.number >= end.number:
            raise LedgerError(f"entry {known.number} was written and is no longer there", where=self.where, fix=fix)
