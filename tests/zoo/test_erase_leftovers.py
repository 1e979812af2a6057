"""What an erasure finds besides versions: what builds left out, and what was made of versions that are gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import zoo
from governance import DataError
from pipelines.build import build
from pipelines.curate.quality import SETS
from registry import Tracking, get_version
from tests.support.traces import traces
from tests.support.workspace import make_workspace, write_jsonl
from tests.zoo.test_erase import rows, trained
from zoo.data import build_data
from zoo.screen import Screen
from zoo.workspace import Workspace

LIMITS = {rule.name: [None, None] for rule in SETS["gopher"]} | {"gopher_words": [10, None]}
SHORT = {"id": "note-of-tilda", "title": "", "text": "Tilda was here.", "client_id": "Tilda-Quibble-17"}
EMPTY = SHORT | {"id": "nothing-of-tilda", "text": " "}


@pytest.fixture
def workspace(tmp_path: Path, mlflow_template: Path) -> Workspace:
    """Its build left the person's short note out, and its source has it no more."""
    policy: Any = {"domains": {"tax": {"owner": "o", "may_derive_from": ["tax"], "pii": "keep"}}}
    pipeline = {
        "domain": "tax",
        "sources": [{"path": "data/tax/*.jsonl", "id": "id", "subject": "client_id"}],
        "curate": {"quality": {"sets": ["gopher"], "limits": LIMITS}},
        "split": {"validation": 0.3, "test": 0.0},
    }
    made = make_workspace(tmp_path / "w", records=0, policy=policy, pipeline=pipeline, database=mlflow_template)
    letters = made.home / "data" / "tax" / "letters.jsonl"
    write_jsonl(letters, [SHORT, EMPTY, *rows("tax")])
    build(made.pipeline("tax_domain"), policy=made.policy, keys=made.keys, storage=made.storage, processes=1)
    write_jsonl(letters, rows("tax"))
    return made


@pytest.mark.parametrize("lost", ["the folder", "what the file holds", "some of it"])
def test_nothing_is_built_when_tombstones_are_lost(workspace: Workspace, lost: str) -> None:
    """The erased would come back from the source."""
    zoo.erase(domain="tax", subject="Tilda-Quibble-17", workspace=workspace)
    spec = workspace.pipeline("tax_domain")
    assert build_data(spec, workspace, Screen()).reused
    folder = workspace.storage / "erasures" / "tax"
    if lost == "the folder":
        shutil.rmtree(folder.parent)
    else:
        stones = json.loads((folder / "tombstones.json").read_text())
        left = {} if lost == "what the file holds" else stones | {"subjects": []}
        (folder / "tombstones.json").write_text(json.dumps(left))
    for act in (
        lambda: build_data(spec, workspace, Screen()),
        lambda: zoo.erase(domain="tax", record="tax-1", workspace=workspace),
    ):
        with pytest.raises(DataError, match=r"tombstones.json: tombstones of the domain .tax. are gone"):
            act()


@pytest.mark.parametrize("name", [{"subject": "Tilda-Quibble-17"}, {"record": "note-of-tilda"}])
def test_what_was_only_left_out_leaves_as_well(workspace: Workspace, name: dict[str, str]) -> None:
    assert traces(workspace.storage, ["Tilda", "note-of-tilda"])
    found = zoo.erase(domain="tax", workspace=workspace, **name).journal.pipelines["tax_domain"]
    assert found.records == (2 if "subject" in name else 1) and found.before == ()
    assert traces(workspace.storage, ["Tilda", "note-of-tilda"]) == []
    assert "record" in name or traces(workspace.storage, ["nothing-of-tilda"]) == []
    assert zoo.erase(domain="tax", workspace=workspace, **name).nothing_to_do


def test_what_was_made_of_a_version_that_is_gone_leaves(workspace: Workspace, tmp_path: Path) -> None:
    """Nobody can tell whom it held; what another domain's version gave stays."""
    storage, tracking = workspace.storage, Tracking(workspace.tracking_uri, workspace.artifact_root)
    model = trained(workspace, "tax_domain", tmp_path / "model")
    gone = model.tags["zoo.dataset"]
    for kind, digest, label in (
        ("tokens", gone, "tax"),
        ("examples", gone, "tax"),
        ("tokenizers", gone, "tax"),
        ("tokens", "b" * 64, "legal"),
    ):
        folder = storage / kind / f"{digest[:16]}-x"
        folder.mkdir(parents=True)
        meta = {"dataset_digest": digest, "label": [label], "digest": "d" * 64}
        (folder / "meta.json").write_text(json.dumps(meta))
    shutil.rmtree(storage / "datasets" / "tax_domain")
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", [SHORT, *rows("tax")])
    planned = zoo.erase(domain="tax", subject="Tilda-Quibble-17", workspace=workspace, dry_run=True)
    assert planned.journal.unknown == (str(model),)
    zoo.erase(domain="tax", subject="Tilda-Quibble-17", workspace=workspace)
    left = {kind: [path.name for path in (storage / kind).glob("*")] for kind in ("tokens", "examples", "tokenizers")}
    assert left == {"tokens": ["bbbbbbbbbbbbbbbb-x"], "examples": [], "tokenizers": []}
    assert "its data is gone" in (get_version(tracking, model.name, model.version).quarantined or "")
    assert not list(storage.rglob("model.weights.h5"))


def test_files_that_another_domain_reads_are_told(workspace: Workspace) -> None:
    """An erasure in one domain does not reach what the other one made of the same files."""

    class Said(Screen):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def say(self, line: str) -> None:
            self.lines.append(line)

    policy = yaml.safe_load((workspace.home / "zoo.yaml").read_text())
    policy["domains"]["legal"] = {"owner": "o", "may_derive_from": ["legal"], "pii": "keep"}
    (workspace.home / "zoo.yaml").write_text(yaml.safe_dump(policy))
    source = {"path": "data/*/letters.jsonl", "id": "id", "subject": "client_id"}
    other = {"domain": "legal", "sources": [source], "split": {"validation": 0.3, "test": 0.0}}
    (workspace.home / "pipelines" / "other.yaml").write_text(yaml.safe_dump(other))
    (workspace.home / "pipelines" / "broken.yaml").write_text("domain: [")
    workspace = Workspace.load(workspace.home)
    built, erased = Said(), Said()
    build_data(workspace.pipeline("other"), workspace, built)
    assert [line for line in built.lines if "which tax_domain reads for the domain tax" in line], built.lines
    (workspace.home / "pipelines" / "broken.yaml").unlink()
    zoo.erase(domain="tax", subject="Tilda-Quibble-17", workspace=workspace, screen=erased)
    assert [line for line in erased.lines if "other of the domain legal reads files of tax_domain" in line]
