"""What is special to a family on the whole path; `test_every_family.py` has what holds for all families."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zoo
from governance import ConfigError
from pipelines import Tokens
from tests.support.workspace import TINY, make_workspace
from zoo.job import prepare
from zoo.request import Request
from zoo.screen import Screen


@pytest.mark.slow
def test_a_bert_teaches_a_distilbert(tmp_path: Path, mlflow_template: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=60, database=mlflow_template)
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
