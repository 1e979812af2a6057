"""The ledger: every edit of its table is found, writers wait for each other, a kill leaves a whole chain."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance import ConfigError, Keys, LedgerError
from governance.ledger import Ledger

KEYS = Keys(bytes(range(32)))
COLUMNS = ("number", "time", "event", "about", "body", "previous", "hash")

#: Appends to the ledger at argv[1] until argv[2] entries are its own, printing each number once it is written.
WRITER = """
import sys
from governance import Keys
from governance.ledger import Ledger
ledger = Ledger(sys.argv[1], Keys(bytes(range(32))))
for number in range(int(sys.argv[2])):
    print(ledger.append("test.written", "thing", {"by": sys.argv[3], "n": number}).number, flush=True)
"""


def ledger_at(path: Path) -> Ledger:
    return Ledger(f"sqlite:///{path / 'ledger.db'}", KEYS)


def filled(path: Path, entries: int = 6) -> Ledger:
    ledger = ledger_at(path)
    for number in range(entries):
        ledger.append("test.written", f"thing{number % 2}", {"n": number, "é": [None, True, 0.5]})
    return ledger


def edit(path: Path, *statements: str) -> None:
    with sqlite3.connect(path / "ledger.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_entries_are_kept_in_order_and_verify(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    entries = list(ledger.entries())
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert entries[2].content == {"n": 2, "é": [None, True, 0.5]}
    assert [entry.number for entry in ledger.entries(about="thing1", last=2)] == [4, 6]
    assert list(ledger.entries(event="test.other")) == []
    found = ledger.verify()
    assert (found.ok, found.entries, found.head) == (True, 6, entries[-1].hash)
    assert (tmp_path / "ledger.db").stat().st_mode & 0o077 == 0


def test_a_ledger_that_was_never_written_is_whole_and_is_not_made_by_reading(tmp_path: Path) -> None:
    assert ledger_at(tmp_path).verify().ok
    assert list(tmp_path.iterdir()) == []


def test_ensure_records_once(tmp_path: Path) -> None:
    ledger = ledger_at(tmp_path)
    assert ledger.ensure("model.registered", "a/1", {"n": 1}) is not None
    assert ledger.ensure("model.registered", "a/1", {"n": 2}) is None
    assert ledger.ensure("model.registered", "a/2", {}) is not None
    states = [ledger.ensure_latest("policy.recorded", "tax", {"digest": d}) is not None for d in "aabba"]
    assert states == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("statements", "number"),
    [
        (["UPDATE ledger SET body = replace(body, '2', '7') WHERE number = 3"], 3),
        (["UPDATE ledger SET time = '2020-01-01T00:00:00.000000+00:00' WHERE number = 1"], 1),
        (["UPDATE ledger SET body = CAST(x'ff00fe' AS TEXT) WHERE number = 4"], 4),
        (["UPDATE ledger SET hash = x'00' WHERE number = 6"], 6),
        (["DELETE FROM ledger WHERE number = 1"], 1),
        (["DELETE FROM ledger WHERE number = 4"], 4),
        (["DELETE FROM ledger WHERE number >= 5"], 5),  # the tail: seen against the head's file
        (["DELETE FROM ledger"], 1),
        (["DROP TABLE ledger"], 1),
        (
            [
                "UPDATE ledger SET number = -number WHERE number IN (2, 5)",
                "UPDATE ledger SET number = 5 WHERE number = -2",
                "UPDATE ledger SET number = 2 WHERE number = -5",
            ],
            2,
        ),
        (["INSERT INTO ledger SELECT 7, time, event, about, body, previous, hash FROM ledger WHERE number = 6"], 7),
        (["INSERT INTO ledger SELECT -3, time, event, about, body, previous, hash FROM ledger WHERE number = 6"], 1),
        (["DELETE FROM ledger WHERE number = 3", "UPDATE ledger SET number = number - 1 WHERE number > 3"], 3),
    ],
)
def test_an_edit_is_found_and_named(tmp_path: Path, statements: list[str], number: int) -> None:
    ledger = filled(tmp_path)
    edit(tmp_path, *statements)
    found = ledger.verify()
    assert found.problem is not None and found.problem.number == number


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE ledger SET body = '{}' WHERE number = 2", "^edited, moved or added"),
        ("DELETE FROM ledger WHERE number IN (2, 3)", "^removed: entry 4 follows"),
        ("DELETE FROM ledger WHERE number > 3", "^cut off: the ledger ends here, but entry 6 was written"),
    ],
)
def test_the_finding_says_what_was_done(tmp_path: Path, statement: str, words: str) -> None:
    ledger = filled(tmp_path)
    edit(tmp_path, statement)
    problem = ledger.verify().problem
    assert problem is not None and re.search(words, problem.what)


cell = st.one_of(st.text(max_size=70), st.binary(max_size=5), st.integers(-(2**40), 2**40), st.floats(allow_nan=False))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ledger")
    filled(folder)
    return folder


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edit_of_any_cell_or_row_is_found(template: Path, tmp_path: Path, data: st.DataObject) -> None:
    for name in ("ledger.db", "ledger.head"):
        (tmp_path / name).write_bytes((template / name).read_bytes())
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.text_factory = bytes
    before = connection.execute("SELECT * FROM ledger ORDER BY number").fetchall()
    number = data.draw(st.integers(1, len(before)))
    match data.draw(st.sampled_from(["cell", "copy", "delete", "insert"])):
        case "cell":
            column = data.draw(st.sampled_from(COLUMNS[1:]))
            connection.execute(f"UPDATE ledger SET {column} = ? WHERE number = ?", (data.draw(cell), number))
        case "copy":
            column = data.draw(st.sampled_from(COLUMNS[1:]))
            other = data.draw(st.integers(1, len(before)))
            source = f"(SELECT {column} FROM ledger WHERE number = ?)"
            connection.execute(f"UPDATE ledger SET {column} = {source} WHERE number = ?", (other, number))
        case "delete":
            connection.execute("DELETE FROM ledger WHERE number = ?", (number,))
        case "insert":
            new = data.draw(st.integers(-5, 20).filter(lambda n: not 1 <= n <= len(before)))
            values = data.draw(st.lists(cell, min_size=6, max_size=6))
            connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)", (new, *values))
    connection.commit()
    after = connection.execute("SELECT * FROM ledger ORDER BY number").fetchall()
    connection.close()
    assert ledger_at(tmp_path).verify().ok == (before == after)


def test_without_the_key_nobody_can_write_a_chain_anew(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    (tmp_path / "other").mkdir()
    forger = Ledger(f"sqlite:///{tmp_path / 'other' / 'ledger.db'}", Keys(bytes(32)))
    for number in range(6):
        forger.append("test.written", "thing", {"n": number + 1})
    (tmp_path / "ledger.db").write_bytes((tmp_path / "other" / "ledger.db").read_bytes())
    assert ledger.verify().problem is not None
    with pytest.raises(LedgerError, match="edited or belongs to another workspace"):
        ledger.append("test.written", "thing", {})


def test_a_cut_is_not_hidden_by_the_next_append(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    edit(tmp_path, "DELETE FROM ledger WHERE number > 4")
    with pytest.raises(LedgerError, match="entry 6 was written and is no longer there"):
        ledger.append("test.written", "thing", {})


def test_what_a_head_kept_elsewhere_shows_that_the_file_does_not(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    kept = ledger.verify().head
    entries = list(ledger.entries())
    receipt = ledger.sign({"erased": 1}, entries[5])
    edit(tmp_path, "DELETE FROM ledger WHERE number > 4")
    (tmp_path / "ledger.head").write_text(json.dumps({"number": 4, "hash": entries[3].hash}))
    assert ledger.verify().ok  # both taken back to an earlier state
    assert not ledger.verify(head=kept).ok and not ledger.verify(receipt=receipt).ok
    assert ledger.verify(head=entries[2].hash).ok
    (tmp_path / "ledger.head").unlink()
    assert not ledger.verify().ok
    (tmp_path / "ledger.head").write_text("{")
    with pytest.raises(LedgerError, match="head of the ledger cannot be read"):
        ledger.verify()


def test_processes_that_append_at_once_make_one_chain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, url, "15", name]) for name in "abc"]
    assert [writer.wait(240) for writer in writers] == [0, 0, 0]
    ledger = ledger_at(tmp_path)
    assert ledger.verify().entries == 45
    found = [(entry.content["by"], entry.content["n"]) for entry in ledger.entries()]
    assert all([n for by, n in found if by == name] == list(range(15)) for name in "abc")


def test_a_kill_loses_no_entry_that_was_reported_and_leaves_a_whole_chain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = ledger_at(tmp_path)
    reported = 0
    for wait in (0.0, 0.013, 0.04):
        command = [sys.executable, "-c", WRITER, url, "100000", "x"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            first = int(writer.stdout.readline())
            assert first > reported
            time.sleep(wait)
            os.kill(writer.pid, signal.SIGKILL)
            reported = max([first, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        found = ledger.verify()
        assert found.ok and found.entries >= reported
    ledger.append("test.written", "thing", {})
    assert ledger.verify().ok


@pytest.mark.parametrize("event", ["", "Model", "a b", "a..b", "a.b;"])
def test_an_event_has_a_plain_name(tmp_path: Path, event: str) -> None:
    with pytest.raises(LedgerError, match="no name of an event"):
        ledger_at(tmp_path).append(event, "x", {})


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_a_body_is_json(tmp_path: Path, value: object) -> None:
    with pytest.raises(LedgerError, match="JSON alone"):
        ledger_at(tmp_path).append("a", "x", {"v": value})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("url", "message"), [("ledger.db", "no database URL"), ("mysql://h/d", "SQLite or PostgreSQL")]
)
def test_another_database_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Ledger(url, KEYS)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("not a database, " * 100)
    with pytest.raises(LedgerError, match="file is not a database"):
        ledger_at(tmp_path).append("a", "x", {})
