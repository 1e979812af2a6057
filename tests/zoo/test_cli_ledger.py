"""`zoo ledger`: what it prints, and its exit codes."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from governance import ConfigError
from tests.support.workspace import POLICY, make_workspace
from zoo.cli import main
from zoo.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    workspace = make_workspace(tmp_path, records=0)
    for number in range(3):
        workspace.ledger.append("model.registered", f"tax_domain.gpt/{number + 1}", {"run": f"r{number}"})
    return workspace


def zoo(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code."""
    monkeypatch.setattr(sys, "argv", ["zoo", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_verify_and_show(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert zoo(monkeypatch, "ledger", "verify", "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["ok"] and whole["entries"] == 3 and whole["problem"] is None
    assert zoo(monkeypatch, "ledger", "show", "--last", "2", "--json") == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert [entry["about"] for entry in entries] == ["tax_domain.gpt/2", "tax_domain.gpt/3"]
    assert whole["head"] == entries[-1]["hash"]
    assert zoo(monkeypatch, "ledger", "show") == 0
    assert "tax_domain.gpt/1" in capsys.readouterr().out
    assert zoo(monkeypatch, "ledger", "verify", "--head", entries[0]["hash"]) == 0
    assert "the ledger is whole" in capsys.readouterr().out


def test_an_edited_row_is_named_on_standard_error(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(workspace.storage / "ledger.db") as connection:
        connection.execute("UPDATE ledger SET body = '{}' WHERE number = 2")
    assert zoo(monkeypatch, "ledger", "verify", "--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["problem"]["entry"] == 2
    assert printed.err.count("\n") == 1 and "entry 2: edited" in printed.err


def test_a_receipt_is_checked_against_key_and_ledger(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = workspace.ledger.append("erasure.finished", "3f", {"records": 1})
    receipt = tmp_path / "receipt.json"
    receipt.write_text(json.dumps(workspace.ledger.sign({"records": 1}, entry)))
    assert zoo(monkeypatch, "ledger", "verify", "--receipt", str(receipt), "--json") == 0
    assert json.loads(capsys.readouterr().out)["receipt"] == {"records": 1}
    receipt.write_text(receipt.read_text().replace('"records": 1', '"records": 2'))
    assert zoo(monkeypatch, "ledger", "verify", "--receipt", str(receipt)) == 1
    assert "changed after it was signed" in capsys.readouterr().err
    receipt.write_text("[]")
    assert zoo(monkeypatch, "ledger", "verify", "--receipt", str(receipt)) == 1


@pytest.mark.parametrize(
    ("ledger", "url", "picks"),
    [
        (None, "sqlite:///{home}/.zoo/ledger.db", 0.01),
        ("sqlite:///kept/l.db", "sqlite:///{home}/kept/l.db", 0.01),
        ("sqlite:////kept/l.db", "sqlite:////kept/l.db", 0.01),
        ({"url": "postgresql+psycopg://u@h/db", "picks": 1}, "postgresql+psycopg://u@h/db", 1.0),
    ],
)
def test_where_the_ledger_is_kept(tmp_path: Path, ledger: object, url: str, picks: float) -> None:
    policy = POLICY | ({} if ledger is None else {"ledger": ledger})
    workspace = make_workspace(tmp_path, records=0, policy=policy)
    assert (workspace.ledger_url, workspace.picks) == (url.format(home=tmp_path), picks)


@pytest.mark.parametrize(
    ("ledger", "message"),
    [
        ({"uri": "x"}, r"ledger.uri: unknown key \(did you mean \"url\"\?\)"),
        ({"picks": 2}, "ledger.picks"),
        ("", "url"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, ledger: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_workspace(tmp_path, records=0, policy=POLICY | {"ledger": ledger})


def test_a_lost_key_is_not_replaced_once_there_is_a_ledger(workspace: Workspace) -> None:
    workspace.key_file.unlink()
    with pytest.raises(ConfigError, match="key of the pseudonyms is missing"):
        _ = Workspace.load(workspace.home).ledger
