from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from governance.errors import RegistryError
from governance.labels import Label
from registry import ModelVersion, Tracking, better_than_untrained, model_folder, promote_if_blessed, register, resolve
from registry.versions import version_of_run
from tests.support.children import start_child
from tests.support.models import (
    METRICS,
    fake_model,
    register_fake,
    register_killed_at,
    register_once,
    start_run,
)

ROOT = Path(__file__).parents[2]


def logged_models(tracking: Tracking, experiment_id: str) -> list[Any]:
    return list(tracking.client.search_logged_models([experiment_id]))


def versions(tracking: Tracking) -> list[Any]:
    return list(tracking.client.search_model_versions(None))


def test_a_version_carries_what_picking_and_the_page_of_the_model_need(tracking: Tracking, tmp_path: Path) -> None:
    with start_run(tracking) as run:
        run.log_metrics(10, {"val_bits_per_byte": 1.36, "loss": 3.0})
        version = register_fake(run, tmp_path)
    assert (version.name, version.version, version.run_id) == ("tax_domain.gpt", 1, run.run_id)
    assert (version.domain, version.pipeline, version.family) == ("tax", "tax_domain", "gpt")
    assert version.label == Label.of("tax")
    assert version.metrics == METRICS
    assert version.aliases == ()
    raw = tracking.client.get_model_version("tax_domain.gpt", "1")
    assert raw.description == "A card."
    assert tracking.client.get_registered_model("tax_domain.gpt").description
    (model,) = logged_models(tracking, run.experiment_id)
    assert str(model.status) == "READY"
    assert model.params == {"layers": "4"}
    stored = tracking.client.get_run(run.run_id)
    assert [o.model_id for o in stored.outputs.model_outputs] == [version.model_id]
    assert len(tracking.client.get_metric_history(run.run_id, "val_bits_per_byte")) == 1


def test_registering_again_gives_the_same_version(tracking: Tracking, tmp_path: Path) -> None:
    with start_run(tracking) as run:
        first = register_fake(run, tmp_path)
    again = start_run(tracking)
    assert again.finished
    assert register_fake(again, tmp_path / "other", metrics={"val_bits_per_byte": 9.0}) == first
    assert len(versions(tracking)) == len(logged_models(tracking, run.experiment_id)) == 1


