"""Whether the tombstones are still there of all erasures that the ledger knows."""

from __future__ import annotations

from typing import cast

from governance.errors import DataError
from pipelines.erasure.store import Place, read_tombstones
from zoo.workspace import Workspace

EVENT = "erasure.finished"


def check_tombstones(workspace: Workspace, domain: str) -> None:
    """Before anything is built: without them the erased would come back from the sources.

    Raises:
        DataError: some are gone.
        LedgerError: the ledger cannot be read.
    """
    least = 0
    for entry in workspace.ledger.entries(EVENT):
        noted = cast("dict[str, int]", entry.content.get("tombstones") or {})
        least = max(least, noted.get(domain, 1 if entry.content.get("domain") == domain else 0))
    if len(read_tombstones(workspace.storage, domain)) < least:
        raise DataError(
            f'tombstones of the domain "{domain}" are gone: the ledger knows of erasures that left {least:,}',
            where=str(Place(workspace.storage, domain).tombstones),
            fix="restore the file from your backup; without it the erased would come back",
        )
