"""What is special to encoders on the whole path; `test_every_family.py` has what holds for all families."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from governance import ConfigError, RegistryError
from pipelines import Tokens
from registry import Tracking
from tests.support.workspace import TINY, make_workspace
from zoo.job import prepare
from zoo.request import Request
from zoo.screen import Screen

ENCODER = (
    "import json, zoo, mlflow\n"
    "model = zoo.load('tax_domain.roberta@champion')\n"
    "mlflow.set_tracking_uri({uri!r})\n"
    "served = mlflow.pyfunc.load_model('models:/tax_domain.roberta@champion').predict(['Dear', 'The'])\n"
    "print(json.dumps([model.embed(['Dear', 'The']).tolist(), served, model.fill('Dear <mask>,')[0][0].token]))\n"
)


@pytest.mark.slow
def test_an_encoder_embeds_and_fills_and_is_not_asked_to_answer(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=60)
    run = zoo.train("roberta", pipeline="tax_domain", workspace=workspace, **TINY)
    assert run.promoted and {gate.name for gate in run.gates} == {"better_than_untrained", "no_training_pii"}
    with pytest.raises(RegistryError, match="roberta/1: roberta models that learned masked_lm cannot"):
        zoo.query("Dear", domain="tax", caller="tax-service", workspace=workspace)
    environment = os.environ | {"ZOO_HOME": str(workspace.home)}
    command = [sys.executable, "-c", ENCODER.format(uri=workspace.tracking_uri)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    embeddings, served, token = json.loads(result.stdout.splitlines()[-1])
    np.testing.assert_allclose(embeddings, served, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    assert isinstance(token, str)
    card = Tracking(workspace.tracking_uri, workspace.artifact_root).client.get_model_version("tax_domain.roberta", 1)
    assert "model.embed" in card.description and "zoo.query" not in card.description


@pytest.mark.slow
def test_a_bert_teaches_a_distilbert(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=60)
    with pytest.raises(ConfigError, match="train it first: zoo train bert"):
        zoo.train("distilbert", pipeline="tax_domain", workspace=workspace, **TINY)
    bert = zoo.train("bert", pipeline="tax_domain", workspace=workspace, **TINY)
    distilled = zoo.train("distilbert", pipeline="tax_domain", workspace=workspace, **TINY)
    for run in (bert, distilled):
        assert run.promoted and run.metrics["val_bits_per_byte"] < run.metrics["untrained_bits_per_byte"]
    assert distilled.metrics["untrained_bits_per_byte"] < bert.metrics["untrained_bits_per_byte"], "it starts from bert"
    assert distilled.model.tags["zoo.teacher"] == "tax_domain.bert/1"
    assert "zoo.teacher" not in bert.model.tags
    again = zoo.train("distilbert", pipeline="tax_domain", workspace=workspace, **TINY)
    assert again.reused and again.fingerprint == distilled.fingerprint


def test_an_ernie_gets_the_spans_of_its_text(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=20)
    prepared = prepare(Request("ernie", "tax_domain", steps=1), workspace=workspace, screen=Screen())
    assert isinstance(prepared.tokens, Tokens)
    spans = prepared.tokens.split("train").spans
    assert spans is not None and len(spans) > 20 and (np.diff(spans, axis=1) > 0).all()
