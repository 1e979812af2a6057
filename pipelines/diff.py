"""What changed from one dataset version to another: records, their texts, whom they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from governance.errors import DataError, did_you_mean
from pipelines.cards.counts import rows_of
from pipelines.versions import MANIFEST_FILE, VERSION_FILE, DatasetVersion

_LEAST = 4  # characters of a digest that name a version


Kind = Literal["added", "updated", "removed"]

#: Columns of the manifest that say something of a record itself, by what they are called here. Subjects are keyed
#: hashes: they tell that somebody else is meant, and nobody who.
_COLUMNS = {"text": "content_sha256", "subject": "subject", "day": "day"}


@dataclass(frozen=True)
class Changed:
    """A record that differs.

    Attributes:
        what: of an updated one: some of "text", "subject" (whom it is about) and "day" (of its retention).
    """

    record_id: str
    kind: Kind
    what: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change(Changed):
    """With its texts, None where there is none."""

    before: str | None = None
    after: str | None = None


def changes(old: DatasetVersion, new: DatasetVersion) -> list[Changed]:
    """The records that differ, sorted by id. Holds of both versions what is compared."""
    columns = _comparable(old, new)
    before, after = _facts(old, columns), _facts(new, columns)
    found: list[Changed] = []
    for record_id in sorted(before.keys() | after.keys()):
        if record_id not in before:
            found.append(Changed(record_id, "added"))
        elif record_id not in after:
            found.append(Changed(record_id, "removed"))
        elif before[record_id] != after[record_id]:
            pairs = zip(columns, before[record_id], after[record_id], strict=True)
            found.append(Changed(record_id, "updated", tuple(name for name, one, other in pairs if one != other)))
    return found


def _comparable(old: DatasetVersion, new: DatasetVersion) -> dict[str, str]:
    """Those that both manifests have; each domain has its own key of subjects."""
    both = set(old.columns) & set(new.columns) - ({"subject"} if old.domain != new.domain else set())
    return {name: column for name, column in _COLUMNS.items() if column in both}


def _facts(version: DatasetVersion, columns: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
    facts: dict[str, tuple[Any, ...]] = {}
    for batch in rows_of(version.path / MANIFEST_FILE, ["record_id", *columns.values()]):
        values = (batch.column(column).to_pylist() for column in columns.values())
        facts |= zip(batch.column("record_id").to_pylist(), zip(*values, strict=True), strict=True)
    return facts


def with_texts(old: DatasetVersion, new: DatasetVersion, found: Iterable[Changed]) -> Iterator[Change]:
    """Changes with the texts; reads those of these records alone."""
    listed = list(found)
    before = old.texts_of({one.record_id for one in listed if one.kind != "added"})
    after = new.texts_of({one.record_id for one in listed if one.kind != "removed"})
    for one in listed:
        yield Change(**vars(one), before=before.get(one.record_id), after=after.get(one.record_id))


def find_version(storage: Path, name: str, *, others: Iterable[str] = ()) -> DatasetVersion:
    """A dataset version by the beginning of its digest.

    Args:
        others: names that may have been meant, such as pipelines.

    Raises:
        DataError: there is none, or more than one.
    """
    folders = sorted(path.parent for path in (storage / "datasets").glob(f"*/*/{VERSION_FILE}"))
    found = [folder for folder in folders if len(name) >= _LEAST and folder.name.startswith(name[:16])]
    versions = [version for folder in found if (version := DatasetVersion.open(folder)).digest.startswith(name)]
    if len(versions) == 1:
        return versions[0]
    if versions:
        listed = ", ".join(f"{version.pipeline} {version.digest[:16]}" for version in versions)
        raise DataError(f'"{name}" begins the digests of several dataset versions: {listed}', fix="give more of it")
    known = [*others, *(folder.name for folder in folders)]
    raise DataError(
        f'there is no dataset version "{name}"{did_you_mean(name, known)}',
        where=str(storage / "datasets"),
        fix=f"give a pipeline, or at least {_LEAST} characters of a digest: {', '.join(known) or 'none yet'}",
    )
