"""Tombstones: what must never come back, as hashes under a key of the domain.

Whoever has the file and not the key can neither read an id in it nor try out whether somebody stands there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field

from pydantic import Field

from governance.config import StrictModel


@dataclass(frozen=True)
class TombstoneKey:
    """Makes the hashes of a domain's tombstones: 32 hexadecimal digits of HMAC-SHA256 (RFC 2104).

    Args:
        secret: the domain's key for this use.
    """

    secret: bytes = field(repr=False)

    def record(self, pipeline: str, record_id: str) -> str:
        """Of a record as its dataset version names it; ids are unique in a pipeline."""
        return self._keyed("record", pipeline, record_id)

    def subject(self, subject: str) -> str:
        """Of a subject, which comes as the hash that manifests hold."""
        return self._keyed("subject", subject)

    def text(self, text_key: bytes) -> str:
        """Of a text, which comes as the hash that step caches hold."""
        return self._keyed("text", text_key.hex())

    def request(self, kind: str, name: str, pipeline: str) -> str:
        """Names an erasure: the same request has the same name."""
        return self._keyed("request", kind, name, pipeline)

    @property
    def signature_key(self) -> bytes:
        """16 bytes, for the places of MinHash signatures."""
        return hmac.new(self.secret, b"signatures", hashlib.sha256).digest()[:16]

    def _keyed(self, *parts: str) -> str:
        content = json.dumps(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self.secret, content, hashlib.sha256).hexdigest()[:32]


class Tombstones(StrictModel):
    """The erased of a domain.

    Attributes:
        records: hashes of records: of the subject's, of near duplicates, and of what they had displaced.
        subjects: hashes of subjects.
        texts: hashes of these records' texts.
        signatures: base64 of MinHash signatures of the subject's texts, each place hashed under the key.
    """

    records: frozenset[str] = Field(default=frozenset())
    subjects: frozenset[str] = Field(default=frozenset())
    texts: frozenset[str] = Field(default=frozenset())
    signatures: frozenset[str] = Field(default=frozenset())

    def __or__(self, other: Tombstones) -> Tombstones:
        mine, theirs = dict(self), dict(other)
        return Tombstones(**{name: mine[name] | theirs[name] for name in mine})

    def __bool__(self) -> bool:
        return any(content for _, content in self)

    def __len__(self) -> int:
        return sum(len(content) for _, content in self)

    def to_json(self) -> dict[str, list[str]]:
        """In a stable order."""
        return {name: sorted(content) for name, content in self}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over all of it: builds depend on it."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()
