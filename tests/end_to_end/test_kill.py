"""SIGKILL at any moment of a training, restarted with the same command: the outcome is the same.

The undisturbed training and the killed one have their own workspaces with equal content. Kills are
aimed at stages (the child reports each stage on standard error) and fall at a random time in them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from registry import Tracking, list_versions
from tests.support.fresh import start_zoo
from tests.support.workspace import make_workspace
from zoo.workspace import Workspace

SCRIPT = """
import zoo
from zoo.screen import Screen

class Stages(Screen):
    def say(self, line):
        print("stage", line, flush=True)
    def progress(self, stage, done, total, note=""):
        print("stage", stage, done, flush=True)

run = zoo.train("gpt", pipeline="tax_domain", steps=24, batch_size=2, window=64,
                evaluate_every=6, checkpoint_every=4, screen=Stages())
print("done", run.model.version, flush=True)
"""

#: What a stage's first line begins with, in the order of a training; seconds after it at most.
STAGES = [
    ("stage read", 0.5),
    ("stage filter personal data", 2.0),
    ("stage write shards", 0.3),
    ("stage tokenize train", 0.3),
    ("stage compiling", 3.0),
    ("stage train 6", 0.6),
    ("stage train 13", 0.6),
    ("stage step 24", 0.5),
    ("stage registering", 2.5),
    ("stage examining", 2.0),
]


def run_to_the_end(home: Path) -> None:
    code, output, errors = start_zoo(SCRIPT, ZOO_HOME=str(home)).end()
    assert code == 0, errors[-2000:]
    assert "done 1" in output


def kill_in_stage(home: Path, stage: str, delay: float) -> bool:
    """Kills the whole process group some time after the stage began; False when it ended before."""
    child = start_zoo(SCRIPT, ZOO_HOME=str(home))
    timer: threading.Timer | None = None
    for line in child.stdout:
        if timer is None and line.startswith(stage):
            timer = threading.Timer(delay, child.kill)
            timer.start()
    if timer is not None:
        timer.cancel()
    code, _, _ = child.end()
    return code == -signal.SIGKILL


def outcome(home: Path) -> dict[str, Any]:
    """Everything that must not depend on kills."""
    workspace = Workspace.load(home)
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    versions = list_versions(tracking)
    experiment = tracking.client.get_experiment_by_name("tax_domain")
    runs = tracking.client.search_runs([experiment.experiment_id])
    models = tracking.client.search_logged_models([experiment.experiment_id])
    history = {}
    for key in ("train_loss", "val_bits_per_byte", "val_loss"):
        points = tracking.client.get_metric_history(runs[0].info.run_id, key)
        history[key] = sorted((point.step, point.value) for point in points)
    return {
        "runs": [run.info.status for run in runs],
        "models": [str(model.status) for model in models],
        "versions": [(v.name, v.version, v.aliases, v.blessed) for v in versions],
        "digest": versions[0].tags["zoo.dataset"],
        "fingerprint": versions[0].tags["zoo.fingerprint"],
        "history": history,
    }


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    for home in (calm, disturbed):
        make_workspace(home, records=150)
    run_to_the_end(calm)
    generator = random.Random(20261123)
    killed = 0
    for stage, longest in STAGES:
        killed += kill_in_stage(disturbed, stage, generator.uniform(0, longest))
    run_to_the_end(disturbed)

    expected, found = outcome(calm), outcome(disturbed)
    assert killed >= 8, "the kills must hit running trainings"
    assert expected["runs"] == ["FINISHED"] and len(expected["versions"]) == 1
    assert [step for step, _ in expected["history"]["train_loss"]] == list(range(24))
    assert json.dumps(found) == json.dumps(expected)
    storage = Workspace.load(disturbed).storage
    assert not list(storage.rglob("*.tmp")) and not list(storage.rglob(".building-*"))
    assert not any((storage / "work").iterdir()), "raw text must not be left behind"


@pytest.mark.slow
def test_workers_of_a_killed_build_end(tmp_path: Path) -> None:
    """Processes that filter personal data must not outlive a killed parent."""
    make_workspace(tmp_path, records=400)
    script = (
        "import zoo, sys; from zoo.workspace import Workspace; from pipelines import build; w = Workspace.current()\n"
        "build(w.pipeline('tax_domain'), policy=w.policy, keys=w.keys, storage=w.storage, processes=2,\n"
        "      report=lambda stage, done, total: print(stage, done, flush=True))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"ZOO_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("filter personal data") and not line.endswith(" 0\n"):
            break
    session = child.pid
    assert len(processes_of(session)) > 1, "workers run in processes of their own"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    deadline = time.monotonic() + 20
    while processes_of(session) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(session) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_a_terminated_build_leaves_no_raw_text(tmp_path: Path, processes: int) -> None:
    storage = make_workspace(tmp_path, records=900).storage
    command = [sys.executable, "-P", "-m", "zoo", "data", "build", "tax_domain", "--processes", str(processes)]
    work = storage / "work" / "tax_domain"
    with subprocess.Popen(
        command, env=os.environ | {"ZOO_HOME": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as build:
        deadline = time.monotonic() + 60
        while not (work / "selected").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert any(work.iterdir())
        build.terminate()
        assert build.wait(60) == 128 + signal.SIGTERM
    assert not work.exists()
    assert not list(storage.glob("datasets/*/*"))


def processes_of(session: int) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if os.getsid(process.info["pid"]) == session and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.info["pid"])
        except ProcessLookupError:
            continue
    return found
