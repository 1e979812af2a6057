"""The whole path on a small workspace: train, load, query, refuse, and a second call that has nothing to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from governance import ConfigError, FingerprintMismatch, Label, PolicyRefused, RegistryError
from registry import Tracking, list_versions, quarantine
from tests.support.workspace import TINY, make_workspace, run_zoo
from zoo.train import Run
from zoo.workspace import Workspace

REDACTED_OR_MASKED = (
    *("US_SSN", "US_ITIN", "CREDIT_CARD", "IBAN_CODE", "US_BANK_NUMBER"),
    *("EMAIL_ADDRESS", "PHONE_NUMBER"),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> tuple[Workspace, Run]:
    workspace = make_workspace(tmp_path_factory.mktemp("trained") / "w", records=100, database=mlflow_template)
    return workspace, zoo.train("gpt", pipeline="tax_domain", workspace=workspace, **TINY)


def ask(workspace: Workspace, domain: str = "tax", caller: str = "tax-service", **options: object) -> zoo.Answer:
    return zoo.query("Dear", domain=domain, caller=caller, workspace=workspace, max_tokens=5, **options)  # type: ignore[arg-type]


def test_the_run_and_the_version_say_everything(trained: tuple[Workspace, Run]) -> None:
    workspace, run = trained
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    version = run.model
    assert (version.name, version.version, version.label) == ("tax_domain.gpt", 1, Label.of("tax"))
    assert run.promoted and all(gate.passed for gate in run.gates)
    assert {gate.name for gate in run.gates} == {"better_than_untrained", "no_training_pii"}
    expected = {"val_bits_per_byte", "val_loss", "tokens_per_second", "parameters", "flops_per_token", "latency_ms_p50"}
    assert expected <= set(run.metrics)
    data = tracking.client.get_run(version.run_id)
    tags, params = data.data.tags, data.data.params
    assert tags["zoo.dataset"] == run.data.version.digest and tags["zoo.label"] == "tax"
    assert tags["zoo.fingerprint"] == run.fingerprint and params["steps"] == "12"
    losses = tracking.client.get_metric_history(version.run_id, "train_loss")
    assert [point.step for point in losses] == list(range(12))
    files = {f.path for f in tracking.client.list_artifacts(version.run_id)}
    plots = {f.path for f in tracking.client.list_artifacts(version.run_id, "plots")}
    assert {"model_card.md", "data_card.html", "data_card.json"} <= files
    assert plots == {f"plots/{name}.png" for name in ("loss_curve", "token_lengths", "personal_data")}


def test_the_second_call_has_nothing_to_do(trained: tuple[Workspace, Run]) -> None:
    workspace, run = trained
    again = zoo.train("gpt", pipeline="tax_domain", workspace=workspace, **TINY)
    assert again.reused and again.model.version == 1
    assert len(list_versions(Tracking(workspace.tracking_uri, workspace.artifact_root))) == 1
    assert again.to_json()["fingerprint"] == run.fingerprint


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_a_finished_training_leaves_one_alone_that_waits_in_its_place(
    trained: tuple[Workspace, Run], resume: str
) -> None:
    from zoo.identity import Identity
    from zoo.slot import training_slot

    workspace, run = trained
    waiting = Identity({"plan.steps": 4000})
    with training_slot(workspace.storage, "tax_domain.gpt", "nano", waiting, resume="auto") as slot:
        slot.checkpoints.mkdir()
    again = zoo.train("gpt", pipeline="tax_domain", workspace=workspace, resume=resume, **TINY)
    assert again.reused and again.model.model_id == run.model.model_id
    assert slot.checkpoints.is_dir(), "hours of work may be in there"
    slot.clear()


def test_query_picks_and_explains(trained: tuple[Workspace, Run]) -> None:
    answer = ask(trained[0])
    assert (answer.model, answer.version) == ("tax_domain.gpt", 1)
    assert "tax_domain.gpt/1" in answer.decision.explain()
    assert ask(trained[0]).text == answer.text, "greedy answers repeat"
    pieces: list[str] = []
    assert ask(trained[0], on_text=pieces.append).text == answer.text == "".join(pieces)
    with pytest.raises(ConfigError, match='no setting "top_q"'):
        ask(trained[0], top_q=0.5)
    with pytest.raises(RegistryError, match="slower than"):
        ask(trained[0], max_latency_ms=0.001)


def test_all_of_it_is_in_the_ledger_and_can_be_followed(trained: tuple[Workspace, Run], tmp_path: Path) -> None:
    from zoo.ancestry import DIGEST_TAG
    from zoo.picks import flush_picks

    workspace, run = trained
    answer = ask(workspace)
    flush_picks(60)
    events = [entry.event for entry in workspace.ledger.entries()]
    assert events[:6] == [
        "policy.changed",
        "data.built",
        "training.started",
        "model.registered",
        "training.finished",
        "alias.moved",
    ]
    assert set(events[6:]) == {"answer.picked"} and workspace.ledger.verify().ok
    record = run.data.version.manifest(["record_id"]).slice(0, 1).to_pylist()[0]
    found = zoo.lineage(f"record:{record['record_id']}", workspace=workspace)
    assert [(m["model"], m["version"], m["aliases"]) for m in found.uses.models] == [
        ("tax_domain.gpt", 1, ["champion"])
    ]
    assert [made["run"] for made in found.uses.runs] == [run.model.run_id]
    back = zoo.lineage(answer.id, workspace=workspace).origins
    assert [data["digest"] for data in back.datasets] == [run.data.version.digest]
    exported = zoo.export("tax_domain.gpt/1", tmp_path / "exported", to="hf", workspace=workspace)
    assert exported.digest == run.model.tags[DIGEST_TAG], "a copy outside is known again"


def test_strangers_cannot_tell_what_exists(trained: tuple[Workspace, Run]) -> None:
    messages = set()
    for domain, caller in [("tax", "nobody"), ("tax", "support-service"), ("legal", "tax-service")]:
        with pytest.raises(PolicyRefused) as error:
            ask(trained[0], domain, caller)
        messages.add(str(error.value).replace(domain, "D").replace(caller, "C"))
    assert len(messages) == 1
    refusals = set()
    for reference in ("tax_domain.gpt@champion", "tax_domain.gpt/1", "tax_domain.gpt/9", "tax_domain.gtp/1", "no/1"):
        with pytest.raises(PolicyRefused) as error:
            zoo.load(reference, workspace=trained[0], caller="support-service")
        refusals.add(str(error.value).replace(reference, "R"))
    assert len(refusals) == 1
    assert zoo.load("tax_domain.gpt/1", workspace=trained[0], caller="tax-service").version is not None


def test_a_stranger_does_not_even_open_the_registry(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=0)
    with pytest.raises(PolicyRefused):
        ask(workspace, caller="nobody")
    assert not workspace.storage.exists()


def test_the_query_path_is_local(trained: tuple[Workspace, Run]) -> None:
    """After the first answer the tracking database may go away."""
    first = ask(trained[0])
    database = Path(trained[0].tracking_uri.removeprefix("sqlite:///"))
    away = database.rename(database.with_name("away.db"))
    try:
        assert ask(trained[0]).text == first.text
    finally:
        away.rename(database)


def test_it_loads_in_a_fresh_process_and_as_an_mlflow_pyfunc(trained: tuple[Workspace, Run]) -> None:
    workspace, _ = trained
    script = (
        "import json, zoo, mlflow, pandas\n"
        "model = zoo.load('tax_domain.gpt@champion')\n"
        "text = model.generate('Dear', max_tokens=5)\n"
        f"mlflow.set_tracking_uri({workspace.tracking_uri!r})\n"
        "served = mlflow.pyfunc.load_model('models:/tax_domain.gpt@champion')\n"
        "answers = served.predict(['Dear', 'The'], params={'max_tokens': 5, 'stop': 'no such text'})\n"
        "print(json.dumps([text, list(answers)]))\n"
    )
    environment = os.environ | {"ZOO_HOME": str(workspace.home)}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    text, answers = json.loads(result.stdout.splitlines()[-1])
    assert text == ask(workspace).text and answers[0] == text and len(answers) == 2


def test_other_settings_do_not_take_over_a_stopped_training(trained: tuple[Workspace, Run]) -> None:
    workspace, run = trained
    from zoo.identity import Identity
    from zoo.slot import training_slot

    stopped, wanted = Identity({"plan.steps": 12}), Identity({"plan.steps": 13})
    with training_slot(workspace.storage, "m", "nano", stopped, resume="auto"):
        pass
    with (
        pytest.raises(FingerprintMismatch) as error,
        training_slot(workspace.storage, "m", "nano", wanted, resume="auto"),
    ):
        pass
    for part in (stopped.fingerprint[:16], wanted.fingerprint[:16], "plan.steps 13 here, 12 there", "--resume never"):
        assert part in str(error.value)
    with training_slot(workspace.storage, "m", "nano", wanted, resume="never"):
        pass


@pytest.mark.parametrize(
    ("differing", "out_of_date"),
    [
        ({"dataset", "tokenizer", "plan.steps"}, True),
        ({"policy"}, True),
        ({"code", "backend"}, True),
        ({"dataset", "plan.learning_rate"}, False),
        ({"plan.seed"}, False),
    ],
)
def test_a_retraining_discards_what_is_out_of_date_alone(differing: set[str], out_of_date: bool) -> None:
    from zoo.slot import superseded

    error = FingerprintMismatch("another")
    error.differing = frozenset(differing)
    assert superseded(error) is out_of_date


def test_backend_and_number_type_are_part_of_a_training(trained: tuple[Workspace, Run]) -> None:
    from zoo.job import prepare
    from zoo.request import Request
    from zoo.screen import Screen

    workspace, run = trained

    def fingerprint(**changes: object) -> str:
        changes = {"batch_size": 2, "window": 64, **changes}
        request = Request("gpt", "tax_domain", steps=12, changes=changes)
        return prepare(request, workspace=workspace, screen=Screen()).identity.fingerprint

    assert fingerprint() == fingerprint(dtype="float32") == run.fingerprint
    assert fingerprint(dtype="mixed_bfloat16") != run.fingerprint


def test_command_line_and_json(trained: tuple[Workspace, Run]) -> None:
    home = trained[0].home
    shown = run_zoo(home, "query", "Dear", "--domain", "tax", "--caller", "tax-service", "--max-tokens", "5", "--json")
    content = json.loads(shown.stdout)
    assert shown.returncode == 0 and content["model"] == "tax_domain.gpt" and content["version"] == 1
    assert content["decision"]["candidates"][0]["kept"] is True and content["decision"]["snapshot"]
    listed = json.loads(run_zoo(home, "models", "--json").stdout)["models"]
    assert [(row["model"], row["version"], row["aliases"]) for row in listed] == [("tax_domain.gpt", 1, ["champion"])]
    refused = run_zoo(home, "query", "Dear", "--domain", "tax", "--caller", "nobody")
    assert refused.returncode == 1 and refused.stdout == "" and refused.stderr.count("\n") == 1
    healthy = run_zoo(home, "doctor", "--json")
    assert healthy.returncode == 0 and json.loads(healthy.stdout)["fine"] is True


def test_redacted_and_masked_strings_are_nowhere(trained: tuple[Workspace, Run]) -> None:
    """Not in the dataset version, not as a token, not in what MLflow keeps."""
    import pyarrow.parquet as pq

    from tests.support.workspace import bundled_rows

    workspace, run = trained
    secrets = {
        row["text"][span["start"] : span["end"]]
        for row in bundled_rows(100)
        for span in row["spans"]
        if span["type"] in REDACTED_OR_MASKED
    }
    stored = "".join(text for split in ("train", "validation", "test") for _, text in run.data.version.texts(split))
    assert len(secrets) > 80 and [secret for secret in secrets if secret in stored] == []
    vocabulary = json.loads(next((workspace.storage / "tokenizers").glob("*/vocabulary.json")).read_text())
    words = {token.replace("\u0120", " ").strip() for token in vocabulary}
    assert not secrets & words and not {secret.replace("-", "") for secret in secrets} & words
    for table in workspace.storage.rglob("*.parquet"):
        columns = [name for name in pq.read_schema(table).names if not name.endswith(("hash", "hashes", "key"))]
        content = str(pq.read_table(table, columns=columns).to_pydict())
        assert [secret for secret in secrets if secret in content] == [], table
    kept = [path for path in workspace.storage.rglob("*") if path.is_file() and path.suffix not in (".lock", ".npz")]
    raw = {path: path.read_bytes() for path in kept}
    needles = [secret.encode() for secret in secrets]
    assert [str(path) for path, content in raw.items() if any(needle in content for needle in needles)] == []


def test_a_quarantined_version_is_refused_at_once(trained: tuple[Workspace, Run]) -> None:
    """Last in this module: it takes the model out of use."""
    from zoo.query import refresh_catalogue

    workspace, run = trained
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    tracking.client.delete_model_version_tag(run.model.name, str(run.model.version), "zoo.blessed")
    with pytest.raises(PolicyRefused, match="may not load"):
        zoo.load("tax_domain.gpt/1", caller="tax-service", workspace=workspace)
    quarantine(Tracking(workspace.tracking_uri, workspace.artifact_root), run.model, "a test")
    refresh_catalogue(workspace)
    with pytest.raises(RegistryError, match="quarantined"):
        ask(workspace)
    with pytest.raises(RegistryError, match="quarantined"):
        zoo.load("tax_domain.gpt/1", workspace=workspace)


def test_importing_the_module_does_not_hide_the_verb(tmp_path: Path) -> None:
    import zoo.query
    import zoo.train

    assert callable(zoo.train) and callable(zoo.query)
