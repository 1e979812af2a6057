"""The journal of an erasure: what it is about and what it found, so that it goes on after a kill.

All steps look at what is there and may be repeated. What they are about to remove is noted here first: afterwards
nobody could tell which models saw it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from governance.config import StrictModel


class Found(StrictModel):
    """What an erasure has to do in one pipeline.

    Attributes:
        records: of the subject, or the one that was named.
        near_duplicates: other records that leave with them.
        before: digests of the dataset versions that held one of them.
        after: digest of the version that the pipeline has now; None when nothing is left.
        unread: which source could not be searched and the kind of error; no message, which may name a file after a
            person.
        rewritten: the source could not be read, so that the version was made from the one before.
    """

    records: int = 0
    near_duplicates: int = 0
    before: tuple[str, ...] = ()
    after: str | None = None
    unread: str | None = None
    rewritten: bool = False

    @property
    def holds(self) -> bool:
        """Whether something of the erased was found here; a source that could not be searched alone says nothing."""
        return bool(self.records or self.near_duplicates or self.before)


class Journal(StrictModel):
    """An erasure, without a name or an id of anybody.

    Attributes:
        request: keyed hash of what was asked for.
        turn: how often the same was asked for and something was found.
        started, finished: UTC, ISO 8601.
        pipelines: by name.
        tokenizers: SHA-256 of those that were trained on an erased record.
        models: versions that saw one, themselves or through what they go back to.
        unknown: versions whose data is gone, so that nobody can tell what they saw.
        tombstones: by domain, how many there were when it had added its own; fewer later on means that some are lost.
        receipt: its file's name.
    """

    request: str
    domain: str
    kind: Literal["subject", "record"]
    turn: int = 1
    started: str
    finished: str | None = None
    pipelines: dict[str, Found] = Field(default_factory=dict)
    tokenizers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    tombstones: dict[str, int] = Field(default_factory=dict)
    receipt: str | None = None

    @property
    def name(self) -> str:
        """Of the erasure, in reasons and file names."""
        return f"{self.request[:16]}-{self.turn}"

    @property
    def before(self) -> set[str]:
        """Digests of all dataset versions that held an erased record."""
        return {digest for found in self.pipelines.values() for digest in found.before}

    def with_found(self, pipeline: str, **changes: object) -> Journal:
        """With other values for a pipeline."""
        found = self.pipelines.get(pipeline, Found()).model_copy(update=changes)
        return self.model_copy(update={"pipelines": {**self.pipelines, pipeline: found}})

    def payload(self) -> dict[str, object]:
        """What the receipt says."""
        return self.model_dump(mode="json", exclude={"receipt"})
