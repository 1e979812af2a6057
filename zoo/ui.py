"""`zoo ui`: MLflow's own web UI on the workspace's runs and models."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from types import FrameType

from governance.errors import BusyError, RegistryError
from zoo.workspace import Workspace


def serve(host: str, port: int) -> None:
    """Runs the UI until it is interrupted.

    Raises:
        BusyError: the port is in use.
        RegistryError: the tracking database cannot be opened, or the server ended by itself.
    """
    from registry import Tracking

    workspace = Workspace.current()
    _check_port(host, port)
    Tracking(workspace.tracking_uri, workspace.artifact_root).check()
    # MLflow opens in its GenAI mode unless the address says otherwise.
    address = f"http://{host}:{port}/#/models?workflowType=machine_learning"
    print(f"MLflow on {workspace.storage}: {address}  (end with Ctrl-C)", flush=True)
    # MLflow starts four workers by itself, each of which takes seconds and 300 MB: this is for few people.
    command = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "2"]
    # Not as arguments: the database's address may hold a password, and anybody may list processes.
    stores = {"BACKEND_STORE_URI": workspace.tracking_uri, "DEFAULT_ARTIFACT_ROOT": workspace.artifact_root}
    environment = os.environ | {f"MLFLOW_{name}": value for name, value in stores.items()}
    signal.signal(signal.SIGTERM, _interrupt)
    # A session of its own, so that its workers can be ended with it.
    with subprocess.Popen(command, env=environment, start_new_session=True) as server:
        try:
            code = server.wait()
        except KeyboardInterrupt:
            return
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
    if code != 0:
        raise RegistryError(f"the MLflow server ended with code {code}", fix="see its messages above")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the server like Ctrl-C."""
    raise KeyboardInterrupt


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BusyError(
                f"cannot listen on {host}:{port}: {error.strerror}", fix=f"try `zoo ui --port {port + 1}`"
            ) from None