def test_it_serves_text_from_a_fresh_process_without_the_script_or_the_preset(
    tracking: Tracking, tmp_path: Path
) -> None:
    with start_run(tracking) as run:
        version = register_fake(run, tmp_path / "training")
    assert (model_folder(tracking, version) / "model.weights.h5").stat().st_size == 256 * 64
    for file in (tmp_path / "training").rglob("*"):
        if file.is_file():
            file.unlink()
    code = (
        "import mlflow, mlflow.pyfunc, sys\n"
        f"mlflow.set_tracking_uri({tracking.uri!r})\n"
        "model = mlflow.pyfunc.load_model('models:/tax_domain.gpt/1')\n"
        "print(model.predict(['a', 'b'], params={'max_tokens': 3}), model.predict('c'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "['echo: a', 'echo: b'] ['echo: c']", done.stderr


def test_nothing_is_pickled_and_no_path_of_this_machine_is_kept(tracking: Tracking, tmp_path: Path) -> None:
    with start_run(tracking) as run:
        version = register_fake(run, tmp_path / "training")
    root = model_folder(tracking, version).parents[1]
    assert not list(root.rglob("*.pkl"))
    description = (root / "MLmodel").read_text().replace(str(root), "")
    assert str(tmp_path) not in description


def test_neither_the_model_nor_tensorflow_is_loaded_while_registering(tracking: Tracking, tmp_path: Path) -> None:
    preset, script = fake_model(tmp_path)
    script.write_text(script.read_text().replace("with open", "raise AssertionError('loaded')\n        with open"))
    with start_run(tracking) as run:
        register(
            run,
            model_name="tax_domain.gpt",
            folder=preset,
            python_model=script,
            input_example=["a"],
            pip_requirements=["mlflow"],
            metrics={},
        )
    code = "import sys, registry; print([m for m in ('mlflow', 'tensorflow', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folder": Path("missing")}, "no saved model"),
        ({"python_model": Path("missing.py")}, "script"),
        ({"pip_requirements": []}, "requirements"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(
    tracking: Tracking, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    preset, script = fake_model(tmp_path)
    run = start_run(tracking)
    arguments: dict[str, Any] = {
        "model_name": "tax_domain.gpt",
        "folder": preset,
        "python_model": script,
        "input_example": "a",
        "pip_requirements": ["mlflow"],
        "metrics": {},
    }
    with pytest.raises(RegistryError, match=words):
        register(run, **(arguments | change))
    assert not logged_models(tracking, run.experiment_id)


STEPS = [
    "create_logged_model",
    "log_model_artifacts",
    "log_batch",
    "_log_model_metrics",  # the run has the figures already, the model has not
    "log_outputs",
    "finalize_logged_model",
    "create_registered_model",
    "create_model_version",
]


def assert_one_of_each(tracking: Tracking, run_id: str, experiment_id: str) -> None:
    models, registered = logged_models(tracking, experiment_id), versions(tracking)
    assert [str(model.status) for model in models] == ["READY"]
    assert [(mv.run_id, mv.source) for mv in registered] == [(run_id, f"models:/{models[0].model_id}")]
    version = version_of_run(tracking, run_id)
    assert version is not None
    assert version.metrics.keys() == METRICS.keys()
    assert (model_folder(tracking, version) / "model.weights.h5").stat().st_size == 256 * 64
    stored = tracking.client.get_run(run_id)
    assert len(stored.outputs.model_outputs) == 1
    for key in METRICS:
        history = tracking.client.get_metric_history(run_id, key)
        assert len(history) == 1, (key, history)
        assert version.metrics[key] == history[0].value


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step_and_called_again(tracking: Tracking, tmp_path: Path, step: str, when: str) -> None:
    child = start_child(register_killed_at, tracking.uri, tmp_path / "training", step, when)
    child.join(timeout=60)
    assert child.exitcode == -signal.SIGKILL
    with start_run(tracking) as run:
        assert run.resumed
        register_fake(run, tmp_path / "training")
    assert_one_of_each(tracking, run.run_id, run.experiment_id)


def test_killed_at_random_moments_until_it_is_done(tracking: Tracking, tmp_path: Path) -> None:
    chance, killed = random.Random(7), 0
    for _ in range(10):
        ready = multiprocessing.get_context("forkserver").Event()
        child = start_child(register_once, tracking.uri, tmp_path / "training", ready)
        assert ready.wait(timeout=60)
        time.sleep(chance.uniform(0.0, 0.8))
        child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
    assert killed
    with start_run(tracking) as run:
        version: ModelVersion = register_fake(run, tmp_path / "training")
    assert_one_of_each(tracking, run.run_id, run.experiment_id)
    assert resolve(tracking, "tax_domain.gpt/1") == version


@pytest.mark.slow
def test_an_mlflow_server_gets_the_same(tmp_path: Path, mlflow_template: Path) -> None:
    """What PostgreSQL and object storage look like from here: a URI, and artifacts that are not files."""
    shutil.copyfile(mlflow_template, tmp_path / "server.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--workers", "1"]
    command += ["--artifacts-destination", str(tmp_path / "kept")]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            tracking = Tracking(f"http://127.0.0.1:{port}", str(tmp_path / "client"))
            wait_for(tracking)
            with start_run(tracking) as run:
                run.log_metrics(1, {"loss": 1.0})
                version = register_fake(run, tmp_path / "training")
            assert_registered_once(tracking, run.run_id, version, tmp_path / "cache")
            assert promote_if_blessed(tracking, version, [better_than_untrained(8.0, 1.4)])
            assert resolve(tracking, "tax_domain.gpt@champion").version == 1
        finally:
            os.killpg(server.pid, signal.SIGKILL)
    assert not (tmp_path / "client").exists()


def wait_for(tracking: Tracking) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            tracking.check()
        except RegistryError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            return


def assert_registered_once(tracking: Tracking, run_id: str, version: ModelVersion, cache: Path) -> None:
    assert version_of_run(tracking, run_id) == version
    assert version.metrics == METRICS
    for _ in range(2):
        preset = model_folder(tracking, version, cache=cache)
        assert (preset / "model.weights.h5").stat().st_size == 256 * 64
    assert [path.name for path in cache.iterdir()] == [version.model_id]
