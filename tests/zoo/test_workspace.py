"""Which workspace is meant, and what it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from governance import ConfigError
from tests.support.workspace import POLICY, make_workspace
from zoo.init import init
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
