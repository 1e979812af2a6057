"""The catalogue: which versions there are, held in memory, so that a query never asks MLflow.

A background thread reads MLflow every `refresh_seconds`. A new champion that another process made is seen after
that time at the latest; call `refresh` to see it at once. What must not wait, a quarantine, is told through a file that
all processes look at before they answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path

from governance.errors import ZooError
from registry.tracking import Tracking
from registry.versions import ModelVersion, recent_versions

_LOG = logging.getLogger("registry")


@dataclass(frozen=True)
class Snapshot:
    """The versions at one moment. `id` is a hash of the content: equal content, equal id.

    `taken` is in seconds since 1970.
    """

    id: str
    entries: tuple[ModelVersion, ...]
    taken: float = 0.0

    @classmethod
    def of(cls, entries: tuple[ModelVersion, ...] | list[ModelVersion], *, taken: float = 0.0) -> Snapshot:
        ordered = tuple(sorted(entries, key=lambda v: (v.name, v.version)))
        content = [asdict(entry) | {"label": entry.label.to_list()} for entry in ordered]
        text = json.dumps(content, sort_keys=True, default=str)
        return cls(hashlib.sha256(text.encode()).hexdigest()[:16], ordered, taken)


class Catalogue:
    """The snapshot of one store. The first `snapshot` waits for MLflow, no later one does.

    Args:
        refresh_seconds: time between two readings in the background; None: only `refresh` reads.
        recent: how many versions of each model are read besides those with an alias.
        bell: a file; after each change of it (`ring`) MLflow is read before the next answer.
    """

    def __init__(
        self,
        tracking: Tracking,
        refresh_seconds: float | None = 30.0,
        *,
        recent: int = 10,
        bell: Path | None = None,
    ) -> None:
        self.tracking = tracking
        self.refresh_seconds = refresh_seconds
        self.recent = recent
        self.bell = bell
        self.last_error: ZooError | None = None
        self._heard: int | None = None
        self._snapshot: Snapshot | None = None
        self._reading = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def snapshot(self) -> Snapshot:
        """What was read last, from memory.

        Raises:
            RegistryError, BusyError: the first reading failed, or the one that the bell asked for.
        """
        found = self._snapshot
        if found is None or self._heard != self._rung():
            with self._reading:
                found = self._snapshot
                if found is None or self._heard != self._rung():
                    found = self._read()
        self._start()
        return found

    def refresh(self) -> Snapshot:
        """Reads MLflow now. When that fails, the previous snapshot stays and the error is raised."""
        with self._reading:
            found = self._read()
            self.last_error = None
        return found

    def close(self) -> None:
        """Ends the background thread; the snapshot stays usable."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _read(self) -> Snapshot:
        rung = self._rung()  # before: a ring meanwhile asks for another reading
        self._snapshot = Snapshot.of(recent_versions(self.tracking, self.recent), taken=time.time())
        self._heard = rung
        return self._snapshot

    def _rung(self) -> int | None:
        try:
            return None if self.bell is None else os.stat(self.bell).st_mtime_ns
        except OSError:  # it was never rung
            return None

    def _start(self) -> None:
        alive = self._thread is not None and self._thread.is_alive()
        if alive or self.refresh_seconds is None or self._stop.is_set():
            return
        with self._reading:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=_refresh_for_ever,
                    args=(weakref.ref(self), self._stop, self.refresh_seconds),
                    name="zoo-catalogue",
                    daemon=True,
                )
                self._thread.start()


def ring(bell: Path) -> None:
    """Lets all processes read the store before they answer again."""
    bell.parent.mkdir(parents=True, exist_ok=True)
    bell.touch()
    os.utime(bell)


def _refresh_for_ever(owner: weakref.ref[Catalogue], stop: threading.Event, seconds: float) -> None:
    """Ends with its catalogue, which it does not keep alive."""
    while not stop.wait(seconds):
        catalogue = owner()
        if catalogue is None:
            return
        try:
            catalogue.refresh()
        except ZooError as error:  # the store is away: the last snapshot serves on
            if catalogue.last_error is None:
                _LOG.warning("the catalogue was not refreshed: %s", error)
            catalogue.last_error = error
        del catalogue
