"""An erasure in a workspace whose models have no network inside: quarantine, removal, receipt, what is due."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

import zoo
from governance import ConfigError, DataError, PolicyRefused, RegistryError
from governance.keys import keyed_hash
from governance.labels import Label
from pipelines.build import build
from pipelines.erasure.remove import remove_tokens
from registry import Catalogue, ModelVersion, Tracking, get_version, pick
from tests.support.models import METRICS, register_fake, start_run
from tests.support.traces import traces
from tests.support.workspace import make_workspace, write_jsonl
from zoo.load import open_version
from zoo.retrain import retrain
from zoo.screen import Screen
from zoo.workspace import Workspace

SUBJECT = "Tilda-Quibble-17"
TEXT = "Tilda Quibble keeps nine lanterns behind the green door of the mill and counts them every evening before supper"


def rows(prefix: str, count: int = 30) -> list[dict[str, str]]:
    words = [f"{prefix}{number}" for number in range(count + 40)]
    return [
        {"id": f"{prefix}-{number}", "title": "", "text": " ".join(words[number : number + 30]), "client_id": "nobody"}
        for number in range(count)
    ]


def spec(folder: str, **refresh: Any) -> dict[str, Any]:
    return {
        "domain": "tax",
        "sources": [{"path": f"data/{folder}/*.jsonl", "id": "id", "subject": "client_id"}],
        "split": {"validation": 0.3, "test": 0.0},
        "refresh": refresh,
    }


@pytest.fixture
def workspace(tmp_path: Path, built: Path) -> Workspace:
    """tax_domain holds the subject and a near duplicate of somebody else; other_domain holds neither."""
    return Workspace.load(Path(shutil.copytree(built, tmp_path / "w")))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Path:
    """To copy."""
    policy: Any = {
        "domains": {
            "tax": {"owner": "o", "readers": ["r"], "purposes": ["assist"], "may_derive_from": ["tax"], "pii": "keep"}
        },
        "callers": {"c": {"roles": ["r"]}},
    }
    home = tmp_path_factory.mktemp("built") / "w"
    made = make_workspace(
        home, records=0, policy=policy, pipeline=spec("tax", on_erasure="now"), database=mlflow_template
    )
    (home / "pipelines" / "other_domain.yaml").write_text(yaml.safe_dump(spec("other")))
    mine = {"id": "letter-of-tilda", "title": "", "text": TEXT, "client_id": SUBJECT}
    near = {"id": "copy-of-tilda", "title": "", "text": f"{TEXT} again", "client_id": "nobody"}
    write_jsonl(home / "data" / "tax" / "letters.jsonl", [mine, near, *rows("tax")])
    write_jsonl(home / "data" / "other" / "letters.jsonl", rows("other"))
    for name in ("tax_domain", "other_domain"):
        build(made.pipeline(name), policy=made.policy, keys=made.keys, storage=made.storage, processes=1)
    return home


def trained(workspace: Workspace, pipeline: str, folder: Path, **tags: str) -> ModelVersion:
    """A champion of a pipeline, of its present data."""
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    latest = json.loads((workspace.storage / "datasets" / pipeline / "latest.json").read_text())["digest"]
    facts: dict[str, Any] = {"pipeline": pipeline, "dataset_digest": latest, "label": Label.of("tax")}
    family = f"gpt{len(tags)}"
    with start_run(tracking, f"{pipeline}{family}", family=family, tags=tags, **facts) as run:
        found = register_fake(run, folder, model_name=f"{pipeline}.{family}", metrics=METRICS)
    for key, value in {"zoo.blessed": "true", **tags}.items():
        tracking.client.set_model_version_tag(found.name, str(found.version), key, value)
    tracking.client.set_registered_model_alias(found.name, "champion", str(found.version))
    return get_version(tracking, found.name, found.version)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_who_saw_the_subject_leaves_service_and_nothing_of_it_stays(workspace: Workspace, tmp_path: Path) -> None:
    storage = workspace.storage
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    saw = trained(workspace, "tax_domain", tmp_path / "saw")
    through = trained(workspace, "other_domain", tmp_path / "through", **{"zoo.base": str(saw)})
    apart = trained(workspace, "other_domain", tmp_path / "apart")
    elsewhere = Catalogue(tracking, refresh_seconds=None, bell=workspace.bell)  # of a process that answers
    assert len(elsewhere.snapshot().entries) == 3
    for kind in ("tokens", "tokenizers"):
        (storage / kind / f"{saw.tags['zoo.dataset'][:16]}-bpe").mkdir(parents=True)
    checkpoints = storage / "training" / "tax_domain.gpt" / "nano"
    (checkpoints / "checkpoints").mkdir(parents=True)
    (checkpoints / "identity.json").write_text(json.dumps({"dataset": saw.tags["zoo.dataset"]}))
    weights = list(storage.rglob("model.weights.h5"))
    assert traces(storage, [SUBJECT, "letter-of-tilda", TEXT]) and len(weights) == 3

    before = tree(workspace.home)
    planned = zoo.erase(domain="tax", subject=SUBJECT, dry_run=True, workspace=workspace)
    assert tree(workspace.home) == before, "a dry run writes nothing"
    erased = zoo.erase(domain="tax", subject=SUBJECT, workspace=workspace)
    assert planned.journal.models == erased.journal.models == tuple(sorted([str(saw), str(through)]))
    found = erased.journal.pipelines["tax_domain"]
    assert (found.records, found.near_duplicates, found.before) == (1, 1, (saw.tags["zoo.dataset"],))
    assert erased.retraining == ("other_domain", "tax_domain")

    words = [SUBJECT, "Tilda", "lanterns behind", "letter-of-tilda", "copy-of-tilda"]
    assert traces(storage, words) == []
    assert len(list(storage.rglob("model.weights.h5"))) == 1, "weights and vocabularies are gone"
    assert not checkpoints.joinpath("checkpoints").exists()
    assert not any((storage / "tokens").iterdir()) and not any((storage / "tokenizers").iterdir())

    snapshot = elsewhere.snapshot()
    decision = pick(snapshot, workspace.policy, domain="tax", caller="c", purpose="assist")
    assert decision.chosen == apart == get_version(tracking, apart.name, apart.version), "the third is untouched"
    assert {c.reason for c in decision.candidates if not c.kept} == {"quarantined"}
    for version in (saw, through):
        with pytest.raises(RegistryError, match="quarantined: erasure"):
            zoo.load(str(version), workspace=workspace)
        with pytest.raises(RegistryError):
            zoo.load(f"{version.name}@champion", workspace=workspace)
        with pytest.raises(PolicyRefused):
            zoo.load(str(version), workspace=workspace, caller="c")
        with pytest.raises(RegistryError, match="quarantined"):
            open_version(workspace, get_version(tracking, version.name, version.version))

    due = {one.pipeline: one.reason for one in retrain(dry_run=True, workspace=workspace).due}
    assert "erasure" in due["tax_domain"] and "gpt1: version 1 is out of use: erasure" in due["other_domain"]
    assert "gpt0: version 1 was trained on the present data" in due["other_domain"]

    assert [path.name for path in (storage / "schedule" / "now").iterdir()] == ["tax_domain"], "for a daemon"

    receipt = json.loads(Path(erased.receipt or "").read_text())
    assert workspace.ledger.verify(receipt=receipt).ok
    assert receipt["payload"] == erased.journal.payload() and receipt["payload"]["models"] == list(
        planned.journal.models
    )
    with sqlite3.connect(storage / "ledger.db") as ledger:
        ledger.execute("UPDATE ledger SET body = replace(body, 'near_duplicates\":1', 'near_duplicates\":0')")
    assert not workspace.ledger.verify(receipt=receipt).ok, "an edited entry is found"


def test_again_there_is_nothing_to_do_and_the_source_brings_nothing_back(workspace: Workspace) -> None:
    first = zoo.erase(domain="tax", subject=SUBJECT, workspace=workspace)
    after = tree(workspace.storage)
    second = zoo.erase(domain="tax", subject=SUBJECT, workspace=workspace)
    assert second.nothing_to_do and second.journal == first.journal and second.receipt == first.receipt
    assert zoo.erase(domain="tax", subject=SUBJECT, workspace=workspace, dry_run=True).nothing_to_do
    assert tree(workspace.storage) == after
    rebuilt = build(
        workspace.pipeline("tax_domain"), policy=workspace.policy, keys=workspace.keys, storage=workspace.storage
    )
    assert rebuilt.reused and rebuilt.version.digest == first.journal.pipelines["tax_domain"].after
    assert rebuilt.dropped["erased"] == 2


@pytest.mark.parametrize("source", ["unreadable", "gone"])
def test_without_its_source_a_version_is_made_from_its_own_shards(workspace: Workspace, source: str) -> None:
    whole = zoo.erase(domain="tax", record="letter-of-tilda", dry_run=True, workspace=workspace).journal
    letters = workspace.home / "data" / "tax" / "letters.jsonl"
    content = letters.read_text()
    letters.write_bytes(b"\xff\xfe{") if source == "unreadable" else letters.unlink()
    journal = zoo.erase(domain="tax", record="letter-of-tilda", pipeline="tax_domain", workspace=workspace).journal
    found = journal.pipelines["tax_domain"]
    assert found.rewritten and found.before == whole.pipelines["tax_domain"].before and found.near_duplicates == 1
    assert traces(workspace.storage, ["Tilda", "letter-of-tilda", "copy-of-tilda"]) == []
    letters.write_text(content)
    spec = workspace.pipeline("tax_domain")
    fresh = build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage)
    assert fresh.version.digest == found.after, "from the source the same comes out"


class Lines(Screen):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


NAMED = "Maren Oakley"


@pytest.mark.parametrize(
    ("source", "recorded"),
    [
        ({"path": "data/people/*.txt"}, "source 2 ({pattern}): DataError at {place}"),
        ({"path": f"data/people/{NAMED}.txt"}, "source 2 ({pattern}): DataError at {place}"),
        ({"path": f"data/{NAMED}/*.txt"}, "source 2 ({pattern}): DataError at {pattern}"),
        ({"sql": {"url": "${NOT_SET_HERE}", "query": "q"}}, "source 2: ConfigError at sources.sql.url"),
    ],
)
def test_a_file_that_is_named_after_a_person_stays_out_of_ledger_and_receipt(
    workspace: Workspace, source: dict[str, Any], recorded: str
) -> None:
    """Nothing can be taken back from either; who asked is told the name, to mend the file."""
    name = f"data/people/{NAMED}.txt"
    (workspace.home / "data" / "people").mkdir()
    (workspace.home / name).write_bytes(b"text\0")
    sources = [*spec("tax")["sources"], source]
    (workspace.home / "pipelines" / "tax_domain.yaml").write_text(yaml.safe_dump(spec("tax") | {"sources": sources}))
    screen = Lines()
    done = zoo.erase(domain="tax", subject=SUBJECT, workspace=workspace, screen=screen)
    assert done.receipt is not None and traces(workspace.storage, [NAMED, SUBJECT]) == []
    key = workspace.keys.derive("tax", "texts")
    hashes = {"place": keyed_hash(key, name).hex(), "pattern": keyed_hash(key, source.get("path", "")).hex()}
    assert done.journal.pipelines["tax_domain"].unread == recorded.format(**hashes)
    assert recorded.format(**hashes) in done.receipt.read_text()
    [said] = [line for line in screen.lines if "could not be searched" in line]
    assert NAMED in said or "NOT_SET_HERE" in said
    assert workspace.ledger.verify(receipt=json.loads(done.receipt.read_text())).ok


@pytest.mark.parametrize("change", ["floors", "variable"])
def test_it_ends_also_where_the_pipeline_cannot_be_built(workspace: Workspace, change: str) -> None:
    """Nobody measured the detectors since they changed; or the address of a database is not set here."""
    if change == "floors":
        policy = yaml.safe_load((workspace.home / "zoo.yaml").read_text())
        policy["domains"]["tax"] |= {"pii": {"default": "keep", "US_SSN": "redact"}, "pii_floors": {"US_SSN": 0.9}}
        (workspace.home / "zoo.yaml").write_text(yaml.safe_dump(policy))
    else:
        source = {"sql": {"url": "${NOT_SET_HERE}", "query": "select 1"}, "id": "id", "subject": "client_id"}
        changed = spec("tax") | {"sources": [*spec("tax")["sources"], source]}
        (workspace.home / "pipelines" / "tax_domain.yaml").write_text(yaml.safe_dump(changed))
    workspace = Workspace.load(workspace.home)
    done = zoo.erase(domain="tax", subject=SUBJECT, workspace=workspace)
    found = done.journal.pipelines["tax_domain"]
    assert found.rewritten and found.before and done.receipt is not None
    assert traces(workspace.storage, [SUBJECT, "Tilda", "letter-of-tilda", "copy-of-tilda"]) == []


def test_what_a_pipeline_held_before_it_changed_its_domain_leaves_as_well(workspace: Workspace) -> None:
    policy = yaml.safe_load((workspace.home / "zoo.yaml").read_text())
    policy["domains"]["legal"] = {"owner": "o", "may_derive_from": ["legal"], "pii": "keep"}
    (workspace.home / "zoo.yaml").write_text(yaml.safe_dump(policy))
    moved = spec("other") | {"domain": "legal"}
    (workspace.home / "pipelines" / "tax_domain.yaml").write_text(yaml.safe_dump(moved))
    workspace = Workspace.load(workspace.home)
    args: dict[str, Any] = {"policy": workspace.policy, "keys": workspace.keys, "storage": workspace.storage}
    build(workspace.pipeline("tax_domain"), **args)
    assert traces(workspace.storage, [SUBJECT, "letter-of-tilda"]), "an earlier version holds it"
    found = zoo.erase(domain="tax", subject=SUBJECT, workspace=workspace).journal.pipelines["tax_domain"]
    assert len(found.before) == 1 and found.records == 1
    assert traces(workspace.storage, [SUBJECT, "Tilda", "letter-of-tilda", "copy-of-tilda"]) == []


def test_a_tokenizer_of_clean_data_that_came_out_the_same_stays(tmp_path: Path) -> None:
    """It says nothing of the erased; else a new training would be refused for ever."""
    old, new, other, same = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)

    def folder(name: str, **meta: str) -> None:
        path = tmp_path / name
        path.mkdir(parents=True)
        if meta:
            (path / "meta.json").write_text(json.dumps(meta))

    def left(kind: str) -> list[str]:
        return sorted(path.name[0] for path in (tmp_path / kind).iterdir())

    folder(f"tokenizers/{old[:16]}-bpe", dataset_digest=old, digest=same, label="tax")
    folder(f"tokens/{old[:16]}-{same[:16]}")
    folder(f"tokens/{other[:16]}-{same[:16]}")  # of other data, by the tainted tokenizer, taken over from a model
    remove_tokens(tmp_path, [old], [same])
    assert left("tokenizers") == left("tokens") == []
    folder(f"tokenizers/{new[:16]}-bpe", dataset_digest=new, digest=same, label="tax")
    folder(f"tokens/{new[:16]}-{same[:16]}")
    remove_tokens(tmp_path, [old], [same])
    assert left("tokenizers") == left("tokens") == ["b"]


def test_what_cannot_be_erased_is_said_in_one_line(workspace: Workspace) -> None:
    before = tree(workspace.storage)
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"domain": "taxx", "subject": "a"}, ConfigError, 'no domain "taxx" .did you mean "tax"'),
        ({"domain": "tax", "subject": "nobody-else"}, DataError, "nothing is found of this subject"),
        ({"domain": "tax", "record": "r", "pipeline": "tax_domian"}, ConfigError, "did you mean"),
        ({"domain": "tax", "subject": "a", "record": "b"}, ConfigError, "one of them"),
        ({"domain": "tax"}, ConfigError, "one of them"),
        ({"domain": "tax", "subject": "a", "pipeline": "tax_domain"}, ConfigError, "erased from all"),
    ]
    for arguments, kind, message in cases:
        with pytest.raises(kind, match=message) as error:
            zoo.erase(**arguments, dry_run=True, workspace=workspace)
        assert "\n" not in str(error.value)
    assert tree(workspace.storage) == before
