"""Labels: the set of domains that a thing was derived from.

Records, dataset versions, tokenizers, caches, checkpoints and model versions all carry one.
Combining two things joins their labels; there is no operation that drops a domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """An immutable, non-shrinking set of domain names; ``a | b`` joins two of them."""

    domains: frozenset[str]

    @classmethod
    def of(cls, *domains: str) -> Label:
        return cls(frozenset(domains))

    @classmethod
    def from_list(cls, domains: Iterable[str]) -> Label:
        return cls(frozenset(domains))

    def __or__(self, other: Label) -> Label:
        return Label(self.domains | other.domains)

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_list())

    def to_list(self) -> list[str]:
        """The domains in a stable order, as they are written to files and tags."""
        return sorted(self.domains)

    def __str__(self) -> str:
        return "+".join(self.to_list())
