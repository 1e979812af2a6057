"""Bad input: exit code 1, one line on standard error, nothing half-written.

Each case of the table in `bad_input` spoils a small workspace in one way and calls the command
line. What must hold afterwards is the same for all: no traceback, one line, and no dataset
version, model or temporary file. Below the table stand the cases that need more than a file.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from governance.errors import ZooError
from tests.end_to_end.bad_input import BUILD, CASES, TRAIN, Case
from tests.support.workspace import bundled_rows, make_workspace, write_jsonl
from zoo.cli.app import app
from zoo.workspace import Workspace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "workspace"
    make_workspace(home, records=60)
    monkeypatch.setenv("ZOO_HOME", str(home))
    monkeypatch.chdir(home)
    return home


def failure_of(command: tuple[str, ...]) -> ZooError:
    """Runs a command in this process, as `zoo.cli.main` does, and returns its error."""
    result = CliRunner().invoke(app, list(command))
    assert isinstance(result.exception, ZooError), f"{result.exception!r}\n{result.output}"
    return result.exception


def assert_nothing_half_written(home: Path) -> None:
    storage = home / ".zoo"
    if not storage.is_dir():
        return
    names = [path.relative_to(storage) for path in storage.rglob("*")]
    assert [n for n in names if n.name.startswith(".") or n.suffix == ".tmp"] == []
    assert [n for n in names if n.parts[0] == "work" and len(n.parts) > 1] == [], "raw text must not stay"
    for version in (storage / "datasets").glob("*/*/"):
        if version.name != "inputs":
            assert (version / "version.json").is_file()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_line_and_nothing_half_written(case: Case, home: Path) -> None:
    case.spoil(home)
    line = str(failure_of(case.command))
    assert "\n" not in line
    for part in case.says:
        assert part in line
    assert_nothing_half_written(home)


def test_there_are_at_least_forty_cases() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The kernel refuses to let a file grow beyond `size` bytes, as a full disk does."""
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)


@pytest.mark.parametrize("size", [0, 2_000, 20_000])
def test_no_room_on_the_disk(home: Path, size: int) -> None:
    with file_size_limit(size):
        line = str(failure_of(BUILD))
    assert "\n" not in line and "cannot" in line
    assert_nothing_half_written(home)
    assert CliRunner().invoke(app, list(BUILD)).exit_code == 0, "the same command succeeds when there is room"


def test_a_read_only_folder(home: Path) -> None:
    """A read-only mount needs no permission bits, which root would not feel."""
    storage = home / ".zoo"
    storage.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", storage], capture_output=True)
    if mounted.returncode == 0:
        try:
            line = str(failure_of(BUILD))
        finally:
            subprocess.run(["umount", storage], check=True)
    else:  # an ordinary user: permission bits do it
        storage.chmod(0o500)
        line = str(failure_of(BUILD))
        storage.chmod(0o700)
    assert "cannot write" in line and str(storage) in line


def test_a_port_in_use(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = str(failure_of(("ui", "--port", str(port))))
    assert f"cannot listen on 127.0.0.1:{port}" in line and f"zoo ui --port {port + 1}" in line


def test_a_terminated_ui_leaves_no_server(home: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-P", "-m", "zoo", "ui", "--port", str(port)]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ui:
        assert until(lambda: listens(port), seconds=90)
        ui.terminate()
        assert ui.wait(30) == 0
        assert until(lambda: not listens(port), seconds=15)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], bool], *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


def test_a_window_that_does_not_fit_is_refused_before_any_data_is_read(home: Path) -> None:
    line = str(failure_of(("train", "gpt", "--pipeline", "tax_domain", "--window", "9999")))
    assert line == "plan.window: a window of 9999 tokens exceeds the model's context of 256"
    assert not (home / ".zoo").exists()


def test_an_unknown_type_in_a_labelled_file(tmp_path: Path) -> None:
    """A public file may label what nobody looks for: that is measured as missed, and said."""
    file = tmp_path / "labelled.jsonl"
    file.write_text('{"text": "a", "spans": [{"start": 0, "end": 1, "type": "PRESON"}]}\n')
    result = CliRunner().invoke(app, ["audit", "pii", str(file)])
    assert result.exit_code == 0
    line = f'warning: {file}: no detector knows the labelled types "PRESON" (did you mean "PERSON"?); '
    assert result.stderr == f"{line}their spans count as missed\n"
    assert [row.split() for row in result.stdout.splitlines()][1] == ["PRESON", "1", "0", "0.000"]


def test_the_wrong_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "this is the built-in workspace" in str(failure_of(("data", "build", "mine")))


def test_a_locked_database(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from registry import Tracking

    workspace = Workspace.load(home)
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    tracking.client.search_experiments(max_results=1)
    monkeypatch.setattr("registry.tracking.Tracking.__init__.__kwdefaults__", {"busy_seconds": 0.5, "say": None})
    assert tracking.database is not None
    with contextlib.closing(sqlite3.connect(tracking.database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        line = str(failure_of(("models",)))
        other.rollback()
    assert "locked by another process" in line


def test_two_trainings_at_once(home: Path) -> None:
    import filelock

    (home / ".zoo" / "locks").mkdir(parents=True)
    with filelock.FileLock(home / ".zoo" / "locks" / "train-tax_domain.gpt-nano.lock"):
        line = str(failure_of(TRAIN))
    assert "another process is training tax_domain.gpt" in line


def test_a_file_that_changes_while_it_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_module = sys.modules["pipelines.build"]  # `pipelines.build` as an attribute is the verb
    real = build_module.stage

    def stage(*arguments: object, **options: object) -> object:
        result = real(*arguments, **options)  # type: ignore[arg-type]
        write_jsonl(home / "data" / "tax" / "letters.jsonl", bundled_rows(10))
        return result

    monkeypatch.setattr(build_module, "stage", stage)
    assert "changed while it was read" in str(failure_of(BUILD))
    assert_nothing_half_written(home)


def test_main_prints_one_line_and_exits_with_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from zoo.cli import main

    (home / "zoo.yaml").unlink()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr("sys.argv", ["zoo", "models", "--json"])
        main()
    captured = capsys.readouterr()
    assert stop.value.code == 1 and captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["train"], ["nonsense"], ["train", "gpt"], ["query"], ["ui", "--port", "0"]])
def test_wrong_usage_exits_with_2(arguments: list[str], home: Path) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_threads_and_environment_are_left_alone() -> None:
    assert threading.active_count() < 20 and "ZOO_HOME" not in os.environ
