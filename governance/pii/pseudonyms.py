"""Keyed strings that stand for a value: the same for all of its spellings (`canonical`), unlinkable without the key."""

from __future__ import annotations

import hashlib
import hmac

from governance.pii.canonical import canonical


def pseudonym(key: bytes, entity: str, value: str) -> str:
    """Eight hexadecimal digits that stand for a value in one domain."""
    return hmac.new(key, f"{entity}\0{canonical(entity, value)}".encode(), hashlib.sha256).hexdigest()[:8]


def pii_hash(key: bytes, entity: str, value: str) -> bytes:
    """16 bytes of keyed BLAKE2b (RFC 7693) that stand for what was replaced in a text.

    Case never counts, nor does the type: what a model writes is compared, and it may write in capitals, or the number
    of an account where nothing says so.
    """
    return spelling_hash(key, canonical(entity, value))


def spelling_hash(key: bytes, spelling: str) -> bytes:
    """The hash of a value that is in its canonical form."""
    return hashlib.blake2b(spelling.casefold().encode(), digest_size=16, key=key[:64]).digest()
