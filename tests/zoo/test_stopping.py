"""SIGTERM ends a command as Ctrl-C does: one line, the signal's exit code."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.end_to_end.test_kill import processes_of
from tests.support.workspace import make_workspace
from zoo.cli import stopping
from zoo.cli.app import app

COMMANDS = {
    ("zoo.data", "build_data"): ("data", "build", "tax_domain"),
    ("zoo.train", "train"): ("train", "gpt", "--pipeline", "tax_domain"),
    ("zoo.erasure.erase", "erase"): ("erase", "--domain", "tax", "--subject", "17"),
    ("zoo.retrain", "retrain"): ("retrain",),
}

#: What a build says it does, as far as it comes before it is stopped.
STAGES = {"read", "judge", "remove duplicates", "sign", "remove near duplicates", "filter personal data"}


def raises(error: type[BaseException]) -> Callable[..., None]:
    def verb(*_: object, **__: object) -> None:
        raise error

    return verb


@pytest.mark.parametrize("verb", COMMANDS, ids=".".join)
@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (stopping.Terminated, 143)])
def test_both_say_one_line(
    verb: tuple[str, str], error: type[BaseException], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(make_workspace(tmp_path / "w", records=0).home))
    monkeypatch.setattr(importlib.import_module(verb[0]), verb[1], raises(error))
    result = CliRunner().invoke(app, list(COMMANDS[verb]))
    assert result.exit_code == code and result.stdout == ""
    assert result.stderr.startswith("stopped") and result.stderr.count("\n") == 1
    assert "the same command goes on" in result.stderr


def build_begun(home: Path, processes: int) -> subprocess.Popen[str]:
    """`zoo data build` in a session of its own, as a terminal or a supervisor starts it."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "zoo", "data", "build", "tax_domain", "--processes", str(processes)],
        env=os.environ | {"ZOO_HOME": str(home)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "number"), [(1, signal.SIGTERM), (2, signal.SIGTERM), (2, signal.SIGINT)], ids=str
)
def test_a_build_that_is_stopped(processes: int, number: signal.Signals, tmp_path: Path) -> None:
    """While it filters: its workers end, nothing half-written stays, and nobody waits for what is under way."""
    storage = make_workspace(tmp_path, records=900).storage
    with build_begun(tmp_path, processes) as build:
        deadline = time.monotonic() + 100
        while not list(storage.glob("cache/tax_domain/filtered-*/*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert processes == 1 or len(processes_of(build.pid)) > 2, "else this shows nothing of workers"
        sent = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(build.pid, number)  # as a terminal does
        else:
            build.send_signal(number)
        _, said = build.communicate(timeout=60)
        assert build.returncode == 128 + number
        assert time.monotonic() - sent < 20, "a supervisor kills what takes longer"
    assert [line for line in said.splitlines() if line.startswith("stopped")] == [said.splitlines()[-1]]
    assert "Traceback" not in said and "Error" not in said, said
    while processes_of(build.pid) and time.monotonic() - sent < 20:  # Python's own helper ends by itself
        time.sleep(0.1)
    assert processes_of(build.pid) == []
    assert not (storage / "work" / "tax_domain").exists() and not list(storage.glob("datasets/*/*"))
    assert not list(storage.rglob(".*")), "temporary files"


@pytest.mark.parametrize("after", [0.05, 0.3])
def test_a_build_that_has_just_begun_is_stopped(after: float, tmp_path: Path) -> None:
    """Its first worker is starting Python, which would say where it was interrupted."""
    storage = make_workspace(tmp_path, records=900).storage
    with build_begun(tmp_path, 2) as build:
        deadline = time.monotonic() + 100
        while not (storage / "work" / "tax_domain").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(after)
        os.killpg(build.pid, signal.SIGINT)
        _, said = build.communicate(timeout=60)
    assert build.returncode == 130
    lines = [line for line in said.splitlines() if line not in STAGES]
    assert lines == ["stopped; the same command goes on with what was filtered"]


def test_a_second_sigterm_is_heard_when_the_first_was_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = signal.getsignal(signal.SIGTERM), [100.0]
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])
    try:
        stopping.unwind_on_sigterm()
        with pytest.raises(stopping.Terminated):
            signal.raise_signal(signal.SIGTERM)
        now[0] += 4.9
        signal.raise_signal(signal.SIGTERM)  # a supervisor that repeats itself disturbs nothing
        now[0] += 0.2
        with pytest.raises(stopping.Terminated):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_a_training_that_is_stopped(tmp_path: Path) -> None:
    home = make_workspace(tmp_path).home
    options = ("--steps", "100000", "--batch-size", "2", "--window", "64")
    command = [sys.executable, "-P", "-m", "zoo", "train", "gpt", "--pipeline", "tax_domain", *options]
    with subprocess.Popen(
        command, env=os.environ | {"ZOO_HOME": str(home)}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as training:
        assert training.stderr is not None
        said = []
        for line in training.stderr:
            said.append(line)
            if line.startswith("train"):
                training.terminate()
        assert training.wait(60) == 143
    assert said[-1] == "stopped; the same command goes on from the last checkpoint\n", said
    assert not [line for line in said if "Traceback" in line]
