"""Curation steps: pure functions of a batch of records, each with a name, a version and coded reasons for a drop.

A step neither removes nor reorders rows. It may rewrite the column `text`, and names in the column `reason` why a
record leaves; a record that has a reason already is left alone. So the steps run unchanged wherever batches do:
in this process, in a pool, on a cluster.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pipelines.parts import plain_text

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.spec import CurateSpec

TEXT, REASON = "text", "reason"


class Step(ABC):
    """A curation step.

    Attributes:
        name: of the step.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def version(self) -> str:
        """Changes when the same text may come out otherwise."""

    @abstractmethod
    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Args and result: batches with the columns `text` (large_string) and `reason` (string, null for a record
        that stays), and any others, which stay as they are."""


class Judge(Step):
    """A step that only says which records leave."""

    @abstractmethod
    def reason(self, text: str) -> str | None:
        """Why a text leaves; None for one that stays. Args: what there is to read in a record."""

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        rows = zip(batch.column(TEXT).to_pylist(), batch.column(REASON).to_pylist(), strict=True)
        reasons = [known or self.reason(plain_text(text)) for text, known in rows]
        column = pa.array(reasons, pa.string())
        return batch.set_column(batch.schema.get_field_index(REASON), REASON, column)


def judges(spec: CurateSpec) -> list[Judge]:
    """The steps of a pipeline that look at one record at a time, in their order."""
    from pipelines.curate.contamination import Decontaminate
    from pipelines.curate.language import Language
    from pipelines.curate.quality import Quality

    found: list[Judge] = []
    if spec.language is not None:
        found.append(Language(spec.language))
    if spec.quality is not None:
        found.append(Quality(spec.quality.rules))
    if spec.decontaminate is not None:
        found.append(Decontaminate(spec.decontaminate))
    return found


def versions(steps: Sequence[Step]) -> str:
    """SHA-256 (hex) over the steps and their versions."""
    content = "\0".join(f"{step.name}\0{step.version}" for step in steps)
    return hashlib.sha256(content.encode()).hexdigest()


#: How reasons begin, and the step that gives them, in the order of the steps.
_STEP_OF = {
    "empty": "repair",
    "language_": "language",
    "gopher_": "quality",
    "c4_": "quality",
    "fineweb_": "quality",
    "contaminated": "decontaminate",
    "duplicate": "dedup",
    "near_duplicate": "dedup",
}


def step_of(reason: str) -> str:
    """The name of the step that gives a reason; of one that no step here gives, the reason itself."""
    return next((step for begin, step in _STEP_OF.items() if reason.startswith(begin)), reason)
