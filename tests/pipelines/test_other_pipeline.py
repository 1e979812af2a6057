"""Records of another pipeline in a dataset version: labels join, the policy decides, raw text stays where it is."""

from __future__ import annotations

import copy
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from governance import ConfigError, DataError, Label, PolicyRefused
from pipelines import BuildResult, PipelineSpec, build
from pipelines.cards import read_card
from pipelines.place import Place, is_ours, label_caches
from tests.support.workspace import PIPELINE, POLICY, bundled_rows, make_workspace, write_jsonl
from zoo.workspace import Workspace

MIXED: dict[str, Any] = PIPELINE | {
    "domain": "support",
    "sources": [
        {"path": "data/support/*.jsonl", "text": "{title}\n{text}", "id": "id"},
        {"pipeline": "tax_domain"},
    ],
}


def policy(*, joined: bool) -> dict[str, Any]:
    content = copy.deepcopy(POLICY)
    if joined:
        content["domains"]["support"]["may_derive_from"].append("tax")
    return content


def add_mixed(workspace: Workspace, spec: dict[str, Any] = MIXED) -> None:
    (workspace.home / "pipelines" / "support_domain.yaml").write_text(yaml.safe_dump(spec))
    write_jsonl(workspace.home / "data" / "support" / "x.jsonl", bundled_rows(15, start=60))


def run(workspace: Workspace, pipeline: str) -> BuildResult:
    spec = workspace.pipeline(pipeline)
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, BuildResult, BuildResult]:
    home = tmp_path_factory.mktemp("mixed") / "w"
    workspace = make_workspace(home, records=25, policy=policy(joined=True))
    add_mixed(workspace)
    tax = run(workspace, "tax_domain")
    return workspace, tax, run(workspace, "support_domain")


def test_labels_join_and_records_keep_their_origin(mixed: tuple[Workspace, BuildResult, BuildResult]) -> None:
    _, tax, support = mixed
    version = support.version
    version.verify()
    assert version.label == Label.of("support", "tax") and tax.version.label == Label.of("tax")
    assert version.derived_from == {"tax_domain": tax.version.digest}
    assert version.sources.names == ("support", "tax_domain")
    rows = version.manifest().to_pylist()
    others = {row["record_id"]: row for row in rows if row["source"] == 1}
    assert set(others) == {f"tax_domain/{row['id']}" for row in bundled_rows(25)} and len(rows) == 40
    assert all(row["label"] == ["support", "tax"] for row in rows)
    assert all(row["file"] == "pipeline:tax_domain" for row in others.values())
    theirs = {f"tax_domain/{row['record_id']}": row["subject"] for row in tax.version.manifest().to_pylist()}
    assert all(row["subject"] not in (None, theirs[name]) for name, row in others.items()), "unlinkable across domains"
    card = read_card(Path(support.card))
    assert card.label == ("support", "tax") and card.derived_from == version.derived_from


def test_raw_text_of_the_other_domain_is_nowhere(mixed: tuple[Workspace, BuildResult, BuildResult]) -> None:
    version = mixed[2].version
    stored = " ".join(text for split in version.records for _, text in version.texts(split))
    values = [
        row["text"][span["start"] : span["end"]]
        for row in bundled_rows(25)
        for span in row["spans"]
        if span["type"] in ("US_SSN", "EMAIL_ADDRESS", "PHONE_NUMBER")
    ]
    assert len(values) > 20 and not [value for value in values if value in stored]


@pytest.mark.slow
def test_what_leaves_there_leaves_here(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=25, policy=policy(joined=True))
    add_mixed(workspace)
    run(workspace, "tax_domain")
    first = run(workspace, "support_domain")
    assert run(workspace, "support_domain").reused
    gone = bundled_rows(25)[7]["id"]
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", [r for r in bundled_rows(25) if r["id"] != gone])
    run(workspace, "tax_domain")
    second = run(workspace, "support_domain")
    assert not second.reused and second.changed == {"added": 0, "updated": 0, "removed": 1}
    assert second.version.digest != first.version.digest


def test_the_policy_is_asked_before_anything_is_written(
    mixed: tuple[Workspace, BuildResult, BuildResult], tmp_path: Path
) -> None:
    """Also when a build of the same inputs is there, from before the policy changed."""
    home = tmp_path / "w"
    shutil.copytree(mixed[0].home, home)
    (home / "zoo.yaml").write_text(yaml.safe_dump(policy(joined=False)))
    workspace = Workspace.load(home)
    with pytest.raises(PolicyRefused, match='"support" may not derive from tax'):
        run(workspace, "support_domain")
    shutil.rmtree(workspace.storage / "datasets" / "support_domain")
    with pytest.raises(PolicyRefused, match='"support" may not derive from tax'):
        run(workspace, "support_domain")
    assert not (workspace.storage / "datasets" / "support_domain").exists()


