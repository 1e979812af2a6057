"""The command line. `main` turns a user's mistake into one line on standard error and exit code 1."""

from __future__ import annotations

import os
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
    from zoo.cli.stopping import Terminated, unwind_on_sigterm

    unwind_on_sigterm()
    try:
        app()
    except Terminated:
        print("stopped", file=sys.stderr)
        raise
    except ZooError as error:
        note = _where_we_are() if isinstance(error, PolicyRefused) else ""
        print(f"error: {error}{note}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
