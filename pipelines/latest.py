"""Which dataset version is a pipeline's present one."""

from __future__ import annotations

import json
from pathlib import Path

from governance.errors import DataError
from pipelines.atomic import write_json
from pipelines.place import Place
from pipelines.spec import PipelineSpec
from pipelines.versions import DatasetVersion


def latest(spec: PipelineSpec, storage: Path) -> DatasetVersion | None:
    """The version that the pipeline's last build gave; None before the first, or when it was removed.

    Raises:
        DataError: it is damaged.
    """
    return latest_of(Place(storage, spec.name))


def latest_card(spec: PipelineSpec, storage: Path) -> Path | None:
    """The data card (JSON) of the pipeline's last build; None before the first, or when it was removed.

    Raises:
        DataError: what the last build left is damaged.
    """
    place = Place(storage, spec.name)
    card = place.card(str(_last_build(place).get("build", "")))
    return card if card.is_file() else None


def latest_of(place: Place) -> DatasetVersion | None:
    """`latest`, by where a pipeline's builds keep things."""
    digest = _last_build(place).get("digest")
    folder = place.datasets / str(digest)[:16]
    return DatasetVersion.open(folder) if digest is not None and folder.is_dir() else None


def _last_build(place: Place) -> dict[str, str]:
    try:
        content = json.loads(place.latest.read_text(encoding="utf-8"))
        return {"digest": content["digest"], **content}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"unreadable ({type(error).__name__})", where=str(place.latest), fix="remove it") from None


def point_latest(place: Place, version: DatasetVersion, build: str | None) -> None:
    """Makes a version the pipeline's present one.

    Args:
        build: digest of the inputs that it was built from; None for one that was made from another version.
    """
    content = {"digest": version.digest} | ({} if build is None else {"build": build})
    try:
        if json.loads(place.latest.read_text(encoding="utf-8")) == content:
            return
    except (FileNotFoundError, ValueError):
        pass
    write_json(place.latest, content)
