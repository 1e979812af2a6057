"""Where a domain's tombstones and journals of erasures lie, and how they are read.

storage/erasures/<domain>/tombstones.json
storage/erasures/<domain>/<request>-<turn>.json     a journal
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from governance.config import StrictModel
from governance.erasure import Journal, Tombstones
from governance.errors import DataError
from governance.wording import in_words
from pipelines.atomic import write_json

ModelT = TypeVar("ModelT", bound=StrictModel)


@dataclass(frozen=True)
class Place:
    """Files of a domain's erasures below the storage root."""

    storage: Path
    domain: str

    @property
    def folder(self) -> Path:
        return self.storage / "erasures" / self.domain

    @property
    def tombstones(self) -> Path:
        return self.folder / "tombstones.json"

    def journal(self, request: str, turn: int) -> Path:
        return self.folder / f"{request}-{turn}.json"

    def receipt(self, name: str) -> Path:
        return self.storage / "receipts" / f"erasure-{name}.json"


def read_tombstones(storage: Path, domain: str) -> Tombstones:
    """The tombstones that hold for a domain.

    Raises:
        DataError: the file is damaged, or gone although there were erasures: without it the erased would come back.
    """
    place = Place(storage, domain)
    found = _read(place.tombstones, Tombstones)
    if found is None and any(place.folder.glob("[!.]*.json")):
        raise DataError(
            "the tombstones are gone, and there were erasures",
            where=str(place.tombstones),
            fix="restore the file from your backup; without it the erased would come back",
        )
    return found or Tombstones()


def add_tombstones(storage: Path, domain: str, new: Tombstones) -> None:
    """Adds to a domain's tombstones; none is ever removed."""
    known = read_tombstones(storage, domain)
    if (joined := known | new) != known:
        write_json(Place(storage, domain).tombstones, joined.to_json())


def read_journal(storage: Path, domain: str, request: str) -> Journal | None:
    """The last journal of a request; None if it was never made.

    Raises:
        DataError: it is damaged.
    """
    mine = [journal for journal in read_journals(storage, domain) if journal.request == request]
    return max(mine, key=lambda journal: journal.turn, default=None)


def read_journals(storage: Path, domain: str) -> list[Journal]:
    """Of all erasures in a domain.

    Raises:
        DataError: one is damaged.
    """
    place = Place(storage, domain)
    names = sorted(path for path in place.folder.glob("[!.]*.json") if path != place.tombstones)
    return [journal for path in names if (journal := _read(path, Journal)) is not None]


def write_journal(storage: Path, journal: Journal) -> None:
    """Writes it for good before what it notes is removed."""
    write_json(Place(storage, journal.domain).journal(journal.request, journal.turn), journal.model_dump(mode="json"))


def _read(path: Path, model: type[ModelT]) -> ModelT | None:
    try:
        return model.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        raise DataError(
            f"unreadable: {in_words(error)}", where=str(path), fix="restore the file from your backup"
        ) from None
