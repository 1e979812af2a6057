"""What `zoo ledger` does: verify, show."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from governance.errors import LedgerError
from governance.wording import in_words
from zoo.cli.output import print_facts, print_json, print_table
from zoo.workspace import Workspace


def run_ledger_verify(receipt: Path | None, head: str | None, as_json: bool) -> None:
    """Exits with 1 where the ledger is not whole."""
    ledger = Workspace.current().ledger
    content = None if receipt is None else _read_receipt(receipt)
    found = ledger.verify(receipt=content, head=head)
    result = found.to_json() | {"fingerprint": ledger.fingerprint}
    if content is not None:
        result["receipt"] = content["payload"]
    if as_json:
        print_json(result)
    elif found.problem is None:
        print("the ledger is whole" + (", and the receipt is this workspace's and recorded" if receipt else ""))
        print_facts({name: result[name] for name in ("entries", "head", "fingerprint")})
    if found.problem is not None:
        print(f"error: {ledger.where}: entry {found.problem.number}: {found.problem.what}", file=sys.stderr)
        sys.exit(1)


def run_ledger_show(event: str | None, about: str | None, last: int, as_json: bool) -> None:
    entries = list(Workspace.current().ledger.entries(event, about, last))
    if as_json:
        print_json({"entries": [entry.to_json() for entry in entries]})
        return
    rows = [(e.number, e.time[:19].replace("T", " "), e.event, e.about, _short(e.content)) for e in entries]
    print_table(("", "UTC", "event", "about", "what"), rows, right=(0,))


def _short(content: dict[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in content.items())


def _read_receipt(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LedgerError(f"the receipt cannot be read: {in_words(error)}", where=str(path)) from None
    if not isinstance(content, dict):
        raise LedgerError("this is no receipt", where=str(path))
    return content
