"""What was erased does not come back: staged records that a tombstone names leave before anything else sees them.

They leave no trace: of what others drop, the exclusions keep the beginning of the text; of the erased nothing is kept
but how many they were.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from governance.erasure import TombstoneKey, Tombstones
from pipelines.curate.agreement import Known
from pipelines.curate.buckets import BUCKETS, read_bucket, write_bucket
from pipelines.curate.likeness import THRESHOLD, keyed_signatures, known, unpack
from pipelines.parts import plain_text
from pipelines.spec import PipelineSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ERASED = "erased"
#: Texts whose signatures are made at once.
_ROWS = 2_000


@dataclass(frozen=True)
class Barred:
    """Which records of a pipeline may not come back.

    Attributes:
        threshold: share of equal places of two signatures at which texts are near duplicates.
    """

    tombstones: Tombstones
    key: TombstoneKey
    pipeline: str
    threshold: float

    @classmethod
    def of(cls, spec: PipelineSpec, tombstones: Tombstones, key: TombstoneKey) -> Barred:
        return cls(tombstones, key, spec.name, threshold_of(spec))

    def named(
        self, ids: Sequence[str], subjects: Sequence[str | None], text_keys: Sequence[bytes | None]
    ) -> npt.NDArray[np.bool_]:
        """bool [records]: which have the id, the subject or the text of an erased one."""
        import numpy as np

        stones, key = self.tombstones, self.key
        rows = zip(ids, subjects, text_keys, strict=True)
        found = [
            key.record(self.pipeline, record_id) in stones.records
            or (subject is not None and key.subject(subject) in stones.subjects)
            or (text_key is not None and key.text(text_key) in stones.texts)
            for record_id, subject, text_key in rows
        ]
        return np.array(found, bool)

    def alike(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """bool [texts]: which are near duplicates of an erased subject's text."""
        import numpy as np

        if not self.tombstones.signatures:
            return np.zeros(len(texts), bool)
        return self._known.alike(keyed_signatures([plain_text(text) for text in texts], self.key.signature_key))

    @functools.cached_property
    def _known(self) -> Known:
        return known(unpack(sorted(self.tombstones.signatures)), self.threshold)


def threshold_of(spec: PipelineSpec) -> float:
    """At which texts of a pipeline are near duplicates, also where it keeps them."""
    return spec.curate.dedup.near or THRESHOLD


def drop_erased(staged: Path, barred: Barred) -> int:
    """Takes the erased out of the staged buckets. Returns how many there were."""
    import pyarrow as pa

    if not barred.tombstones:
        return 0
    dropped = 0
    for bucket in range(BUCKETS):
        table = read_bucket(staged, bucket)
        columns = [table.column(name).to_pylist() for name in ("id", "subject", "text_key")]
        found = barred.named(*columns)
        for start in range(0, len(table), _ROWS):
            texts = table.column("text").slice(start, _ROWS).to_pylist()
            found[start : start + _ROWS] |= barred.alike(texts)
        if found.any():
            dropped += int(found.sum())
            write_bucket(table.filter(pa.array(~found)), staged, bucket)
    return dropped
