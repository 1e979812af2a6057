"""Fresh processes that do not pay for the imports of large libraries each time.

A server imports them once and forks for each script, before TensorFlow, JAX or MLflow have started anything: what a
script sees is the state after these imports, whatever ran before it. It is a process of its own, in a session of its
own, that can be killed like any other.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parents[2]

#: A script that is `python -m` of its first argument.
AS_A_PROGRAM = "import runpy, sys; del sys.argv[0]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"

#: Nothing of ours, and of other libraries what the models of keras-hub need.
KERAS_HUB = "keras_hub"

#: What `zoo.train` imports but Keras, which `zoo.backend` sets the environment up for.
LIBRARIES = "tensorflow mlflow.pyfunc mlflow.store.tracking.sqlalchemy_store presidio_analyzer spacy pyarrow.parquet"

# A keeper stays between the server, which goes on, and the script, whose exit code it hands on.
_SERVER = """
import atexit, importlib, json, os, signal, sys, threading, traceback
for module in sys.argv[1].split():
    importlib.import_module(module)
print("ready", flush=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    script, arguments, environment, folder = json.loads(line)
    if os.fork():
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with open(f"{folder}/status", "w") as status:
        child = os.fork()
        if child == 0:
            os.setsid()
            code = 1
            try:
                for number, name in ((1, "output"), (2, "errors")):
                    os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT), number)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.environ.clear()
                os.environ.update(environment)
                sys.argv = ["-c", *arguments]
                exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                try:
                    threading._shutdown()  # as an interpreter ends: its threads, what was to be done at its end
                    atexit._run_exitfuncs()
                    sys.stdout.flush()
                    sys.stderr.flush()
                finally:
                    os._exit(code)  # never back into the keeper's part
        print(child, file=status, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=status, flush=True)
    os._exit(0)
"""


class Fresh:
    """A script that runs in a process of its own.

    Attributes:
        pid: of the process, which leads its group.
        stdout: what it prints, as it does.
    """

    def __init__(
        self, script: str, *arguments: str, imported: str, backend: str, environment: Mapping[str, str]
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fresh-")
        folder = Path(self._folder.name)
        for name in ("status", "output"):
            os.mkfifo(folder / name)
        server = _server(imported, backend)
        assert server.stdin is not None
        present = os.environ | {"KERAS_BACKEND": backend, **environment}
        server.stdin.write(json.dumps([script, arguments, dict(present), str(folder)]) + "\n")
        server.stdin.flush()
        self._status = (folder / "status").open(encoding="utf-8")
        self.pid = int(self._status.readline())
        self.stdout: TextIO = (folder / "output").open(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> tuple[int, str, str]:
        """Waits; exit code (-9 after SIGKILL), what was left of its output, what it wrote to standard error."""
        with self._folder, self.stdout, self._status:
            output = self.stdout.read()
            code = int(self._status.readline())
            return code, output, (Path(self._folder.name) / "errors").read_text(encoding="utf-8", errors="replace")


def start_zoo(script: str, *arguments: str, **environment: str) -> Fresh:
    """Starts a script that uses `zoo`."""
    return Fresh(script, *arguments, imported=LIBRARIES, backend="tensorflow", environment=environment)


def run_zoo_script(script: str, *arguments: str, **environment: str) -> str:
    """The last line that a script prints which uses `zoo`."""
    return _last_line(start_zoo(script, *arguments, **environment))


def run_beside(script: str, *arguments: str, backend: str = "tensorflow") -> str:
    """The last line that a script prints in a process without anything of ours.

    Raises:
        AssertionError: the script failed; the message is the end of what it wrote.
    """
    return _last_line(Fresh(script, *arguments, imported=KERAS_HUB, backend=backend, environment={}))


def _last_line(process: Fresh) -> str:
    code, output, errors = process.end()
    assert code == 0, f"exit code {code}: {errors[-2000:]}"
    return output.splitlines()[-1]


@functools.cache
def _server(imported: str, backend: str) -> subprocess.Popen[str]:
    """It ends with this process, whose end of its input is closed then."""
    with tempfile.TemporaryFile("w+") as errors:
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, imported],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=os.environ | {"KERAS_BACKEND": backend},
        )
        assert server.stdout is not None
        if server.stdout.readline() != "ready\n":
            errors.seek(0)
            raise RuntimeError(f"cannot import {imported}: {errors.read()[-2000:]}")
        return server