def test_a_label_that_was_edited_is_found(mixed: tuple[Workspace, BuildResult, BuildResult], tmp_path: Path) -> None:
    """A version that says it is public would pass the policy; its digest says that it is not."""
    workspace, tax, _ = mixed
    home = tmp_path / "w"
    shutil.copytree(workspace.home, home)
    folder = home / ".zoo" / "datasets" / "tax_domain" / tax.version.path.name
    content = json.loads((folder / "version.json").read_text())
    (folder / "version.json").write_text(json.dumps(content | {"label": ["public"]}))
    (home / "zoo.yaml").write_text(yaml.safe_dump(policy(joined=False)))
    with pytest.raises(DataError, match="the content's digest is"):
        run(Workspace.load(home), "support_domain")


def test_circles_and_missing_versions_are_refused(
    mixed: tuple[Workspace, BuildResult, BuildResult], tmp_path: Path
) -> None:
    workspace = mixed[0]

    def attempt(name: str, source: str) -> None:
        spec = PipelineSpec.model_validate({"domain": "tax", "sources": [{"pipeline": source}]})
        spec = spec.model_copy(update={"name": name, "folder": str(workspace.home)})
        build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)

    for name, source in (("tax_domain", "tax_domain"), ("tax_domain", "support_domain")):
        with pytest.raises(ConfigError, match="cannot be its own source"):
            attempt(name, source)
    with pytest.raises(DataError, match=r'"other" has no dataset version.*zoo data build other'):
        attempt("tax_domain", "other")


@pytest.mark.parametrize("kind", ["path", "tfds", "link"])
def test_what_builds_write_is_no_source_by_its_path(
    mixed: tuple[Workspace, BuildResult, BuildResult], tmp_path: Path, kind: str
) -> None:
    workspace, tax, _ = mixed
    folder = tax.version.path
    source: dict[str, Any] = {"path": f"{folder}/manifest.parquet", "text": "record_id"}
    if kind == "tfds":
        source = {"tfds": str(folder)}
    if kind == "link":
        os.symlink(folder / "manifest.parquet", tmp_path / "innocent.parquet")
        source["path"] = str(tmp_path / "innocent.parquet")
    spec = PipelineSpec.model_validate({"domain": "support", "sources": [source]}).model_copy(update={"name": "thief"})
    with pytest.raises(DataError, match="a build wrote this, and its label would be lost"):
        build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)


def test_the_workspaces_own_folders_stay_readable(tmp_path: Path) -> None:
    assert not is_ours(str(tmp_path / "data" / "x.jsonl"), tmp_path)
    assert is_ours(str(tmp_path / "exclusions" / "p" / "x.parquet"), tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"pipeline": "tax_domain", "text": "x"}, "a version has its own records; remove text beside pipeline"),
        ({"pipeline": "tax_domain", "path": "x"}, "give one of path, sql, tfds and pipeline, not path and pipeline"),
        ({"pipeline": "../x"}, "pipeline"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PipelineSpec.model_validate({"domain": "tax", "sources": [source]})


def test_a_label_cannot_be_written_into_a_file() -> None:
    with pytest.raises(ValueError, match="labels follow from what is read"):
        PipelineSpec.model_validate({"domain": "tax", "sources": [{"path": "x"}], "joined": []})


@pytest.mark.parametrize(
    ("before", "stays"),
    [
        (["support"], True),
        (["support", "tax"], True),
        (["legal", "support"], False),  # a source of that domain is gone
        ("damaged", False),
        (None, False),  # a build was killed while it removed them, or made them before there was a label
    ],
)
def test_step_caches_have_a_label_and_leave_with_a_domain(before: object, stays: bool, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=25, policy=policy(joined=True))
    add_mixed(workspace)
    run(workspace, "tax_domain")
    caches = workspace.storage / "cache" / "support_domain"
    earlier = caches / "filtered-of-earlier-rules" / "bucket-00.parquet"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    if before is not None:
        (caches / "label.json").write_text(json.dumps(before) if isinstance(before, list) else "[")
    label_caches(Place(workspace.storage, "support_domain"), Label.of("support", "tax"))
    assert earlier.exists() == stays
    run(workspace, "support_domain")
    assert json.loads((caches / "label.json").read_text()) == ["support", "tax"]


def test_of_a_pipeline_without_caches_nothing_is_removed(tmp_path: Path) -> None:
    place = Place(tmp_path, "p")
    label_caches(place, Label.of("tax"))
    place.cache_label.unlink()
    place.stamps.write_text("{}")
    label_caches(place, Label.of("tax"))
    assert place.stamps.exists() and json.loads(place.cache_label.read_text()) == ["tax"]


@pytest.mark.parametrize("refused", ["rmtree", "write"])
def test_caches_in_a_folder_that_is_read_only_are_one_line(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, "p")
    (place.stamps.parent / "filtered-1").mkdir(parents=True)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    if refused == "rmtree":  # root may write everywhere
        monkeypatch.setattr("shutil.rmtree", refuse)
    else:
        monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(DataError) as error:
        label_caches(place, Label.of("tax"))
    assert "Permission denied" in str(error.value) and str(place.stamps.parent) in str(error.value)
    assert "\n" not in str(error.value)
