"""The ledger and the lineage of a workspace: real builds and a real registry, models without a network inside."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest
import yaml

import pipelines
import zoo
from governance import ConfigError, DataError, PolicyRefused, RegistryError
from pipelines import BuildResult
from registry import GateResult, ModelVersion, Snapshot, Tracking, list_versions, pick, promote_if_blessed, quarantine
from registry.versions import get_version
from tests.support.models import register_fake, start_run
from tests.support.workspace import PIPELINE, POLICY, bundled_rows, make_workspace, write_jsonl
from zoo.ancestry import BASE_TAG, TEACHER_TAG
from zoo.data import build_data
from zoo.inventory import Inventory, subject_hash
from zoo.picks import flush_picks, record_pick
from zoo.query import Answer, answer_id
from zoo.recording import record_grants, record_versions
from zoo.screen import Screen
from zoo.workspace import Workspace

KEEP = {**POLICY, "domains": {name: {**domain, "pii": "keep"} for name, domain in POLICY["domains"].items()}}


def rows(count: int) -> list[dict[str, Any]]:
    return [{**row, "id": f"R-{n}", "client_id": f"C-{n // 2}"} for n, row in enumerate(bundled_rows(count))]


@dataclass
class World:
    workspace: Workspace
    tracking: Tracking
    old: BuildResult
    new: BuildResult
    answer: Answer

    def events(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        return [(entry.about, dict(entry.content)) for entry in self.workspace.ledger.entries(name)]


def register(world_tracking: Tracking, folder: Path, name: str, digest: str, **tags: str) -> ModelVersion:
    fingerprint = f"{name}-{len(list_versions(world_tracking))}"
    with start_run(world_tracking, fingerprint=fingerprint, dataset_digest=digest) as run:
        version = register_fake(run, folder / fingerprint, model_name=name)
    for tag, value in tags.items():
        world_tracking.client.set_model_version_tag(version.name, str(version.version), tag, value)
    return get_version(world_tracking, version.name, version.version)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> World:
    """gpt/1 saw the old data, gpt/2 the new data and is the champion, tuned/1 goes on from gpt/1 and bert/1 from
    nothing, and taught/1 learned from tuned/1."""
    home = tmp_path_factory.mktemp("lineage")
    workspace = make_workspace(home / "w", records=0, policy=KEEP, pipeline=PIPELINE, database=mlflow_template)
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows(40))
    old = build_data(workspace.pipeline("tax_domain"), workspace, Screen())
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows(40)[2:])  # without C-0
    new = build_data(workspace.pipeline("tax_domain"), workspace, Screen())
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    register(tracking, home, "tax_domain.gpt", old.version.digest)
    champion = register(tracking, home, "tax_domain.gpt", new.version.digest)
    register(tracking, home, "tax_domain.tuned", new.version.digest, **{BASE_TAG: "tax_domain.gpt/1"})
    register(tracking, home, "tax_domain.bert", new.version.digest)
    register(tracking, home, "tax_domain.taught", new.version.digest, **{TEACHER_TAG: "tax_domain.tuned/1"})
    promote_if_blessed(tracking, champion, [GateResult("better", passed=True, evidence={})])
    record_versions(workspace, tracking)
    decision = pick(
        Snapshot.of(list_versions(tracking)), workspace.policy, domain="tax", caller="tax-service", purpose="assist"
    )
    answer = Answer(answer_id(decision.chosen), "Dear", decision.chosen.name, decision.chosen.version, decision, 1.0)
    record_pick(workspace, answer)
    flush_picks()
    return World(workspace, tracking, old, new, answer)


def names(things: list[dict[str, Any]]) -> set[str]:
    return {f"{one['model']}/{one['version']}" for one in things}


SAW_OLD = {"tax_domain.gpt/1", "tax_domain.tuned/1", "tax_domain.taught/1"}


def test_a_record_is_followed_into_a_mixture_of_pipelines(tmp_path: Path, mlflow_template: Path) -> None:
    policy = {**KEEP, "domains": {name: {**domain} for name, domain in KEEP["domains"].items()}}
    policy["domains"]["support"] |= {"may_derive_from": ["support", "tax"]}
    workspace = make_workspace(tmp_path / "w", records=0, policy=policy, pipeline=PIPELINE, database=mlflow_template)
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows(30))
    for name, source in (("middle", "tax_domain"), ("last", "middle")):
        mixed = {**PIPELINE, "domain": "support", "sources": [{"pipeline": source}]}
        (workspace.home / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(mixed))
    built = {
        name: build_data(workspace.pipeline(name), workspace, Screen()) for name in ("tax_domain", "middle", "last")
    }
    digests = {name: result.version.digest for name, result in built.items()}
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    register(tracking, tmp_path, "last.gpt", digests["last"])
    for thing in ("record:R-9", "subject:C-4"):
        found = zoo.lineage(thing, workspace=workspace)
        assert {row["dataset"] for row in found.origins.records} == set(digests.values()), thing
        assert "middle/tax_domain/R-9" in {row["record_id"] for row in found.origins.records}
        assert names(found.uses.models) == {"last.gpt/1"}
    of_data = zoo.lineage(digests["tax_domain"], workspace=workspace)
    assert names(of_data.uses.models) == {"last.gpt/1"}
    assert {one["digest"] for one in of_data.uses.datasets} == {digests["middle"], digests["last"]}
    back = zoo.lineage("last.gpt/1", workspace=workspace).origins
    assert {one["digest"] for one in back.datasets} == set(digests.values())


def test_each_thing_is_recorded_once(world: World) -> None:
    workspace = world.workspace
    built = world.events("data.built")
    assert [about for about, _ in built] == [world.old.version.digest, world.new.version.digest]
    assert sum(built[1][1]["records"].values()) == 38
    registered = dict(world.events("model.registered"))
    assert set(registered) == SAW_OLD | {"tax_domain.gpt/2", "tax_domain.bert/1"}
    assert registered["tax_domain.tuned/1"]["base"] == "tax_domain.gpt/1"
    assert world.events("alias.moved") == [("tax_domain.gpt@champion", {"version": 2})]
    before = workspace.ledger.verify()
    build_data(workspace.pipeline("tax_domain"), workspace, Screen())
    record_versions(workspace, world.tracking)
    assert before.ok and workspace.ledger.verify() == before


def test_the_ledger_holds_no_id_of_a_record_or_a_person_and_no_text(world: World) -> None:
    content = (world.workspace.storage / "ledger.db").read_bytes()
    assert b"tax_domain.gpt/1" in content
    for row in rows(40):
        assert row["client_id"].encode() not in content and row["id"].encode() not in content
        assert row["text"][:30].encode() not in content
    assert world.answer.text.encode() not in content


def test_a_record_is_followed_to_the_answers(world: World) -> None:
    kept = zoo.lineage("record:R-9", workspace=world.workspace)
    assert {row["dataset"] for row in kept.origins.records} == {world.old.version.digest, world.new.version.digest}
    assert kept.origins.records[0]["file"].endswith("data/tax/letters.jsonl")
    assert names(kept.uses.models) == SAW_OLD | {"tax_domain.gpt/2", "tax_domain.bert/1"}
    assert [answer["answer"] for answer in kept.uses.answers] == [world.answer.id]
    gone = zoo.lineage("record:R-0", workspace=world.workspace)
    assert names(gone.uses.models) == SAW_OLD and gone.uses.answers == []
    assert {run["model"] for run in gone.uses.runs} == SAW_OLD


def test_a_subject_has_the_records_about_it(world: World) -> None:
    found = zoo.lineage("subject:C-0", domain="tax", workspace=world.workspace)
    assert {row["record_id"] for row in found.origins.records} == {"R-0", "R-1"}
    assert names(found.uses.models) == SAW_OLD
    assert [data["digest"] for data in found.uses.datasets] == [world.old.version.digest]
    key = subject_hash(world.workspace, "tax", "C-0")
    world.workspace.ledger.append("erasure.started", key, {})
    events = zoo.lineage("subject:C-0", workspace=world.workspace).events
    assert [event["event"] for event in events] == ["erasure.started"]


def test_a_dataset_version_and_a_model_and_an_answer_go_both_ways(world: World) -> None:
    data = zoo.lineage(world.old.version.digest[:8], workspace=world.workspace)
    assert names(data.uses.models) == SAW_OLD and data.origins.datasets[0]["records"] == 40
    assert data.events[0]["event"] == "data.built"
    model = zoo.lineage("tax_domain.tuned/1", workspace=world.workspace)
    assert names(model.origins.models) == {"tax_domain.tuned/1", "tax_domain.gpt/1"}
    assert {one["digest"] for one in model.origins.datasets} == {world.old.version.digest, world.new.version.digest}
    assert names(model.uses.models) == {"tax_domain.taught/1"}
    champion = zoo.lineage("tax_domain.gpt@champion", workspace=world.workspace)
    assert champion.thing == "tax_domain.gpt/2" and champion.origins.models[0]["aliases"] == ["champion"]
    assert [answer["caller"] for answer in champion.uses.answers] == ["tax-service"]
    answer = zoo.lineage(world.answer.id, workspace=world.workspace)
    assert names(answer.origins.models) == {"tax_domain.gpt/2"} and len(answer.events) == 1
    assert [one["digest"] for one in answer.origins.datasets] == [world.new.version.digest]
    unrecorded = zoo.lineage("tax_domain.gpt/2/" + "0" * 24, workspace=world.workspace)
    assert names(unrecorded.origins.models) == {"tax_domain.gpt/2"} and unrecorded.events == []
    assert json.loads(json.dumps(model.to_json()))["kind"] == "model"


@pytest.mark.parametrize(
    ("thing", "domain", "error"),
    [
        ("record:nothing", None, DataError),
        ("subject:nobody", "tax", DataError),
        ("record:R-9", "support", DataError),
        ("record:R-9", "taxes", ConfigError),
        ("tax_domain.gpt/2", "tax", ConfigError),
        ("00000000", None, DataError),
        ("dataset:", None, DataError),
        ("tax_domain.gpt/9", None, RegistryError),
        ("tax_domain.gtp@champion", None, RegistryError),
        ("answer:x", None, ConfigError),
        ("what is this", None, ConfigError),
    ],
)
def test_what_there_is_not(world: World, thing: str, domain: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        zoo.lineage(thing, domain=domain, workspace=world.workspace)


def test_changes_by_others_and_after_a_kill_are_made_up_for(tmp_path: Path, mlflow_template: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=20, policy=KEEP, database=mlflow_template)
    spec = workspace.pipeline("tax_domain")
    built = pipelines.build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage)
    assert list(workspace.ledger.entries()) == []  # as if it was killed here
    assert build_data(spec, workspace, Screen()).reused
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    version = register(tracking, tmp_path, "tax_domain.gpt", built.version.digest)
    child = register(tracking, tmp_path, "tax_domain.tuned", "e" * 64, **{BASE_TAG: "tax_domain.gpt/1"})
    tracking.client.set_registered_model_alias(version.name, "champion", "1")
    assert names(zoo.lineage(built.version.digest, workspace=workspace).uses.models) == {str(version), str(child)}
    quarantine(tracking, version, "a test")
    Inventory(workspace).versions  # noqa: B018 - reading records
    tracking.client.delete_registered_model(version.name)
    again = register(tracking, tmp_path, "tax_domain.gpt", "f" * 64)
    assert str(again) == str(version)
    assert [str(v) for v in Inventory(workspace).models_that_saw([built.version.digest])] == [str(again), str(child)]
    events = [(e.event, e.about, e.content.get("version")) for e in workspace.ledger.entries()][2:]
    assert events == [
        ("model.registered", "tax_domain.gpt/1", None),
        ("model.registered", "tax_domain.tuned/1", None),
        ("alias.moved", "tax_domain.gpt@champion", 1),
        ("model.quarantined", "tax_domain.gpt/1", None),
        ("alias.moved", "tax_domain.gpt@champion", None),
        ("model.registered", "tax_domain.gpt/1", None),
    ]
    assert workspace.ledger.verify().ok


def test_changed_grants_are_recorded_with_who_gained_and_who_lost(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, records=0, policy=KEEP)
    record_grants(workspace)
    record_grants(workspace)
    callers = {"tax-service": {"roles": ["support-service"]}, "other": {"roles": ["tax-service"]}}
    record_grants(make_workspace(tmp_path, records=0, policy={**KEEP, "callers": callers}))
    first, second = (entry.content for entry in workspace.ledger.entries("policy.changed"))
    assert first["granted"] == ["support-service -> support: assist", "tax-service -> tax: assist"]
    assert second["granted"] == ["other -> tax: assist", "tax-service -> support: assist"]
    assert second["revoked"] == ["support-service -> support: assist", "tax-service -> tax: assist"]


def test_nothing_is_written_for_a_domain_that_the_policy_does_not_have(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, records=4, pipeline={**PIPELINE, "domain": "legal"})
    with pytest.raises(PolicyRefused):
        build_data(workspace.pipeline("tax_domain"), workspace, Screen())
    assert not workspace.storage.exists()


def test_an_answer_does_not_wait_for_the_ledger_nor_fail_with_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.picks._WAITING", 10)
    blocked = changed(world.workspace, ledger_url=f"sqlite:///{tmp_path / 'no-database.db'}", picks=1.0)
    (tmp_path / "no-database.db").write_text("x" * 4096)
    start = time.monotonic()
    for _ in range(50):  # more than are kept waiting
        record_pick(blocked, world.answer)
    assert time.monotonic() - start < 5
    flush_picks(30)


@pytest.mark.parametrize(("share", "recorded"), [(0.0, 0), (1.0, 5), (1e-12, 1)])
def test_the_first_pick_of_a_kind_is_recorded_and_a_share_of_the_others(
    world: World, tmp_path: Path, share: float, recorded: int
) -> None:
    workspace = make_workspace(tmp_path, records=0, policy={**KEEP, "ledger": {"picks": share}})
    for _ in range(5):
        record_pick(workspace, changed(world.answer, id=answer_id(world.answer.decision.chosen)))
    flush_picks(30)
    assert len(list(workspace.ledger.entries("answer.picked"))) == recorded
