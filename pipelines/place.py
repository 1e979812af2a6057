"""Where a pipeline's builds keep things below the storage root, and who may write there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from governance.errors import BusyError, DataError

_LOCK_SECONDS = 600


@dataclass(frozen=True)
class Place:
    """Folders of one pipeline below the storage root."""

    storage: Path
    pipeline: str

    @property
    def datasets(self) -> Path:
        return self.storage / "datasets" / self.pipeline

    @property
    def inputs(self) -> Path:
        return self.datasets / "inputs"

    @property
    def latest(self) -> Path:
        return self.datasets / "latest.json"

    @property
    def first_seen(self) -> Path:
        """When builds saw each record first; no cache, since it cannot be computed again."""
        return self.datasets / "first_seen.parquet"

    @property
    def work(self) -> Path:
        return self.storage / "work" / self.pipeline

    @property
    def cards(self) -> Path:
        return self.storage / "cards" / self.pipeline

    @property
    def stamps(self) -> Path:
        return self.storage / "cache" / self.pipeline / "files.json"

    def cache(self, step: str, fingerprint: str) -> Path:
        """Of a step in this version; those of other versions lie beside it until a build has ended."""
        return self.storage / "cache" / self.pipeline / f"{step}-{fingerprint[:16]}"

    def quarantine(self, inputs_digest: str) -> Path:
        """Of the build of these inputs, also when it stopped."""
        return self.storage / "quarantine" / self.pipeline / f"{inputs_digest[:16]}.jsonl"

    def card(self, inputs_digest: str) -> Path:
        """The data card of the build of these inputs. It lies beside the version, not in it: two builds that drop
        different rows may leave the same version, whose files never change."""
        return self.cards / inputs_digest[:16] / "card.json"

    def exclusions(self, inputs_digest: str) -> Path:
        """Of the build of these inputs: what others dropped may leave the same version."""
        return self.storage / "exclusions" / self.pipeline / f"{inputs_digest[:16]}.parquet"


def remove_leftovers(place: Place) -> None:
    """What a killed build left under a temporary name; nobody else writes here under the lock."""
    for parent in (place.datasets, *place.stamps.parent.glob("*-*"), *place.cards.glob("*")):
        for path in parent.glob(".*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def remove_superseded(cache: Path) -> None:
    """Text that was filtered by rules that no longer hold may have what they let through."""
    for other in cache.parent.glob(f"{cache.name.partition('-')[0]}-*"):
        if other != cache:
            shutil.rmtree(other)


def keep_quarantine(written: Path, final: Path) -> bool:
    """Keeps the list of unreadable rows also when the build stops because of them."""
    if not written.exists() or written.stat().st_size == 0:
        final.unlink(missing_ok=True)
        return False
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(written, final)
    return True


@contextmanager
def work_folder(place: Place) -> Iterator[Path]:
    """A folder for raw text in flight, readable by this user alone and removed at the end."""
    work = place.work
    try:
        shutil.rmtree(work, ignore_errors=True)  # what a killed build left
        for name in ("staged", "selected", "excluded", "scratch"):
            (work / name).mkdir(parents=True, mode=0o700)
        yield work
    except OSError as error:
        raise DataError(
            f"cannot write: {error.strerror or error}",
            where=str(work),
            fix="check free space and permissions, then run the same command again",
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """One build of a pipeline at a time; the kernel frees the lock of a killed process."""
    import filelock

    path = place.storage / "locks" / f"build-{place.pipeline}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except filelock.Timeout:
        raise BusyError(
            f"another process has been building this pipeline for {_LOCK_SECONDS} seconds",
            where=str(path),
            fix="wait for it, or end it",
        ) from None
    except OSError as error:
        raise DataError(
            f"cannot write: {error.strerror or error}", where=str(path), fix="check the storage folder's permissions"
        ) from None
