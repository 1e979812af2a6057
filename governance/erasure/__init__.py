"""Erasure: what was erased, as keyed hashes, and the journal of an erasure in progress."""

from governance.erasure.journal import Journal
from governance.erasure.tombstones import TombstoneKey, Tombstones

__all__ = ["Journal", "TombstoneKey", "Tombstones"]
