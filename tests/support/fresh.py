"""Fresh processes that have imported keras-hub and nothing of ours, without paying ten seconds for it each time.

A server imports keras-hub once for each backend and forks for each script, before TensorFlow or JAX have started
anything: what a script sees is the state after `import keras_hub`, whatever ran before it.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: A script that is `python -m` of its first argument.
AS_A_PROGRAM = "import runpy, sys; del sys.argv[0]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"

_SERVER = """
import json, os, sys, traceback
import keras_hub
for line in sys.stdin:
    script, arguments, output = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(written, 1)
            os.dup2(written, 2)
            sys.argv = ["-c", *arguments]
            exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def run_beside(script: str, *arguments: str, backend: str = "tensorflow") -> str:
    """The last line that a script prints in a fresh process.

    Raises:
        AssertionError: the script failed; the message is the end of what it printed.
    """
    server = _server(backend)
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        server.stdin.write(json.dumps([script, arguments, str(output)]) + "\n")
        server.stdin.flush()
        code = server.stdout.readline().strip()
        printed = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    assert code == "0", f"exit code {code or 'of the server'}: {printed[-2000:]}"
    return printed.splitlines()[-1]


@functools.cache
def _server(backend: str) -> subprocess.Popen[str]:
    """It ends with this process, whose end of its input is closed then."""
    return subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
    )
