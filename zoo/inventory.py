"""All that a workspace has: dataset versions, tokenizers, model versions, and what the ledger knows of them."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from governance.errors import DataError
from governance.keys import keyed_hash
from governance.wording import in_words
from pipelines.versions import MANIFEST_FILE, VERSION_FILE, DatasetVersion
from registry import ModelVersion, Tracking
from zoo.ancestry import Made, made_from
from zoo.recording import BUILT, made_before, record_versions
from zoo.workspace import Workspace


@dataclass(frozen=True)
class Inventory:
    """Read once; the registry's versions are compared with the ledger on the way."""

    workspace: Workspace

    @functools.cached_property
    def versions(self) -> list[ModelVersion]:
        """All registered model versions, quarantined ones too."""
        workspace = self.workspace
        return record_versions(workspace, Tracking(workspace.tracking_uri, workspace.artifact_root))

    @functools.cached_property
    def made(self) -> list[Made]:
        """What each version was made from, also of versions that are no longer registered."""
        now = [Made.of(version) for version in self.versions]
        return list(dict.fromkeys([*now, *made_before(self.workspace)]))

    @functools.cached_property
    def datasets(self) -> list[DatasetVersion]:
        """All dataset versions on disk.

        Raises:
            DataError: one is damaged.
        """
        folder = self.workspace.storage / "datasets"
        return [DatasetVersion.open(path.parent) for path in sorted(folder.glob(f"*/[!.]*/{VERSION_FILE}"))]

    @functools.cached_property
    def built(self) -> dict[str, dict[str, Any]]:
        """What the ledger says of each dataset version, by digest, also of those that are gone."""
        return {entry.about: dict(entry.content) for entry in self.workspace.ledger.entries(BUILT)}

    @functools.cached_property
    def tokenizers(self) -> dict[str, set[str]]:
        """For each tokenizer's digest, digests of the dataset versions that it was trained on.

        Raises:
            DataError: a tokenizer's description is damaged.
        """
        found: dict[str, set[str]] = {}
        for path in sorted((self.workspace.storage / "tokenizers").glob("[!.]*/meta.json")):
            try:
                meta = json.loads(path.read_text(encoding="utf-8"))
                found.setdefault(meta["digest"], set()).add(meta["dataset_digest"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                reason = in_words(error, expected=("digest", "dataset_digest"))
                raise DataError(f"unreadable: {reason}", where=str(path), fix="remove it") from None
        return found

    def models_that_saw(self, datasets: Collection[str]) -> list[ModelVersion]:
        """The versions that saw one of these dataset versions (digests), themselves or through bases, exported
        folders, tokenizers and teachers, however long the way."""
        names = made_from(datasets, self.made, self.tokenizers)
        return [version for version in self.versions if str(version) in names]

    def rows_of_record(self, record_id: str, domain: str | None = None) -> list[dict[str, Any]]:
        """Where a record is: one row of a manifest for each dataset version that holds it.

        Args:
            record_id: as in the source. Where that looked like personal data the version has a keyed hash of it.
        """

        def ids(its_domain: str) -> list[str]:
            key = self.workspace.keys.derive(its_domain, "texts")
            return [record_id, keyed_hash(key, record_id).hex()]

        return [row for version in self._of(domain) for row in _rows(version, "record_id", ids(version.domain))]

    def with_mixed(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """These rows, and those of the same records in versions that have these ones as a source, also through others:
        there a record's id is `PIPELINE/ID`, and its subject has another hash."""
        found = list(rows)
        for _ in self._mixed:  # a chain of them is no longer than this
            known = {(row["dataset"], row["record_id"]) for row in found}
            for version in self._mixed:
                origins = set(version.derived_from.values())
                ids = sorted({f"{row['pipeline']}/{row['record_id']}" for row in found if row["dataset"] in origins})
                new = [
                    row for row in _rows(version, "record_id", ids) if (version.digest, row["record_id"]) not in known
                ]
                found += new
                known |= {(row["dataset"], row["record_id"]) for row in new}
        return found

    def derived(self, digests: Collection[str]) -> set[str]:
        """Digests of these versions and of those that have one as a source, also through others."""
        return {
            *digests,
            *(one.digest for one in self._mixed if not set(digests).isdisjoint(one.derived_from.values())),
        }

    def sources_of(self, digests: Collection[str]) -> set[str]:
        """Digests of these versions and of those that are a source of them, also through others."""
        return {*digests, *(one for v in self._mixed if v.digest in digests for one in v.derived_from.values())}

    @property
    def _mixed(self) -> list[DatasetVersion]:
        return [version for version in self.datasets if version.derived_from]

    def rows_of_subject(self, subject: str, domain: str | None = None) -> list[dict[str, Any]]:
        """Where the records about a person are, as `rows_of_record`."""
        return [
            row
            for version in self._of(domain)
            for row in _rows(version, "subject", [subject_hash(self.workspace, version.domain, subject)])
        ]

    def _of(self, domain: str | None) -> list[DatasetVersion]:
        return [version for version in self.datasets if domain is None or version.domain == domain]


def subject_hash(workspace: Workspace, domain: str, subject: str) -> str:
    """What stands for a person in the manifests of a domain, and in the ledger."""
    return keyed_hash(workspace.keys.derive(domain, "subjects"), subject).hex()


def record_hash(workspace: Workspace, domain: str, record_id: str) -> str:
    """What stands for a record in the ledger."""
    return keyed_hash(workspace.keys.derive(domain, "records"), record_id).hex()


def _rows(version: DatasetVersion, column: str, values: list[str]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    columns = ["record_id", "split", "shard", "file", "row", "source"]
    path = version.path / MANIFEST_FILE
    try:
        found = pq.read_table(path, columns=columns, filters=[(column, "in", values)]).to_pylist()
    except (OSError, ValueError) as error:
        raise DataError(f"the manifest is unreadable: {in_words(error)}", where=str(path)) from None
    names = version.sources.names
    for row in found:
        row["source"] = names[row["source"]] if row["source"] < len(names) else str(row["source"])
        row |= {"dataset": version.digest, "pipeline": version.pipeline, "domain": version.domain}
    return found
