"""Signed receipts: JSON that anyone can verify with the workspace's public key (Ed25519, RFC 8032).

The signing key follows from the workspace's secret, so there is no second secret to keep. A receipt names an entry of
the ledger and its hash: whoever keeps the receipt can tell when that entry is edited or cut off.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import cast

from governance.errors import LedgerError
from governance.ledger.entries import Entry, Json, canonical_json

FORMAT = "domain-zoo receipt 1"
_FIELDS = frozenset({"format", "payload", "entry", "public_key", "fingerprint", "signature"})


class Signer:
    """Signs for a workspace.

    Args:
        seed: 32 secret bytes, the Ed25519 private key.
    """

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the public key: what a workspace publishes, so that others know its receipts."""
        return hashlib.sha256(self._public).hexdigest()

    def sign(self, payload: Mapping[str, Json], entry: Entry) -> dict[str, Json]:
        """A receipt over `payload` and the ledger's `entry` of what it attests."""
        signed: dict[str, Json] = {
            "format": FORMAT,
            "payload": dict(payload),
            "entry": {"number": entry.number, "hash": entry.hash},
        }
        signature = self._key.sign(canonical_json(signed).encode())
        return signed | {
            "public_key": base64.b64encode(self._public).decode(),
            "fingerprint": self.fingerprint,
            "signature": base64.b64encode(signature).decode(),
        }


def verify_receipt(receipt: Mapping[str, Json], fingerprint: str) -> dict[str, Json]:
    """The payload of a receipt that was signed with the key of this fingerprint. Needs no workspace and no secret.

    Raises:
        LedgerError: it is no receipt, was changed after it was signed, or was signed by somebody else.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if set(receipt) != _FIELDS or receipt["format"] != FORMAT:
        raise LedgerError("this is no receipt", fix=f"a receipt has the keys {', '.join(sorted(_FIELDS))}")
    try:
        public = base64.b64decode(str(receipt["public_key"]), validate=True)
        signature = base64.b64decode(str(receipt["signature"]), validate=True)
        key = Ed25519PublicKey.from_public_bytes(public)
    except (binascii.Error, ValueError):
        raise LedgerError("the receipt's key or signature is damaged") from None
    found = hashlib.sha256(public).hexdigest()
    if found != fingerprint or receipt["fingerprint"] != fingerprint:
        raise LedgerError(f"the receipt was signed with the key {found[:16]}…, not with {fingerprint[:16]}…")
    signed = {name: receipt[name] for name in ("format", "payload", "entry")}
    try:
        key.verify(signature, canonical_json(signed).encode())
    except InvalidSignature:
        raise LedgerError("the receipt was changed after it was signed") from None
    return cast("dict[str, Json]", receipt["payload"])
