"""All settings of a training at once: a version with its adapter, and a retraining that gives the same one."""

from __future__ import annotations

import json
from pathlib import Path

import keras_hub
import pytest

import zoo
from governance.errors import ConfigError
from registry import Tracking, model_folder
from tests.support.workspace import make_workspace
from zoo import lora
from zoo.publish import OPTIONS_TAG


@pytest.mark.slow
def test_from_settings_to_a_version_and_back(tmp_path: Path, mlflow_template: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=60, database=mlflow_template)
    settings = {"batch_size": 2, "window": 64, "accumulate": 2, "ema": 0.5, "patience": 9, "schedule": "wsd"}
    settings |= {"learning_rate": 0.01, "lora": {"rank": 2, "targets": ["query", "token_embedding"]}}
    run = zoo.train("gpt", pipeline="tax_domain", workspace=workspace, duration="0.2 epochs", **settings)
    options = json.loads(run.model.tags[OPTIONS_TAG])
    assert options == {"size": "nano", "steps": None, "seed": 0, "duration": "0.2 epochs", **settings}

    folder = model_folder(Tracking(workspace.tracking_uri, workspace.artifact_root), run.model)
    task = keras_hub.models.CausalLM.from_preset(str(folder), preprocessor=None)  # a plain preset
    adapter = lora.load(folder / lora.ADAPTER_FILE, task)
    assert adapter.rank == 2 and len(adapter.paths) == 4

    report = zoo.retrain(["tax_domain"], due_only=False, workspace=workspace)
    assert [done.version for done in report.done] == [run.model.version], "the same settings are the same training"


def test_a_length_that_is_given_twice_is_refused_before_any_work(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=0)
    with pytest.raises(ConfigError, match="steps and duration are both given"):
        zoo.train("gpt", pipeline="tax_domain", workspace=workspace, steps=3, duration="3 steps")
    with pytest.raises(ConfigError, match='duration "3 stepps": no unit "stepps"'):
        zoo.train("gpt", pipeline="tax_domain", workspace=workspace, duration="3 stepps")
