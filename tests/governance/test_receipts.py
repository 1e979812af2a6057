"""Receipts: what was signed verifies, anything else does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from governance import Keys, LedgerError
from governance.ledger import Ledger, Signer, verify_receipt

KEYS = Keys(bytes(range(32)))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", KEYS)


def test_a_receipt_survives_json_and_verifies(ledger: Ledger) -> None:
    entry = ledger.append("erasure.finished", "3f", {"records": 2})
    receipt = json.loads(json.dumps(ledger.sign({"records": 2, "models": ["a/1"]}, entry), indent=3))
    assert verify_receipt(receipt, ledger.fingerprint) == {"records": 2, "models": ["a/1"]}
    assert ledger.verify(receipt=receipt).ok


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("payload", "records"), 1),
        (("payload", "more"), 1),
        (("entry", "number"), 2),
        (("entry", "hash"), "0" * 64),
        (("format",), "domain-zoo receipt 2"),
        (("signature",), "AAAA"),
        (("signature",), "!"),
        (("public_key",), "AAAA"),
        (("fingerprint",), "0" * 64),
        (("more",), 1),
    ],
)
def test_a_changed_receipt_does_not(ledger: Ledger, path: tuple[str, ...], value: Any) -> None:
    receipt = ledger.sign({"records": 2}, ledger.append("erasure.finished", "3f", {}))
    changed: Any = copy.deepcopy(receipt)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(LedgerError):
        ledger.verify(receipt=changed)


def test_a_receipt_of_another_workspace_does_not(ledger: Ledger) -> None:
    entry = ledger.append("erasure.finished", "3f", {})
    forged = Signer(bytes(32)).sign({}, entry)
    with pytest.raises(LedgerError, match="signed with the key"):
        ledger.verify(receipt=forged)
    with pytest.raises(LedgerError, match="signed with the key"):
        ledger.verify(receipt=forged | {"fingerprint": ledger.fingerprint})
