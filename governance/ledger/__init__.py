"""The ledger: what happened to data and models, in a chain that shows every edit, and signed receipts."""

from governance.ledger.entries import Entry, Json, canonical_json
from governance.ledger.head import Head
from governance.ledger.ledger import Ledger
from governance.ledger.receipts import Signer, verify_receipt
from governance.ledger.verification import Problem, Verification

__all__ = [
    "Entry",
    "Head",
    "Json",
    "Ledger",
    "Problem",
    "Signer",
    "Verification",
    "canonical_json",
    "verify_receipt",
]
