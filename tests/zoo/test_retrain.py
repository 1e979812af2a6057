"""Retraining of several models of one pipeline, without the training itself."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from governance import ConfigError
from tests.support.mlflow_template import copy_template
from tests.support.models import register_fake, start_run
from tests.support.workspace import make_workspace
from zoo.retrain import Done, retrain


def test_a_model_that_fails_does_not_stop_the_others(
    tmp_path: Path, mlflow_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = copy_template(mlflow_template, tmp_path / "store")
    made = make_workspace(tmp_path / "w", records=8)
    workspace = replace(made, tracking_uri=tracking.uri, artifact_root=tracking.artifact_root)
    for family in ("gpt", "llama", "lstm"):
        with start_run(tracking, fingerprint=family, pipeline="tax_domain", family=family) as run:
            register_fake(run, tmp_path / f"trained-{family}", model_name=f"tax_domain.{family}")

    def challenge(workspace: Any, pipeline: str, model: Any, screen: Any) -> Done:
        if model.family == "llama":
            raise ConfigError("it has no teacher", where="teacher")
        return Done(model.name, 2, True, "passed")

    monkeypatch.setattr(sys.modules["zoo.retrain"], "_challenge", challenge)  # the verb has the module's name
    report = retrain(["tax_domain"], workspace=workspace)
    assert [(done.model, done.version) for done in report.done] == [
        ("tax_domain.gpt", 2),
        ("tax_domain.llama", None),
        ("tax_domain.lstm", 2),
    ]
    assert report.failed and "no teacher" in report.done[1].why
