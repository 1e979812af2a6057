"""Extraction from trained models: one that read few texts until it knew them by heart, one that read many once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import zoo
from governance import PolicyRefused
from pipelines.curate.buckets import split_of
from registry import GateResult, Tracking, champion_of
from registry.gates import VERBATIM_EXTRACTION
from tests.support.workspace import PIPELINE, POLICY, make_workspace, run_zoo, write_jsonl
from zoo import families
from zoo.audit.extraction import audit_extraction
from zoo.families import Size
from zoo.train import Run
from zoo.workspace import Workspace

#: Of two workers one trains what all of them look at.
pytestmark = pytest.mark.xdist_group("by_heart")

TOY = Size("nano", layers=2, width=64, heads=2, context=48, learning_rate=5e-3, batch_size=8)
#: Share of the training texts that a model of the domain may write on.
LIMIT = 0.1

_WORDS = [first + last for first in ("ba", "do", "ki", "mu", "re", "ta") for last in ("lo", "ne", "pi", "su", "vo")]


def rows(count: int) -> list[dict[str, str]]:
    """Texts of random words: nobody could guess how one of them goes on."""
    draw = random.Random(11)
    return [{"id": str(n), "text": " ".join(draw.choices(_WORDS, k=60)) + "."} for n in range(count)]


def in_training(record_id: str) -> bool:
    return split_of(record_id, **PIPELINE["split"]) == "train"


def copied(once: list[dict[str, str]], copies: int) -> list[dict[str, str]]:
    """Those of the training split so many times, as in text that nobody looked through for duplicates; the others once,
    so that the base rate is one of texts that were never seen."""
    found = list(once)
    for row in once:
        names = [f"{row['id']}-{copy}" for copy in range(copies)]
        if in_training(row["id"]):
            found += [row | {"id": name} for name in names if in_training(name)]
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Iterator[tuple[Workspace, Run, Run]]:
    """The one that knows its texts by heart, and the other one."""
    home = tmp_path_factory.mktemp("by_heart") / "w"
    domain = POLICY["domains"]["tax"] | {"pii": "keep", "leakage": {"max_extraction": LIMIT}}
    policy = POLICY | {"domains": {"tax": domain}}
    workspace = make_workspace(home, records=0, policy=policy, database=mlflow_template)
    for name, content in (("few", copied(rows(16), 40)), ("many", rows(400))):
        changes = {"sources": [{"path": f"data/{name}.jsonl", "id": "id"}], "curate": {"dedup": "none"}}
        pipeline = PIPELINE | changes | {"tokenizer": {"kind": "bpe", "vocab_size": 400}}
        (home / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(pipeline))
        write_jsonl(home / "data" / f"{name}.jsonl", content)
    common = {"workspace": workspace, "evaluate_every": 800, "checkpoint_every": 800}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(families._FAMILIES, "llama", replace(families.get("llama"), sizes={"nano": TOY}))
        by_heart = zoo.train("llama", pipeline="few", steps=800, **common)  # type: ignore[arg-type]
        once = zoo.train("llama", pipeline="many", duration="1 epochs", **common)  # type: ignore[arg-type]
        yield workspace, by_heart, once


def gate(run: Run) -> GateResult:
    return {gate.name: gate for gate in run.gates}[VERBATIM_EXTRACTION]


@pytest.mark.slow
def test_what_was_learned_by_heart_is_found(trained: tuple[Workspace, Run, Run]) -> None:
    workspace, by_heart, _ = trained
    _, report = audit_extraction(str(by_heart.model), prefix=24, length=24, workspace=workspace)
    assert report.train.value > 0.5, report
    assert report.validation.value == 0, "the base rate: texts that it never saw"


@pytest.mark.slow
def test_its_gate_blocks_it(trained: tuple[Workspace, Run, Run]) -> None:
    workspace, by_heart, _ = trained
    found = gate(by_heart)
    assert not found.passed and found.evidence["share"] > LIMIT, found
    assert not by_heart.promoted and not by_heart.model.blessed
    assert champion_of(Tracking(workspace.tracking_uri, workspace.artifact_root), by_heart.model.name) is None
    with pytest.raises(PolicyRefused):
        zoo.load(str(by_heart.model), caller="tax-service", workspace=workspace)


@pytest.mark.slow
def test_a_model_that_read_each_text_once_is_not_flagged(trained: tuple[Workspace, Run, Run]) -> None:
    workspace, _, once = trained
    assert gate(once).passed and once.model.blessed, gate(once)
    _, report = audit_extraction(str(once.model), prefix=24, length=24, workspace=workspace)
    assert report.train.value <= LIMIT and report.train.samples == 100


@pytest.mark.slow
def test_the_command_ends_as_the_gate_says(trained: tuple[Workspace, Run, Run]) -> None:
    workspace, by_heart, _ = trained
    options = ("--prefix", "24", "--length", "24", "--samples", "20", "--json")
    shown = run_zoo(workspace.home, "audit", "extraction", str(by_heart.model), *options)
    assert shown.returncode == 1 and "of its training texts, more than the 0.1 that the domain allows" in shown.stderr
    assert json.loads(shown.stdout)["train"]["share"] > LIMIT
