"""What changed from one dataset version to another, in records and in text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from governance.errors import DataError, did_you_mean
from pipelines.versions import VERSION_FILE, DatasetVersion, contents

_LEAST = 4  # characters of a digest that name a version


@dataclass(frozen=True)
class Change:
    """A record that differs; `before` and `after` are texts, None where there is none."""

    record_id: str
    kind: Literal["added", "updated", "removed"]
    before: str | None
    after: str | None


def changes(old: DatasetVersion, new: DatasetVersion) -> list[tuple[str, Literal["added", "updated", "removed"]]]:
    """Ids of the records that differ, sorted, each with what happened to it. Holds the hashes of both versions."""
    before, after = contents(old), contents(new)
    found: list[tuple[str, Literal["added", "updated", "removed"]]] = []
    for record_id in sorted(before.keys() | after.keys()):
        if record_id not in before:
            found.append((record_id, "added"))
        elif record_id not in after:
            found.append((record_id, "removed"))
        elif before[record_id] != after[record_id]:
            found.append((record_id, "updated"))
    return found


def with_texts(
    old: DatasetVersion, new: DatasetVersion, found: Iterable[tuple[str, Literal["added", "updated", "removed"]]]
) -> Iterator[Change]:
    """Changes with the texts; reads those of these records alone."""
    listed = list(found)
    before = old.texts_of({record_id for record_id, kind in listed if kind != "added"})
    after = new.texts_of({record_id for record_id, kind in listed if kind != "removed"})
    for record_id, kind in listed:
        yield Change(record_id, kind, before.get(record_id), after.get(record_id))


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
