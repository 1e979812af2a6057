"""Which dataset version is a pipeline's present one."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.atomic import write_json
from pipelines.place import Place, last_build, latest_version
from pipelines.spec import PipelineSpec
from pipelines.versions import DatasetVersion


def latest(spec: PipelineSpec, storage: Path) -> DatasetVersion | None:
    """The version that the pipeline's last build gave; None before the first, or when it was removed.

    Raises:
        DataError: it is damaged.
    """
    return latest_version(Place(storage, spec.name))


def latest_card(spec: PipelineSpec, storage: Path) -> Path | None:
    """The data card (JSON) of the pipeline's last build; None before the first, or when it was removed.

    Raises:
        DataError: what the last build left is damaged.
    """
    place = Place(storage, spec.name)
    card = place.card(str(last_build(place).get("build", "")))
    return card if card.is_file() else None


def point_latest(place: Place, version: DatasetVersion, build: str | None, base: str | None = None) -> None:
    """Makes a version the pipeline's present one.

    Args:
        build: digest of the inputs that it was built from; None for one that was made from another version.
        base: digest of the version whose records it keeps besides those of its sources.
    """
    content = {"digest": version.digest, "build": build, "base": base}
    content = {name: value for name, value in content.items() if value is not None}
    try:
        if json.loads(place.latest.read_text(encoding="utf-8")) == content:
            return
    except (FileNotFoundError, ValueError):
        pass
    write_json(place.latest, content)
