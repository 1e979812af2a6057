"""The command line. `main` turns a user's mistake into one line on standard error and exit code 1."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script `zoo`. Exit codes: 0 done, 1 refused or failed, 2 wrong usage."""
    from governance.errors import ZooError
    from zoo.cli.app import app

    try:
        app()
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
