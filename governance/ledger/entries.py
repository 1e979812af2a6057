"""One entry of the ledger and the keyed hash that ties it to the entry before it.

The hash is an HMAC (RFC 2104) with SHA-256 under a key of the workspace, over number, time, event, subject of the
entry, body and the previous hash. With a bare SHA-256 whoever may write the database could edit a row and compute all
hashes after it anew.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from governance.errors import LedgerError

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

#: What the first entry has in place of the hash before it.
GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """A row of the ledger.

    Attributes:
        number: 1, 2, 3, … without gaps.
        time: UTC, ISO 8601 with microseconds.
        event: what happened, such as `model.registered`.
        about: what it happened to: a dataset digest, a model version, a domain, or a keyed hash. Never personal data.
        body: canonical JSON of what else is known. Never text of records, never a record's or a person's id.
        previous: hash of the entry before.
        hash: 64 hexadecimal digits over all of the above.
    """

    number: int
    time: str
    event: str
    about: str
    body: str
    previous: str
    hash: str

    @property
    def content(self) -> dict[str, Json]:
        """The body, read.

        Raises:
            LedgerError: it was edited and is no JSON.
        """
        try:
            return cast("dict[str, Json]", json.loads(self.body))
        except (TypeError, ValueError):
            raise LedgerError(f"entry {self.number} of the ledger was edited", fix="run `zoo ledger verify`") from None

    def to_json(self) -> dict[str, Json]:
        """As `zoo ledger show --json` prints it."""
        return {
            "number": self.number,
            "time": self.time,
            "event": self.event,
            "about": self.about,
            "body": self.content,
            "previous": self.previous,
            "hash": self.hash,
        }

    def is_sealed_by(self, key: bytes) -> bool:
        """Whether the hash is that of the content under this key."""
        expected = seal(key, self.number, self.time, self.event, self.about, self.body, self.previous)
        return hmac.compare_digest(expected.encode(), str(self.hash).encode("utf-8", "surrogateescape"))


def seal(key: bytes, number: int, time: str, event: str, about: str, body: str, previous: str) -> str:
    """The hash of an entry. A JSON list tells the fields apart whatever is in them."""
    fields = json.dumps([number, time, event, about, body, previous], default=repr)
    return hmac.new(key, fields.encode(), hashlib.sha256).hexdigest()


def canonical_json(content: Mapping[str, Json]) -> str:
    """JSON that is the same for the same content: sorted keys, no blanks, ASCII, no NaN.

    Raises:
        LedgerError: the content is no JSON.
    """
    try:
        return json.dumps(dict(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LedgerError(f"the ledger takes JSON alone: {error}") from None
