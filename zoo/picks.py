"""A sample of the picks, for the ledger, without keeping an answer waiting.

An answer puts its pick into a queue of this process; a thread writes it. Where that falls behind, or the ledger cannot
be written, picks are left out and a warning goes to the log: the answer has been given.
"""

from __future__ import annotations

import atexit
import logging
import queue
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from governance.errors import ZooError
from zoo.recording import PICKED, record_grants
from zoo.workspace import Workspace

if TYPE_CHECKING:
    from governance.ledger import Json
    from zoo.query import Answer

_LOG = logging.getLogger("zoo")
_WAITING = 1_000  # picks
_KINDS = 10_000
_LAST_SECONDS = 5.0


@dataclass
class _Recorder:
    """Of one ledger."""

    workspace: Workspace
    picks: queue.Queue[dict[str, Json]] = field(default_factory=lambda: queue.Queue(_WAITING))
    seen: set[tuple[str, ...]] = field(default_factory=set)
    thread: threading.Thread | None = None
    policy: str = ""

    def take(self, answer: Answer) -> None:
        decision = answer.decision
        kind = (decision.domain, str(decision.caller), decision.purpose, str(decision.chosen))
        if not self._sampled(kind):
            return
        pick: dict[str, Json] = {
            "answer": answer.id,
            "model": str(decision.chosen),
            "domain": decision.domain,
            "caller": decision.caller,
            "purpose": decision.purpose,
            "snapshot": decision.snapshot,
        }
        try:
            self.picks.put_nowait(pick)
        except queue.Full:
            _LOG.warning("a pick is not recorded: the ledger is too slow")
            return
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._write, name="zoo-picks", daemon=True)
            self.thread.start()

    def _sampled(self, kind: tuple[str, ...]) -> bool:
        """The first of its kind in this process, and a share of the others."""
        if self.workspace.picks == 0:
            return False
        if kind not in self.seen and len(self.seen) < _KINDS:
            self.seen.add(kind)
            return True
        return random.random() < self.workspace.picks

    def _write(self) -> None:
        while True:
            pick = self.picks.get()
            try:
                self._record_grants()
                self.workspace.ledger.append(PICKED, str(pick["answer"]), pick)
            except ZooError as error:
                _LOG.warning("a pick is not recorded: %s", error)
            finally:
                self.picks.task_done()

    def _record_grants(self) -> None:
        """Once for each policy that this process answers under."""
        if self.policy != self.workspace.policy.digest:
            record_grants(self.workspace)
            self.policy = self.workspace.policy.digest

    def flush(self, seconds: float) -> None:
        """Waits until what was taken is written, at most so long."""
        end = time.monotonic() + seconds
        while self.picks.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)


_recorders: dict[str, _Recorder] = {}
_lock = threading.Lock()


def record_pick(workspace: Workspace, answer: Answer) -> None:
    """Records the first pick of each caller, purpose and version in this process, and a share of the others
    (`ledger.picks` in zoo.yaml). Returns at once and raises nothing."""
    with _lock:
        recorder = _recorders.setdefault(workspace.ledger_url, _Recorder(workspace))
    recorder.workspace = workspace
    recorder.take(answer)


@atexit.register
def flush_picks(seconds: float = _LAST_SECONDS) -> None:
    """Waits until the picks of this process are in their ledgers, at most so many seconds each."""
    for recorder in list(_recorders.values()):
        recorder.flush(seconds)
