"""What an erased subject or record is called in the pipelines of a domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from governance.keys import Keys, keyed_hash
from pipelines.erasure.batches import Batch

if TYPE_CHECKING:
    from pipelines.erasure.find import Searched, Target


@dataclass(frozen=True)
class Names:
    """In the target's own domain its name says who is meant. In another one the same name is somebody else's: there it
    is looked for in what came from a pipeline of the target's domain, as `pipelines.sources.other_pipeline` names it.

    Attributes:
        subject: its hash, as manifests of this domain have it; None where a record is meant.
        ids: by which the record is known in this domain.
        pipeline: the only one in which it is looked for by its id.
    """

    subject: str | None
    ids: frozenset[str]
    pipeline: str | None = None

    @classmethod
    def of(cls, target: Target, domain: str, pipelines: Sequence[Searched], keys: Keys) -> Names:
        """Args: `domain` is that of the pipelines that are searched with these names."""
        subjects = keys.derive(domain, "subjects")
        at_home = keyed_hash(keys.derive(target.domain, "subjects"), target.name).hex()
        foreign = domain != target.domain
        if target.kind == "subject":
            return cls(keyed_hash(subjects, at_home).hex() if foreign else at_home, frozenset())
        ids = {target.name, keyed_hash(keys.derive(target.domain, "texts"), target.name).hex()}
        if not foreign:
            return cls(None, frozenset(ids), target.pipeline)
        origins = {one.name for one in pipelines if one.domain == target.domain}
        origins &= origins if target.pipeline is None else {target.pipeline}
        ids = {f"{origin}/{one}" for origin in origins for one in ids}
        own = {keyed_hash(keys.derive(domain, "texts"), one).hex() for one in ids}
        return cls(None, frozenset(ids | own))

    def rows(self, batch: Batch, pipeline: str) -> list[int]:
        """Which records of a batch are meant."""
        if self.subject is not None:
            return [row for row, one in enumerate(batch.subjects) if one == self.subject]
        if self.pipeline not in (None, pipeline):
            return []
        return [row for row, one in enumerate(batch.ids) if one in self.ids]
