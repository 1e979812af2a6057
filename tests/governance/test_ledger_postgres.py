"""The ledger on a real PostgreSQL server: the same chain, the same findings, writers that wait for each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from governance import Keys, LedgerError
from governance.ledger import Ledger
from tests.governance.test_ledger import KEYS, WRITER
from tests.support.postgres import postgres_binaries, postgres_server

BINARIES = postgres_binaries()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL server is installed on this machine"),
    pytest.mark.xdist_group("postgres"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    assert BINARIES is not None
    with postgres_server(BINARIES) as url:
        yield url


@pytest.fixture
def ledger(url: str, tmp_path: Path) -> Iterator[Ledger]:
    yield Ledger(url, KEYS, head=tmp_path / "ledger.head")
    edit(url, "DROP TABLE IF EXISTS ledger")


def edit(url: str, statement: str) -> None:
    engine = sa.create_engine(url, connect_args={"client_encoding": "utf8"})
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_reading_makes_no_table(ledger: Ledger) -> None:
    assert ledger.verify().ok and list(ledger.entries()) == []


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE ledger SET body = '{}' WHERE number = 2", 2),
        ("DELETE FROM ledger WHERE number = 2", 2),
        ("DELETE FROM ledger WHERE number > 2", 3),
        ("UPDATE ledger SET number = number + 10 WHERE number = 1", 1),
    ],
)
def test_an_edit_is_found(ledger: Ledger, url: str, statement: str, number: int) -> None:
    for n in range(4):
        ledger.append("test.written", "thing", {"n": n, "text": "\0é'\\"})
    assert ledger.verify().entries == 4
    edit(url, statement)
    found = ledger.verify()
    assert found.problem is not None and found.problem.number == number


def test_another_workspace_cannot_write_into_it(ledger: Ledger, url: str, tmp_path: Path) -> None:
    ledger.append("test.written", "thing", {})
    with pytest.raises(LedgerError, match="belongs to another workspace"):
        Ledger(url, Keys(bytes(32)), head=tmp_path / "other.head").append("test.written", "thing", {})


def test_processes_that_append_at_once_one_of_them_killed(ledger: Ledger, url: str, tmp_path: Path) -> None:
    script = WRITER.replace("bytes(range(32))))", "bytes(range(32))), head=__import__('pathlib').Path(sys.argv[4]))")
    head = str(tmp_path / "ledger.head")

    def writer(name: str, count: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, url, count, name, head]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with writer("doomed", "100000") as doomed, writer("a", "20") as a, writer("b", "20") as b:
        assert a.wait(120) == 0 and b.wait(120) == 0
        os.kill(doomed.pid, signal.SIGKILL)
        assert doomed.stdout is not None
        reported = [int(line) for line in doomed.stdout.read().split("\n")[:-1]]
    found = ledger.verify()
    assert found.ok, found.problem
    written = [entry.number for entry in ledger.entries() if entry.content["by"] == "doomed"]
    assert written[: len(reported)] == reported
    ledger.append("test.written", "thing", {})
    assert ledger.verify().ok
