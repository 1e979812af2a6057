"""Fresh data: due or not and why, promotion, a spoiled source kept out, the daemon."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

import zoo
from governance import BusyError, ConfigError
from registry import Tracking, list_versions
from tests.support.workspace import PIPELINE, bundled_rows, make_workspace, run_zoo, write_jsonl
from zoo.retrain import RetrainReport, retrain
from zoo.workspace import Workspace

#: Windows as long as the context: positions that were never trained make a comparison a matter of luck.
SHORT = {"steps": 200, "batch_size": 4, "window": 256}


def versions(workspace: Workspace) -> list[tuple[int, bool]]:
    found = list_versions(Tracking(workspace.tracking_uri, workspace.artifact_root))
    return [(version.version, version.is_champion) for version in found]


def shuffled(rows: list[dict]) -> list[dict]:
    """The same records with their words in random order."""
    generator = random.Random(0)
    result = []
    for row in rows:
        words = row["text"].split()
        generator.shuffle(words)
        result.append(row | {"text": " ".join(words)})
    return result


@pytest.mark.slow
def test_fresh_files_make_a_champion_and_shuffled_words_do_not(tmp_path: Path, mlflow_template: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=80, database=mlflow_template)
    letters = workspace.home / "data" / "tax" / "letters.jsonl"
    zoo.train("gpt", pipeline="tax_domain", workspace=workspace, **SHORT)

    quiet = retrain(workspace=workspace)
    assert quiet.due == [] and "present data" in quiet.not_due[0].reason

    write_jsonl(letters.with_name("more.jsonl"), bundled_rows(180, start=80))  # better by far, not by luck
    planned = retrain(workspace=workspace, dry_run=True)
    assert "180 added since version 1" in planned.due[0].reason and planned.done == []
    result = run_zoo(workspace.home, "retrain", "--due", "--json", timeout=900)
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["due"][0]["pipeline"] == "tax_domain" and "180 added" in content["due"][0]["reason"]
    assert [(d["model"], d["version"], d["promoted"]) for d in content["done"]] == [("tax_domain.gpt", 2, True)]
    assert versions(workspace) == [(1, False), (2, True)]
    second = list_versions(Tracking(workspace.tracking_uri, workspace.artifact_root))[1]
    shown = json.loads(run_zoo(workspace.home, "data", "show", "tax_domain", "--json").stdout)
    assert second.tags["zoo.dataset"] == shown["digest"] and shown["records"] == 260

    again = json.loads(run_zoo(workspace.home, "retrain", "--due", "--json").stdout)
    assert again["due"] == [] and again["done"] == []

    for path in (letters, letters.with_name("more.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path, shuffled(rows))
    spoiled = retrain(workspace=workspace)
    assert [done.promoted for done in spoiled.done] == [False]
    assert "not_worse_than_champion" in spoiled.done[0].why
    assert versions(workspace) == [(1, False), (2, True), (3, False)]
    answer = zoo.query("Dear", domain="tax", caller="tax-service", workspace=workspace, max_tokens=2)
    assert answer.version == 2
    assert retrain(workspace=workspace).due == [], "the same spoiled data is not tried twice"


def test_nothing_is_due_without_a_model_and_a_forced_retraining_says_so(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=30)
    report = retrain(workspace=workspace)
    assert isinstance(report, RetrainReport) and report.due == []
    assert "no model was trained yet" in report.not_due[0].reason
    with pytest.raises(ConfigError, match="no model of the pipeline"):
        retrain(["tax_domain"], due_only=False, workspace=workspace)


def test_a_small_change_is_not_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    import zoo.retrain  # noqa: F401
    from pipelines import build
    from registry import ModelVersion
    from zoo.retrain import _why_due

    workspace = make_workspace(tmp_path / "w", records=60)

    def fresh() -> zoo.retrain:
        spec = workspace.pipeline("tax_domain")
        return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)

    first = fresh()
    model = ModelVersion("tax_domain.gpt", 1, "r", "m", "tax", "tax_domain", "gpt", first.version.label)
    model = replace(model, tags={"zoo.dataset": first.version.digest})
    assert not _why_due(workspace, model, [model], first, 0.0).due
    write_jsonl(workspace.home / "data" / "tax" / "more.jsonl", bundled_rows(1, start=60))
    second = fresh()
    assert _why_due(workspace, model, [model], second, 0.01).due
    spoiled = replace(model, version=2, tags={"zoo.dataset": "0" * 64})
    reverted = _why_due(workspace, spoiled, [model, spoiled], first, 0.0)
    assert not reverted.due and "version 1 was trained on the present data" in reverted.text
    small = _why_due(workspace, model, [model], second, 0.02)
    assert not small.due and "1 added" in small.text and "less than min_changed 2.0%" in small.text


def start_daemon(home: Path) -> subprocess.Popen[bytes]:
    """Its lines go to `daemon.log`: a pipe that nobody empties would stop it."""
    with (home / "daemon.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "zoo", "schedule"],
            env=os.environ | {"ZOO_HOME": str(home)},
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=home,
        )


def said(home: Path) -> str:
    return (home / "daemon.log").read_text()


def set_cron(workspace: Workspace, when: datetime) -> None:
    spec = PIPELINE | {"refresh": {"cron": f"{when.minute} {when.hour} * * *", "min_changed": 0.02}}
    (workspace.home / "pipelines" / "tax_domain.yaml").write_text(yaml.safe_dump(spec))


def wait_for(condition: object, seconds: float) -> bool:
    """Limits are there for what hangs: a machine that is slow must not fail."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(1)
    return False


@pytest.mark.slow
def test_the_daemon_retrains_on_time_also_after_a_kill(tmp_path: Path, mlflow_template: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=200, database=mlflow_template)
    zoo.train(
        "gpt", pipeline="tax_domain", workspace=workspace, **{**SHORT, "steps": 30}
    )  # good or not: it is about the time
    write_jsonl(workspace.home / "data" / "tax" / "more.jsonl", bundled_rows(60, start=200))
    home = workspace.home
    when = (datetime.now() + timedelta(seconds=120)).replace(second=0, microsecond=0)  # 60 to 120 seconds from now
    set_cron(workspace, when)
    daemon = start_daemon(home)
    try:
        assert wait_for(lambda: "looks for fresh data" in said(home), 55), said(home)
        daemon.kill()  # before its time
        daemon.wait()
        time.sleep(max(0.0, (when - datetime.now()).total_seconds()) + 2)  # its time passes while no daemon runs
        daemon = start_daemon(home)
        assert wait_for(lambda: "was missed, looking now" in said(home), 180), said(home)
        rival = run_zoo(home, "schedule", timeout=180)
        assert rival.returncode == 1 and "another `zoo schedule`" in rival.stderr
        assert wait_for(lambda: "tax_domain.gpt version 2" in said(home), 900), said(home)
        assert versions(workspace)[-1] == (2, "version 2 promoted" in said(home))
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(timeout=60)
    assert len(versions(workspace)) == 2


def test_one_retraining_of_a_pipeline_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    workspace = make_workspace(tmp_path / "w", records=5)
    module = sys.modules["zoo.retrain"]
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.1)
    (workspace.storage / "locks").mkdir(parents=True)
    with (
        filelock.FileLock(workspace.storage / "locks" / "retrain-tax_domain.lock"),
        pytest.raises(BusyError, match="retraining tax_domain"),
    ):
        retrain(workspace=workspace)
