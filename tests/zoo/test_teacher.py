"""Who may teach a distilled model: found, of the right kind, with the same words, and allowed by the policy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from governance import ConfigError, PolicyRefused, RegistryError
from governance.labels import Label
from pipelines.tokenizers import TokenizerFiles, train_tokenizer
from registry import GateResult, ModelVersion, Tracking, model_folder, promote_if_blessed, quarantine
from tests.pipelines.tiny import tiny_version
from tests.support.mlflow_template import copy_template
from tests.support.models import register_fake, start_run
from tests.support.workspace import make_workspace
from zoo import families
from zoo.families import Size
from zoo.job import prepare
from zoo.request import Request
from zoo.screen import Screen
from zoo.teacher import find_teacher
from zoo.workspace import Workspace

BERT, DISTILBERT, GPT = map(families.get, ("bert", "distilbert", "gpt"))


@pytest.fixture
def tracking(mlflow_template: Path, tmp_path: Path) -> Tracking:
    return copy_template(mlflow_template, tmp_path / "store")


@pytest.fixture
def workspace(tracking: Tracking, tmp_path: Path) -> Workspace:
    made = make_workspace(tmp_path / "w", records=0)
    return replace(made, tracking_uri=tracking.uri, artifact_root=tracking.artifact_root)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFiles:
    return train_tokenizer(tiny_version(), kind="bert", vocab_size=200, storage=tmp_path_factory.mktemp("s"))


def registered(
    tracking: Tracking, tmp_path: Path, tokenizer: TokenizerFiles, *, size: Size | None = None, **facts: Any
) -> ModelVersion:
    """A champion with the description of a bert's preset."""
    size = size or BERT.size("nano")
    facts = {"pipeline": "tax_domain", "family": "bert", **facts}
    with start_run(tracking, fingerprint="-".join(sorted(facts)), **facts) as run:
        version = register_fake(run, tmp_path / "trained", model_name=f"{facts['pipeline']}.{facts['family']}")
    folder = model_folder(tracking, version)
    shape = {"num_layers": size.layers, "hidden_dim": size.width, "num_heads": size.heads}
    shape["max_sequence_length"] = size.context
    (folder / "config.json").write_text(json.dumps({"config": shape}))
    (folder / "assets" / "tokenizer").mkdir()
    (folder / "assets" / "tokenizer" / "vocabulary.txt").write_bytes((tokenizer.folder / "vocabulary.txt").read_bytes())
    promote_if_blessed(tracking, version, [GateResult("fine", True, {})])
    return version


def find(workspace: Workspace, reference: str | None = None, size: str = "nano") -> Any:
    return find_teacher(workspace, DISTILBERT, DISTILBERT.size(size), pipeline="tax_domain", reference=reference)


def test_the_champion_of_the_pipeline_teaches(
    workspace: Workspace, tracking: Tracking, tmp_path: Path, tokenizer: TokenizerFiles
) -> None:
    with pytest.raises(ConfigError, match="learns from a bert.*zoo train bert --pipeline tax_domain --size nano"):
        find(workspace)
    version = registered(tracking, tmp_path, tokenizer)
    teacher = find(workspace)
    assert teacher.version.model_id == version.model_id == find(workspace, "tax_domain.bert/1").version.model_id
    adopted = teacher.tokenizer("bert", tmp_path / "storage")
    assert (adopted.digest, adopted.kind, adopted.label) == (tokenizer.digest, "bert", version.label)
    with pytest.raises(ConfigError, match='has layers 2, and the size "micro" 3'):
        find(workspace, size="micro")
    quarantine(tracking, version, "erased")
    with pytest.raises(RegistryError, match="quarantined"):
        find(workspace, "tax_domain.bert/1")


def test_others_do_not(workspace: Workspace, tracking: Tracking, tmp_path: Path, tokenizer: TokenizerFiles) -> None:
    registered(tracking, tmp_path, tokenizer, family="ernie")
    with pytest.raises(ConfigError, match="learns from a bert, and tax_domain.ernie/1 is a ernie"):
        find(workspace, "tax_domain.ernie/1")
    with pytest.raises(RegistryError, match="there is no model"):
        find(workspace, "tax_domain.bert/1")
    tuned = registered(tracking, tmp_path / "tuned", tokenizer, domain="tax")  # another run
    tracking.client.set_model_version_tag(tuned.name, str(tuned.version), "zoo.objective", "classify")
    with pytest.raises(ConfigError, match="tax_domain.bert/1 was fine-tuned to classify, and a teacher is asked"):
        find(workspace, "tax_domain.bert/1")
    with pytest.raises(ConfigError, match="gpt learns from no teacher"):
        find_teacher(workspace, GPT, GPT.size("nano"), pipeline="tax_domain", reference="tax_domain.ernie/1")
    assert find_teacher(workspace, GPT, GPT.size("nano"), pipeline="tax_domain", reference=None) is None


def test_the_policy_is_asked_before_data_is_read(
    workspace: Workspace, tracking: Tracking, tmp_path: Path, tokenizer: TokenizerFiles
) -> None:
    registered(tracking, tmp_path, tokenizer, pipeline="support_domain", label=Label.of("support"), domain="support")
    with pytest.raises(PolicyRefused, match="support"):
        request = Request("distilbert", "tax_domain", steps=1, teacher="support_domain.bert/1")
        prepare(request, workspace=workspace, screen=Screen())
    assert not (workspace.storage / "datasets").exists()


@pytest.mark.parametrize("asked", [{"teacher": "support_domain.bert/1"}, {"init": "support_domain.bert/1"}])
def test_nothing_is_fetched_before_the_policy_allows_it(
    workspace: Workspace,
    tracking: Tracking,
    tmp_path: Path,
    tokenizer: TokenizerFiles,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, str],
) -> None:
    registered(tracking, tmp_path, tokenizer, pipeline="support_domain", label=Label.of("support"), domain="support")

    def fetched(*given: object) -> Path:
        raise AssertionError("the model's files were fetched")

    monkeypatch.setattr("zoo.teacher.model_folder", fetched)
    monkeypatch.setattr("zoo.exchange.base.model_folder", fetched)
    family = "distilbert" if "teacher" in asked else "bert"
    with pytest.raises(PolicyRefused, match="support"):
        prepare(Request(family, "tax_domain", steps=1, **asked), workspace=workspace, screen=Screen())
