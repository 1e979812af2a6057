"""Another pipeline's dataset version as a source: how domains are mixed.

What is read is the latest version, in which personal data was filtered by the other domain's rules; raw text of another
domain is never read. Its label joins that of the version that is built, and the policy decides over the joined label
before a record is read. The content is checked against the digest, which covers the label too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from governance.errors import ConfigError, DataError
from governance.labels import Label
from pipelines.place import Place, latest_version
from pipelines.versions import SPLITS, DatasetVersion


@dataclass(frozen=True)
class VersionRecord:
    """A record as a version stores it; `subject` is the other domain's keyed hash."""

    id: str
    text: str
    subject: str | None


@dataclass(frozen=True)
class OtherPipeline:
    """The latest dataset version of another pipeline."""

    place: Place
    version: DatasetVersion

    @classmethod
    def of(cls, pipeline: str, storage: Path, *, builds: str) -> OtherPipeline:
        """Args: `builds` is the pipeline whose source this is.

        Raises:
            ConfigError: a pipeline is its own source, also through others: what leaves its sources would stay.
            DataError: the other pipeline was never built, or its version is damaged.
        """
        where = f"pipelines/{builds}.yaml: sources.pipeline"
        place = Place(storage, pipeline)
        version = None if pipeline == builds else latest_version(place)
        if pipeline == builds or (version is not None and builds in version.derived_from):
            raise ConfigError("a pipeline cannot be its own source, not through others either", where=where)
        if version is None:
            fix = f"run `zoo data build {pipeline}`"
            raise DataError(f'the pipeline "{pipeline}" has no dataset version', where=where, fix=fix)
        return cls(place, version)

    @property
    def name(self) -> str:
        return f"pipeline:{self.version.pipeline}"

    @property
    def stamp(self) -> str:
        return self.version.digest

    @property
    def label(self) -> Label:
        return self.version.label

    @property
    def derived_from(self) -> dict[str, str]:
        """Digests by pipeline: of this version, and of those that it was made from itself."""
        return {**self.version.derived_from, self.version.pipeline: self.version.digest}

    @property
    def key(self) -> None:
        """The version's name is its digest; nothing has to be remembered."""

    def content_digest(self) -> str:
        """SHA-256 (hex) over the content, and where it comes from: the same text may have another label."""
        return f"{self.version.digest} {self.version.label} {sorted(self.version.derived_from.items())}"

    def unchanged(self) -> bool:
        """Whether this is still the latest version."""
        version = latest_version(self.place)
        return version is not None and version.digest == self.version.digest

    def records(self) -> Iterator[VersionRecord]:
        """All records, in the version's order.

        Raises:
            DataError: the content or the label is not what the digest says.
        """
        self.version.verify()
        manifest = self.version.manifest(["record_id", "subject"])
        subjects = dict(
            zip(manifest.column("record_id").to_pylist(), manifest.column("subject").to_pylist(), strict=True)
        )
        for split in SPLITS:
            for record_id, text in self.version.stored(split):
                yield VersionRecord(f"{self.version.pipeline}/{record_id}", text, subjects[record_id])
