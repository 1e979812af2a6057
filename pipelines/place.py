"""Where a pipeline's builds keep things below the storage root, and who may write there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from governance.errors import BusyError, DataError
from governance.labels import Label
from governance.wording import in_words
from pipelines.atomic import write_json
from pipelines.versions import DatasetVersion

_LOCK_SECONDS = 600
#: After which it is said that another process is waited for.
_SHORT_SECONDS = 2
#: Before the name of a version while another one takes its place.
REPLACED = ".replaced-"
#: Folders below the storage root with text.
_TEXT = ("cache", "cards", "datasets", "exclusions", "tokens", "work")


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

    @property
    def cache_label(self) -> Path:
        """Of all step caches of the pipeline."""
        return self.storage / "cache" / self.pipeline / "label.json"

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


def last_build(place: Place) -> dict[str, str]:
    """`digest` of the version and `build`, the digest of the inputs; nothing before the first.

    Raises:
        DataError: the file that says so is damaged.
    """
    try:
        content = json.loads(place.latest.read_text(encoding="utf-8"))
        return {"digest": content["digest"], **content}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"unreadable: {in_words(error, expected=['digest'])}", where=str(place.latest), fix="remove it"
        ) from None


def latest_version(place: Place) -> DatasetVersion | None:
    """That of the last build; None before the first, or when it was removed.

    Raises:
        DataError: it is damaged.
    """
    digest = last_build(place).get("digest")
    folder = place.datasets / str(digest)[:16]
    return DatasetVersion.open(folder) if digest is not None and folder.is_dir() else None


def is_ours(path: str, storage: Path) -> bool:
    """Whether a path is among what builds write: there is text of any domain, under labels that a path does not say."""
    inside = Path(os.path.realpath(path))
    return any(inside.is_relative_to(os.path.realpath(storage / name)) for name in _TEXT)


def remove_leftovers(place: Place) -> None:
    """What a killed build left under a temporary name; nobody else writes here under the lock.

    A version that was moved aside for its successor comes back if that one never took its place.
    """
    for aside in place.datasets.glob(f"{REPLACED}*"):
        if not (final := place.datasets / aside.name.removeprefix(REPLACED)).exists():
            os.rename(aside, final)
    for parent in (place.datasets, *place.stamps.parent.glob("*-*"), *place.cards.glob("*")):
        for path in parent.glob(".*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def remove_earlier_traces(place: Place, inputs_digest: str) -> None:
    """What builds of other inputs left: it shows records that may have left their source since, and that nobody who
    looks for them there would find."""
    for other in list(earlier_traces(place, inputs_digest)):
        if other.is_dir():
            shutil.rmtree(other)
        else:
            other.unlink(missing_ok=True)


def earlier_traces(place: Place, inputs_digest: str) -> Iterator[Path]:
    """Exclusions, lists of unreadable rows and cards of builds of other inputs."""
    for kept in (place.exclusions(inputs_digest), place.quarantine(inputs_digest), place.card(inputs_digest).parent):
        yield from (other for other in kept.parent.glob("*") if other != kept)


def label_caches(place: Place, label: Label) -> None:
    """Notes of which domains the step caches are. Those of a domain that the pipeline no longer has are removed, and
    so are those of which nobody can tell.

    A kill meanwhile leaves the rest under the former label, or under none: it goes at the next build.

    Raises:
        DataError: the folder is read-only.
    """
    path = place.cache_label
    try:
        if not _caches_may_stay(path, label) and any(other != place.stamps for other in path.parent.glob("*")):
            shutil.rmtree(path.parent)
    except OSError as error:
        raise DataError(
            f"caches of another domain cannot be removed: {error.strerror or error}",
            where=str(path.parent),
            fix="check the storage folder's permissions, or remove the folder",
        ) from None
    write_json(path, label.to_list())


def _caches_may_stay(path: Path, label: Label) -> bool:
    try:
        return set(json.loads(path.read_text(encoding="utf-8"))) <= label.domains
    except (OSError, ValueError, TypeError):
        return False


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
def locked(place: Place, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One build of a pipeline at a time; the kernel frees the lock of a killed process.

    Args:
        waits: called once when another process has the lock.
    """
    import filelock

    path = place.storage / "locks" / f"build-{place.pipeline}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path, timeout=_LOCK_SECONDS)
        try:
            lock.acquire(timeout=_SHORT_SECONDS)
        except filelock.Timeout:
            waits()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
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
