"""The block that tests/conftest.py puts around every test, tried in a small test session of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
INSIDE = """
import socket, subprocess, sys
import pytest

ATTEMPTS = {
    "connect": "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
    "connect_ex": "import socket; socket.socket().connect_ex(('192.0.2.1', 80))",
    "lookup": "import socket; socket.getaddrinfo('example.org', 443)",
    "old_lookup": "import socket; socket.gethostbyname('example.org')",
    "datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "ipv6": "import socket; socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "urllib": "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=1)",
    "asyncio": "import asyncio; asyncio.run(asyncio.open_connection('192.0.2.1', 80))",
}

@pytest.mark.parametrize("name", ATTEMPTS)
def test_raises(name):
    with pytest.raises(RuntimeError, match=rf"test_raises\\[{name}\\].* reached for the outside"):
        exec(ATTEMPTS[name])

@pytest.mark.parametrize("name", ["connect", "lookup"])
def test_in_a_child(name):
    subprocess.run([sys.executable, "-c", ATTEMPTS[name]], stderr=subprocess.DEVNULL)

@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_local_tcp(host):
    with socket.create_server((host, 0)) as server:
        socket.create_connection((host, server.getsockname()[1])).close()

def test_local_unix_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))

def test_local_names():
    socket.getaddrinfo(None, 80)
    socket.getfqdn()
"""
BLOCKED = ["connect", "connect_ex", "lookup", "old_lookup", "datagram", "ipv6", "urllib", "asyncio"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints about INSIDE under a copy of our conftest."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "_offline").mkdir()
    for name in ("conftest.py", "_offline/sitecustomize.py"):
        (folder / name).write_bytes((TESTS / name).read_bytes())
    (folder / "test_it.py").write_text(INSIDE, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ZOO_TEST_NETWORK_LOG")}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "test_it.py"],
        cwd=folder,
        env=environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout + result.stderr


@pytest.mark.parametrize("name", BLOCKED)
def test_an_attempt_raises_and_fails_the_test_even_when_it_is_caught(report: str, name: str) -> None:
    assert f"test_raises[{name}] PASSED" in report  # the error came where the attempt was
    assert f"test_raises[{name}] ERROR" in report  # and the test failed although it caught the error
    assert f"test_it.py::test_raises[{name}] (call) reached for the outside network" in report


@pytest.mark.parametrize("name", ["connect", "lookup"])
def test_children_are_blocked_too(report: str, name: str) -> None:
    assert f"test_in_a_child[{name}] ERROR" in report
    assert f"test_it.py::test_in_a_child[{name}] (call) reached for the outside network" in report


def test_what_stays_on_the_machine_passes(report: str) -> None:
    assert len(re.findall(r"::test_local_\S+ PASSED", report)) == 4
    assert not re.findall(r"::test_local_\S+ (?:ERROR|FAILED)", report)
