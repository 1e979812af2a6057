"""The command line. `main` turns a user's mistake into one line on standard error and exit code 1."""

from __future__ import annotations

import os
import signal
import sys


def _where_we_are() -> str:
    """A refusal has the same words for everything; only this may be added, since it tells nothing of domains."""
    from pathlib import Path

    if os.environ.get("ZOO_HOME") or Path("zoo.yaml").exists():
        return ""
    from zoo.workspace import BUILT_IN_NOTE

    return BUILT_IN_NOTE


def main() -> None:
    """Entry point of the console script `zoo`. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 143 ended
    by SIGTERM."""
    from governance.errors import PolicyRefused, ZooError
    from zoo.cli.app import app

    # Ended as by Ctrl-C, so that raw text in the making goes with the command.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app()
    except ZooError as error:
        note = _where_we_are() if isinstance(error, PolicyRefused) else ""
        print(f"error: {error}{note}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
