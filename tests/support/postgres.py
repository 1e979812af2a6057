"""A PostgreSQL server of the machine's own binaries, on a free loopback port, for as long as a test needs it."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Debian keeps them off the PATH.
PLACES = "/usr/lib/postgresql/*/bin/"
NOBODY = "nobody"


def postgres_binaries() -> Path | None:
    """The folder with `initdb` and `postgres`; None where no server is installed."""
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).parent
    folders = sorted(glob.glob(PLACES))
    return Path(folders[-1]) if folders else None


@contextmanager
def postgres_server(binaries: Path) -> Iterator[str]:
    """Yields the URL of an empty database. The server does not run as root, so root starts it as nobody."""
    folder = Path(tempfile.mkdtemp(prefix="zoo-postgres-"))
    become: dict[str, Any] = {}
    if os.geteuid() == 0:
        entry = pwd.getpwnam(NOBODY)
        become = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C"}

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=folder, env=environment, **become)

    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    try:
        run(str(binaries / "initdb"), "-D", str(data), "-U", "zoo", "-A", "trust", "--no-sync")
        log = str(folder / "log")
        run(str(binaries / "pg_ctl"), "-D", str(data), "-l", log, "-w", "-o", settings, "start")
        try:
            yield f"postgresql+psycopg://zoo@127.0.0.1:{port}/postgres"
        finally:
            run(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
