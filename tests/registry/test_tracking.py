from __future__ import annotations

import errno
import logging
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import BusyError, RegistryError, ZooError
from registry import Tracking
from registry.errors import translate, without_password
from tests.support.children import start_child
from tests.support.mlflow_template import copy_template
from tests.support.models import open_store, start_run

ROOT = Path(__file__).parents[2]


def test_a_new_database_is_prepared_once_says_so_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    lines: list[str] = []
    store = Tracking(f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}", say=lines.append)
    assert store.client.search_experiments()[0].artifact_location.startswith(str(tmp_path / "new" / "artifacts"))
    again = Tracking(store.uri, say=lines.append)
    again.client.search_experiments()
    assert len(lines) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mlflow.db"]


def test_killed_while_preparing_the_next_start_has_a_whole_database(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    child = start_child(open_store, f"sqlite:///{database}")
    while not list(tmp_path.glob(".preparing-*/*.db")):
        assert child.exitcode is None
    child.kill()
    child.join()
    assert not database.exists()
    run = start_run(Tracking(f"sqlite:///{database}"))
    assert not run.resumed


def test_a_user_sees_nothing_of_mlflow(tmp_path: Path) -> None:
    code = (
        "import logging, sys; from registry import Tracking\n"
        "from tests.support.models import register_fake, start_run; from pathlib import Path\n"
        f"run = start_run(Tracking('sqlite:///{tmp_path}/mlflow.db'))\n"
        f"with run: register_fake(run, Path({str(tmp_path)!r}))\n"
        "assert not logging.root.handlers\n"
        "assert not {'tensorflow', 'keras', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_locked_database_is_waited_for_and_then_said(mlflow_template: Path, tmp_path: Path) -> None:
    store = copy_template(mlflow_template, tmp_path)
    store.busy_seconds = 0.3
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BusyError, match=r"mlflow\.db: .* locked .*; wait until"):
            store.client.search_experiments()
        other.execute("ROLLBACK")
    assert store.client.search_experiments()


def no_database(path: Path) -> None:
    path.write_bytes(b"this is text and not a database at all, " * 50)


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE accounts (id INTEGER)")


def other_schema(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0123456789ab')")
        connection.commit()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_database, "no MLflow database"),
        (foreign_database, "no MLflow database"),
        (other_schema, "another version of MLflow.*mlflow db upgrade"),
        (Path.mkdir, "no MLflow database"),
    ],
)
def test_what_lies_there_already_is_never_changed(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "mlflow.db"
    make(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(RegistryError, match=words):
        Tracking(f"sqlite:///{path}").client.search_experiments()
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match="folder of the tracking database cannot be made"):
        Tracking(f"sqlite:///{tmp_path}/file/mlflow.db").client.search_experiments()


def test_a_file_system_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:  # /proc refuses also root
        Tracking("sqlite:////proc/self/zoo/mlflow.db").client.search_experiments()
    assert "\n" not in str(caught.value)
    assert "tracking_uri" in str(caught.value)


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match="does not answer"):
        Tracking("http://127.0.0.1:9").client.search_experiments()


def test_a_database_server_needs_a_place_for_artifacts_and_its_driver() -> None:
    with pytest.raises(RegistryError, match="place for artifacts") as caught:
        Tracking("postgresql://me:secret@host/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (sqlite3.OperationalError("database is locked"), BusyError, "locked"),
        (sqlite3.OperationalError("attempt to write a readonly database"), RegistryError, "write permission"),
        (sqlite3.OperationalError("database or disk is full"), RegistryError, "disk is full"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), RegistryError, "disk is full"),
        (sqlite3.OperationalError("unable to open database file"), RegistryError, "cannot be opened"),
        (sqlite3.DatabaseError("database disk image is malformed"), RegistryError, "no MLflow database"),
        (PermissionError(errno.EACCES, "no", "/x/y"), RegistryError, "/x/y: permission denied"),
        (ModuleNotFoundError("no", name="psycopg2"), RegistryError, "psycopg2"),
        (ConnectionRefusedError("no"), RegistryError, "does not answer"),
        (ValueError("first\n[parameters: ('Jane Doe',)]"), RegistryError, "first"),
    ],
)
def test_errors_by_kind(error: Exception, kind: type[ZooError], words: str) -> None:
    found = translate(error, where="sqlite:///x")
    assert isinstance(found, kind)
    assert words in str(found)
    assert "\n" not in str(found)
    assert "Jane" not in str(found)


@given(st.text(alphabet="abc123!$%&", min_size=1))
def test_a_password_is_never_shown(password: str) -> None:
    shown = without_password(f"postgresql://user:{password}@host/db")
    assert shown == "postgresql://user:***@host/db"


def test_the_default_store_of_mlflow_and_the_loggers_of_the_program_stay(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    with tracking.as_default():
        assert mlflow.get_tracking_uri() == tracking.uri
    assert mlflow.get_tracking_uri() == "sqlite:///elsewhere.db"
    assert logging.getLogger().level == logging.WARNING


def test_an_experiment_is_created_once_and_a_deleted_one_is_said(tracking: Tracking) -> None:
    first = tracking.experiment_id("tax")
    assert tracking.experiment_id("tax") == first
    tracking.client.delete_experiment(first)
    with pytest.raises(RegistryError, match="was deleted.*mlflow experiments restore"):
        tracking.experiment_id("tax")
