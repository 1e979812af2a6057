"""The end of an erasure: an entry in the ledger, and a signed receipt that anyone can verify."""

from __future__ import annotations

import json
from typing import Any, cast

from governance.erasure import Journal
from governance.errors import LedgerError
from pipelines.atomic import write_json
from pipelines.erasure.store import Place, write_journal
from zoo.erased import EVENT
from zoo.workspace import Workspace


def write_receipt(workspace: Workspace, journal: Journal, finished: str) -> Journal:
    """Records the erasure once, however often it is called, and returns the journal as finished.

    Raises:
        LedgerError, BusyError: the ledger is damaged, or cannot be written.
    """
    path = Place(workspace.storage, journal.domain).receipt(journal.name)
    done = journal.model_copy(update={"finished": finished, "receipt": path.name})
    ledger = workspace.ledger
    entry = ledger.ensure(EVENT, journal.name, cast("dict[str, Any]", done.payload()))
    if entry is None:  # a kill came after it was recorded: the receipt says what the ledger says
        entry = next(ledger.entries(EVENT, journal.name), None)
        if entry is None:
            raise LedgerError("the entry of this erasure is gone", where=ledger.where, fix="run `zoo ledger verify`")
        done = Journal.model_validate_json(json.dumps(entry.content | {"receipt": path.name}))
    write_json(path, ledger.sign(cast("dict[str, Any]", done.payload()), entry))
    write_journal(workspace.storage, done)
    return done
