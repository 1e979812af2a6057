"""Which workspace is meant, and what it is made of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from governance import ConfigError
from tests.support.workspace import POLICY, make_workspace
from zoo.cli.app import app
from zoo.data import build_data
from zoo.doctor import examine
from zoo.init import init
from zoo.screen import Screen
from zoo.workspace import Workspace


def test_zoo_home_comes_first_then_the_current_folder_then_the_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, empty = (tmp_path / name for name in ("here", "there", "empty"))
    for home in (here, there):
        make_workspace(home, records=0)
    empty.mkdir()
    monkeypatch.chdir(empty)
    built_in = Workspace.current()
    assert built_in.built_in and built_in.storage == empty / ".zoo"
    assert built_in.pipeline_names == ["support_domain", "tax_domain"]
    monkeypatch.chdir(here)
    assert Workspace.current().home == here
    monkeypatch.setenv("ZOO_HOME", str(there))
    assert Workspace.current().home == there


def test_the_catalogues_key_is_the_same_everywhere_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Workspace.current().keys == Workspace.current().keys
    first, second = (make_fresh(tmp_path / name) for name in ("a", "b"))
    assert first.keys != second.keys
    assert first.keys == Workspace.load(first.home).keys


def make_fresh(home: Path) -> Workspace:
    init(home)
    return Workspace.load(home)


def test_init_writes_what_load_reads_and_never_overwrites(tmp_path: Path) -> None:
    home = tmp_path / "new"
    written = init(home)
    workspace = Workspace.load(home)
    assert {path.relative_to(home).as_posix() for path in written} == {
        "zoo.yaml",
        "pipelines/tax_domain.yaml",
        ".gitignore",
    }
    assert workspace.pipeline("tax_domain").domain == "tax"
    assert {".zoo/", "data/", "keys/"} <= set((home / ".gitignore").read_text().splitlines()), "raw text goes into git"
    assert (home / "keys" / "pseudonyms.key").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="there is a workspace here already"):
        init(home)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (None, "sqlite:///{home}/.zoo/mlflow.db"),
        ("sqlite:///runs.db", "sqlite:///{home}/runs.db"),
        ("sqlite:////var/runs.db", "sqlite:////var/runs.db"),
        ("postgresql+psycopg://u@h/db", "postgresql+psycopg://u@h/db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_tracking_uri(tmp_path: Path, uri: str | None, expected: str) -> None:
    make_workspace(tmp_path, records=0)
    content = POLICY | ({"tracking_uri": uri} if uri else {})
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump(content))
    assert Workspace.load(tmp_path).tracking_uri == expected.format(home=tmp_path)


def test_a_slip_in_roles_is_told_to_who_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = POLICY | {"callers": {"tax-service": {"roles": ["tax-sevice"]}}}
    workspace = make_workspace(tmp_path / "w", records=5, policy=policy)
    monkeypatch.setenv("ZOO_HOME", str(workspace.home))
    line = 'domains.tax.readers: no caller has the role "tax-service" (did you mean "tax-sevice"?)'
    [finding] = [one for one in examine() if one.subject == "policy"]
    assert not finding.fine and finding.detail.startswith(line)
    asked = CliRunner().invoke(app, ["policy", "explain", "--domain", "tax", "--caller", "tax-service"])
    assert asked.exit_code == 1 and f"warning: zoo.yaml: {line}" in asked.stderr
    said: list[str] = []
    screen = Screen()
    monkeypatch.setattr(screen, "say", said.append)
    monkeypatch.setattr("zoo.data.build", lambda *_, **__: sys.exit(7))  # what comes after is not asked here
    with pytest.raises(SystemExit):
        build_data(workspace.pipeline("tax_domain"), workspace, screen)
    assert any(one.startswith(f"warning: zoo.yaml: {line}") for one in said)
