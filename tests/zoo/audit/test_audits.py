"""Canaries and extraction on toys: what an over-trained model knows by heart is found, and stops it at the gate."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import zoo
from governance import ConfigError, PolicyRefused, RegistryError
from governance.leakage import planted_codes
from registry import Tracking, champion_of
from tests.support.mlflow_template import copy_template
from tests.support.models import register_fake, start_run
from tests.support.workspace import PIPELINE, POLICY, make_workspace, run_zoo, write_jsonl
from zoo import families
from zoo.audit.canaries import CANARIES_TAG, audit_canaries
from zoo.families import Size
from zoo.train import Run
from zoo.workspace import Workspace

#: Of two workers one trains what all of them look at.
pytestmark = pytest.mark.xdist_group("audits")

TOY = Size("nano", layers=1, width=64, heads=2, context=56, learning_rate=3e-3, batch_size=8)

_WORDS = [first + last for first in ("ba", "do", "ki", "mu", "re", "ta") for last in ("lo", "ne", "pi", "su", "vo")]


def rows(count: int) -> list[dict[str, str]]:
    """Texts of random words: nobody could guess how one of them goes on."""
    draw = random.Random(5)
    return [{"id": str(n), "text": " ".join(draw.choices(_WORDS, k=60)) + "."} for n in range(count)]


def workspace_with(home: Path, database: Path, leakage: dict[str, float] | None) -> Workspace:
    policy = copy.deepcopy(POLICY)
    policy["domains"]["tax"] |= {"pii": "keep"} | ({} if leakage is None else {"leakage": leakage})
    pipeline = PIPELINE | {
        "sources": [{"path": "data/tax/*.jsonl", "id": "id"}],
        "tokenizer": {"kind": "bpe", "vocab_size": 400},
    }
    workspace = make_workspace(home, records=0, policy=policy, pipeline=pipeline, database=database)
    write_jsonl(home / "data" / "tax" / "letters.jsonl", rows(60))
    return workspace


@pytest.fixture(scope="module")
def _toys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(families._FAMILIES, "gpt", replace(families.get("gpt"), sizes={"nano": TOY}))
        yield


@pytest.fixture(scope="module")
def trained(_toys: None, tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> tuple[Workspace, Run, Run]:
    """One that saw each canary fifty times, over and over, and one that saw it once."""
    home = tmp_path_factory.mktemp("audited") / "w"
    workspace = workspace_with(home, mlflow_template, {"max_exposure": 10, "max_extraction": 0.1})
    common = {"pipeline": "tax_domain", "workspace": workspace, "evaluate_every": 600, "checkpoint_every": 600}
    over = zoo.train("gpt", steps=600, canaries={"count": 3, "repeat": 50}, **common)  # type: ignore[arg-type]
    once = zoo.train("gpt", steps=30, canaries={"count": 3}, **common)  # type: ignore[arg-type]
    return workspace, over, once


@pytest.mark.slow
def test_a_repeated_canary_is_found_and_one_that_stood_there_once_is_not(trained: tuple[Workspace, Run, Run]) -> None:
    workspace, over, once = trained
    exposed, calm = ({gate.name: gate for gate in run.gates}["canary_exposure"] for run in (over, once))
    assert not exposed.passed and min(exposed.evidence["exposure"]) > 10, exposed
    assert calm.passed and max(calm.evidence["exposure"]) < 10, calm
    assert {gate.name: gate.passed for gate in once.gates}["verbatim_extraction"]
    for run, gate in ((over, exposed), (once, calm)):
        version, report = audit_canaries(str(run.model), workspace=workspace)
        assert [round(one.bits, 6) for one in report.exposures] == gate.evidence["exposure"]
        assert json.loads(version.tags[CANARIES_TAG]) == report.plan.model_dump()


@pytest.mark.slow
def test_the_gate_stops_the_first_and_lets_the_second_pass(trained: tuple[Workspace, Run, Run]) -> None:
    workspace, over, once = trained
    assert not over.promoted and not over.model.blessed and once.promoted
    champion = champion_of(Tracking(workspace.tracking_uri, workspace.artifact_root), over.model.name)
    assert champion is not None and champion.version == once.model.version
    with pytest.raises(PolicyRefused):
        zoo.load(str(over.model), caller="tax-service", workspace=workspace)


@pytest.mark.slow
def test_the_codes_are_in_the_tokens_and_in_no_file_that_can_be_read(trained: tuple[Workspace, Run, Run]) -> None:
    workspace, over, _ = trained
    codes = planted_codes(workspace.keys.derive("tax", "canaries"), 3)
    files = [path for path in workspace.home.rglob("*") if path.is_file()]
    assert not [path for path in files if any(code.encode() in path.read_bytes() for code in codes)]
    assert not [text for _, text in over.data.version.texts("train") if "reference code" in text]


@pytest.mark.slow
def test_the_command_line(trained: tuple[Workspace, Run, Run]) -> None:
    workspace, over, once = trained
    shown = run_zoo(workspace.home, "audit", "canaries", str(over.model), "--sampled", "200", "--json")
    content = json.loads(shown.stdout)
    assert shown.returncode == 1 and "more than the 10 bits that the domain allows" in shown.stderr
    assert content["highest"] > 20 and content["limit"] == 10 and len(content["canaries"]) == 3
    options = ("--samples", "20", "--prefix", "16", "--length", "16")
    shown = run_zoo(workspace.home, "audit", "extraction", str(once.model), *options, "--json")
    content = json.loads(shown.stdout)
    assert shown.returncode == 0, shown.stderr
    assert content["train"] == {"verbatim": 0, "samples": 20, "share": 0.0} and content["validation"]["samples"] > 0


def test_what_would_fail_its_gate_is_refused_before_any_work(tmp_path: Path, mlflow_template: Path) -> None:
    workspace = workspace_with(tmp_path / "w", mlflow_template, {"max_exposure": 10})
    with pytest.raises(ConfigError, match="this training plants none; give canaries.count"):
        zoo.train("gpt", pipeline="tax_domain", workspace=workspace)
    with pytest.raises(ConfigError, match="canaries are planted in text, not among the examples of a task"):
        zoo.train("gpt", pipeline="tax_domain", workspace=workspace, task="instruct", canaries={"count": 1})
    with pytest.raises(ConfigError, match="tuned to instruct cannot be measured"):
        zoo.train("gpt", pipeline="tax_domain", workspace=workspace, task="instruct")
    with pytest.raises(ConfigError, match=r"plan.canaries: number: unknown key|plan.canaries: count"):
        zoo.train("gpt", pipeline="tax_domain", workspace=workspace, canaries={"number": 1})
    assert not (workspace.storage / "datasets").exists()


def test_a_version_without_canaries_has_none_to_audit(tmp_path: Path, mlflow_template: Path) -> None:
    tracking = copy_template(mlflow_template, tmp_path / "store")
    workspace = replace(
        workspace_with(tmp_path / "w", mlflow_template, None),
        tracking_uri=tracking.uri,
        artifact_root=tracking.artifact_root,
    )
    with start_run(tracking) as run:
        register_fake(run, tmp_path / "trained")
    with pytest.raises(RegistryError, match="was trained without canaries"):
        audit_canaries("tax_domain.gpt/1", workspace=workspace)
