"""Training that continues from a model: of the registry, and from folders that came out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import zoo
from governance import RegistryError
from registry import Tracking, resolve
from tests.support.workspace import TINY, bundled_rows, make_workspace, run_zoo, write_jsonl
from zoo.exchange.base import LEARNING_RATE_SHARE
from zoo.train import Run
from zoo.workspace import Workspace

#: With the batches of two of a toy from scratch, noise decides whether a model that has learned gets better.
SHORT: dict[str, Any] = {**TINY, "steps": 24, "batch_size": 8}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> tuple[Workspace, Run]:
    workspace = make_workspace(tmp_path_factory.mktemp("trained") / "w", records=60, database=mlflow_template)
    return workspace, zoo.train("gpt", pipeline="tax_domain", workspace=workspace, **TINY)


@pytest.mark.slow
@pytest.mark.xdist_group("init")
def test_from_a_version_from_folders_and_again_when_the_alias_has_moved(
    trained: tuple[Workspace, Run], tmp_path: Path
) -> None:
    workspace, first = trained
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    continued = zoo.train("gpt", pipeline="tax_domain", init="tax_domain.gpt@champion", workspace=workspace, **SHORT)
    assert continued.metrics["untrained_bits_per_byte"] == pytest.approx(first.metrics["val_bits_per_byte"], rel=1e-5)
    assert continued.fingerprint != first.fingerprint and continued.model.label == first.model.label
    run = tracking.client.get_run(continued.model.run_id).data
    rate = float(tracking.client.get_run(first.model.run_id).data.params["learning_rate"])
    assert float(run.params["learning_rate"]) == pytest.approx(LEARNING_RATE_SHARE * rate)
    assert run.params["tokenizer_digest"] == tracking.client.get_run(first.model.run_id).data.params["tokenizer_digest"]
    assert run.tags["zoo.base"] == continued.model.tags["zoo.base"] == "tax_domain.gpt/1"
    description = tracking.client.get_model_version("tax_domain.gpt", "2").description
    assert "trained further from tax_domain.gpt/1" in description and "from scratch" not in description

    # Whatever it lies in, the same model is the same base: the run is finished already.
    for to in ("hf", "keras"):
        written = zoo.export("tax_domain.gpt/1", tmp_path / to, to=to, workspace=workspace)
        assert written.label == first.model.label
        again = zoo.train("gpt", pipeline="tax_domain", init=str(tmp_path / to), workspace=workspace, **SHORT)
        assert again.reused and again.model.version == 2

    with pytest.raises(RegistryError, match='no version with the alias "chanpion"'):
        zoo.train("gpt", pipeline="tax_domain", init="tax_domain.gpt@chanpion", workspace=workspace)
    write_jsonl(workspace.home / "data" / "tax" / "more.jsonl", bundled_rows(20, start=200))
    assert continued.promoted, continued.gates  # so the alias has moved
    report = zoo.retrain(["tax_domain"], workspace=workspace)
    assert [done.version for done in report.done] == [3]
    assert resolve(tracking, "tax_domain.gpt/3").tags["zoo.base"] == "tax_domain.gpt/2"


@pytest.mark.slow
@pytest.mark.xdist_group("init")
def test_the_command_line(trained: tuple[Workspace, Run], tmp_path: Path) -> None:
    home = trained[0].home
    folder = tmp_path / "saved"
    result = run_zoo(home, "export", "tax_domain.gpt/1", str(folder), "--to", "saved_model", "--json")
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["label"] == ["tax"] and content["folder"] == str(folder)
    assert json.loads((folder / "zoo.json").read_text())["label"] == ["tax"]
    assert {"saved_model.pb", "tokenizer", "zoo.json"} <= {path.name for path in folder.iterdir()}
    refused = run_zoo(home, "train", "gpt", "--pipeline", "tax_domain", "--init", str(folder))
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
