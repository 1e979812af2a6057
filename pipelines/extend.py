"""What a build does besides where data is incremental, before today's records are chosen and when they are filtered."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.carry import Carried, Carrier, note_today
from pipelines.carry_near import keep_signatures, leave_near_duplicates, take_signatures
from pipelines.inputs import Inputs
from pipelines.place import Place, remove_superseded
from pipelines.spec import PipelineSpec
from pipelines.versions import DatasetVersion

#: Brings a cache of filtered texts up to date with records in buckets.
FilterInto = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Extension:
    """Takes over what the sources no longer have from `previous`.

    Attributes:
        work: of the build.
        signed, carried: step caches of signatures: of today's records, and of those that are carried over.
    """

    spec: PipelineSpec
    previous: DatasetVersion
    inputs: Inputs
    place: Place
    work: Path
    signed: Path
    carried: Path

    def begin(self) -> None:
        """Called when all records are staged, before any leaves."""
        note_today(self.work / "staged", self.today)
        if self.spec.curate.dedup.near is not None:
            self._take_signatures()

    @property
    def today(self) -> Path:
        """Ids and texts of today's records, in buckets, once this has begun."""
        return self.work / "today"

    @property
    def _taken(self) -> Path:
        """What the last build signed and carried over. Not in `work`: after a kill the caches hold today's alone."""
        return self.place.cache("taken", self.previous.digest)

    def _take_signatures(self) -> None:
        remove_superseded(self._taken)
        if not self._taken.exists():
            take_signatures(self.signed, self.carried, self.work / "taken")
            self._taken.parent.mkdir(parents=True, exist_ok=True)
            os.rename(self.work / "taken", self._taken)

    def finish(
        self,
        filtered: Path,
        *,
        text_key: Callable[[str], bytes],
        filter_into: FilterInto,
        filtered_by: str | None,
    ) -> Carried:
        """Called when today's records are filtered.

        Args:
            filtered: their texts.
            filtered_by: fingerprint of the filter of the last build.
        """
        kept = self.place.cache("kept", self.inputs.filter_fingerprint)

        def filter_again(texts: Path) -> Path:
            filter_into(texts, kept)
            return kept

        near, retention = self.spec.curate.dedup.near, self.inputs.retention
        stays = Carrier(
            self.spec,
            self.previous,
            self.work,
            self.inputs.barred,
            None if retention is None else retention.rule,
            text_key,
            None if filtered_by == self.inputs.filter_fingerprint else filter_again,
            None if near is None else self._leave_near,
        ).carry(self.work / "selected", filtered, self.today)
        remove_superseded(kept)
        shutil.rmtree(kept, ignore_errors=True)  # the version will have these texts; nobody would look for them here
        if near is not None:
            keep_signatures(stays.carried, self._taken, self.carried)
        return stays

    def _leave_near(self, records: Path) -> None:
        threshold = self.spec.curate.dedup.near
        assert threshold is not None, "only a pipeline that drops near duplicates asks"
        scratch = self.work / "carried-near"
        scratch.mkdir(mode=0o700)
        leave_near_duplicates(records, self._taken, self.signed, scratch, threshold)


def taken_signatures(place: Place) -> list[Path]:
    """What builds took that did not end; the next build of another version's records takes signatures anew."""
    folder = place.cache("taken", "").parent
    return [*sorted(folder.glob("taken-*")), *sorted(folder.glob(".taken-*"))]


def remove_taken(place: Place) -> None:
    """At once for whoever looks for them: a kill leaves no half ones under their name."""
    for path in taken_signatures(place):
        hidden = path.with_name(f".{path.name.removeprefix('.')}")
        if path != hidden:
            shutil.rmtree(hidden, ignore_errors=True)
            os.rename(path, hidden)
        shutil.rmtree(hidden)
