"""What is said when somebody stops a command: by Ctrl-C, or by SIGTERM, as supervisors do (systemd, Kubernetes)."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTED = 128 + signal.SIGINT


class Terminated(SystemExit):
    """SIGTERM. Unwinds as Ctrl-C does, so that raw text in the making goes with the command."""

    code: int

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def unwind_on_sigterm() -> None:
    """From now on SIGTERM raises Terminated in the main thread; once, so that a second one does not disturb it."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


@contextmanager
def told_when_stopped(line: str) -> Iterator[None]:
    """Says one line when what is in it is stopped, and ends with the exit code of the signal."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as stopped:
        print(line, file=sys.stderr, flush=True)
        sys.exit(stopped.code if isinstance(stopped, Terminated) else _INTERRUPTED)
