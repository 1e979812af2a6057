"""What is said when somebody stops a command: by Ctrl-C, or by SIGTERM, as supervisors do (systemd, Kubernetes)."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTED = 128 + signal.SIGINT
#: For which what is unwinding is not disturbed by another SIGTERM.
_CALM_SECONDS = 5


class Terminated(SystemExit):
    """SIGTERM. Unwinds as Ctrl-C does, so that raw text in the making goes with the command."""

    code: int

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def unwind_on_sigterm() -> None:
    """From now on SIGTERM raises Terminated in the main thread. One that follows within seconds says nothing
    new; a later one raises again, since a library may have swallowed the first."""
    last = -math.inf

    def terminate(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _CALM_SECONDS:
            last = time.monotonic()
            raise Terminated

    signal.signal(signal.SIGTERM, terminate)


@contextmanager
def told_when_stopped(line: str) -> Iterator[None]:
    """Says one line when what is in it is stopped, and ends with the exit code of the signal."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as stopped:
        print(line, file=sys.stderr, flush=True)
        sys.exit(stopped.code if isinstance(stopped, Terminated) else _INTERRUPTED)
