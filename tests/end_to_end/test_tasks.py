"""Fine-tuning takes the whole path: parts of records, a base, a task, gates, registry, use, retraining."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from governance import ConfigError, PolicyRefused
from governance.labels import Label
from registry import Tracking, list_versions, model_folder
from tests.support.fresh import run_zoo_script
from tests.support.workspace import PIPELINE, TINY, bundled_rows, make_workspace, write_jsonl
from zoo import families, lora
from zoo.tasks.base import NEW_HEAD_RATE
from zoo.tasks.heads import Head
from zoo.workspace import Workspace

STEPS = {"steps": 8, "batch_size": 4}


def tuned_workspace(home: Path, parts: dict[str, str], rows: list[dict[str, Any]], name: str = "tuned") -> Workspace:
    """The tax workspace with a pipeline over rows of parts, beside `tax_domain`."""
    import yaml

    if not home.exists():
        make_workspace(home, records=60)
    source = {"path": f"data/{name}/*.jsonl", "parts": parts, "id": "id"}
    pipeline = PIPELINE | {"sources": [source]}
    (home / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(pipeline))
    write_jsonl(home / "data" / name / "rows.jsonl", rows)
    return Workspace.load(home)


def letters(count: int = 60) -> list[dict[str, Any]]:
    rows = bundled_rows(count)
    return [
        {
            "id": row["id"],
            "text": row["text"],
            "kind": ("refund", "notice", "question")[number % 3],
            "spans": [span for span in row["spans"] if span["type"] == "PERSON"],
            "prompt": row["title"],
            "answer": row["text"][:80],
            "chosen": row["text"][:60],
            "rejected": "No.",
        }
        for number, row in enumerate(rows)
    ]


FRESH = (
    "import json, zoo, mlflow\n"
    "model = zoo.load('{model}@champion')\n"
    "mlflow.set_tracking_uri({uri!r})\n"
    "served = mlflow.pyfunc.load_model('models:/{model}@champion').predict([{example!r}])\n"
    "print(json.dumps([{call}, list(served)]))\n"
)

CASES = [
    ("roberta", "classify", {"text": "text", "label": "kind"}, "model.classify(['Dear'])[0][0].label", "Dear"),
    ("roberta", "tag", {"text": "text", "spans": "spans"}, "len(model.tag('Dear'))", "Dear"),
    (
        "gpt",
        "reward",
        {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        "str(model.reward(['Dear'], ['No.'])[0])",
        json.dumps({"prompt": "Dear", "answer": "No."}),
    ),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Path:
    """Of the workspace that all of them are trained in, so that each base is trained once."""
    return make_workspace(tmp_path_factory.mktemp("heads") / "w", records=60, database=mlflow_template).home


@pytest.mark.slow
@pytest.mark.xdist_group("heads")
@pytest.mark.parametrize(("family", "task", "parts", "call", "example"), CASES, ids=[case[1] for case in CASES])
def test_a_head_is_trained_registered_and_used(
    home: Path, tmp_path: Path, family: str, task: str, parts: dict[str, str], call: str, example: str
) -> None:
    pipeline = f"for_{task}"
    workspace = tuned_workspace(home, parts, letters(), pipeline)
    base = zoo.train(family, pipeline="tax_domain", workspace=workspace, **TINY)
    options = {"pipeline": pipeline, "task": task, "init": f"tax_domain.{family}/1", "workspace": workspace, **STEPS}
    run = zoo.train(family, **options)
    assert run.model.name == f"{pipeline}.{family}-{task}" and run.model.objective == task
    gates = {gate.name: gate.passed for gate in run.gates}
    assert gates["no_training_pii"], run.gates
    assert base.model.name == f"tax_domain.{family}"
    figure = {"classify": "accuracy", "tag": "span_f1", "reward": "chosen_over_rejected"}[task]
    assert 0 <= run.metrics[figure] <= 1
    unit = "token" if task == "tag" else "example"
    assert run.metrics[f"val_bits_per_{unit}"] > 0 and "val_bits_per_byte" not in run.metrics
    if not run.promoted:  # a training of eight steps may miss the gate; what follows needs the alias
        client = Tracking(workspace.tracking_uri, workspace.artifact_root).client
        client.set_registered_model_alias(run.model.name, "champion", str(run.model.version))
    script = FRESH.format(model=run.model.name, uri=workspace.tracking_uri, call=call, example=example)
    here, served = json.loads(run_zoo_script(script, ZOO_HOME=str(workspace.home)))
    if task == "tag":
        assert len(json.loads(served[0])) == here
    else:
        assert served[0] == here
    target: Any = "hf" if task == "tag" else "saved_model"
    written = zoo.export(f"{run.model.name}/1", tmp_path / "out", to=target, workspace=workspace)
    assert written.label == Label.of("tax") and (tmp_path / "out" / "zoo.json").is_file()
    again = zoo.train(family, **options)
    assert again.reused and again.model.version == run.model.version


@pytest.mark.slow
@pytest.mark.xdist_group("heads")
def test_a_head_is_registered_with_its_adapter(home: Path) -> None:
    """The adapter's file on a head that is new gives the projection that was registered."""
    workspace = tuned_workspace(home, {"text": "text", "label": "kind"}, letters(), "adapted")
    zoo.train("roberta", pipeline="tax_domain", workspace=workspace, **TINY)
    options = {"pipeline": "adapted", "task": "classify", "init": "tax_domain.roberta/1", "workspace": workspace}
    run = zoo.train("roberta", lora={"rank": 2}, **options, **STEPS)
    folder = Path(model_folder(_tracking(workspace), run.model))
    registered = zoo.load(f"{run.model.name}/1", workspace=workspace).text_model.task
    fresh = Head(registered.backbone, 3, family=families.get("roberta"), pooling="mean")
    adapter = lora.load(folder / lora.ADAPTER_FILE, fresh)
    assert adapter.rank == 2 and len(adapter.paths) == 6
    params = _tracking(workspace).client.get_run(run.model.run_id).data.params
    from_scratch = families.get("roberta").size("nano").learning_rate
    assert float(params["learning_rate"]) == pytest.approx(0.2 * from_scratch * NEW_HEAD_RATE * lora.LORA_RATE)
    np.testing.assert_array_equal(fresh.dense.kernel, registered.dense.kernel)


@pytest.mark.slow
@pytest.mark.xdist_group("heads")
def test_tuned_to_answer_then_to_prefer(home: Path) -> None:
    """The tuned model is asked before the one that only read, with its template, and is compared on fresh records."""
    parts = {name: name for name in ("prompt", "answer", "chosen", "rejected")}
    workspace = tuned_workspace(home, parts, letters())
    zoo.train("gpt", pipeline="tax_domain", workspace=workspace, **TINY)
    options: dict[str, Any] = {"pipeline": "tuned", "workspace": workspace, **STEPS}
    answers = zoo.train("gpt", task="instruct", init="tax_domain.gpt@champion", **options)
    assert answers.promoted and answers.model.name == "tuned.gpt-instruct"
    asked = zoo.query("Dear", domain="tax", caller="tax-service", workspace=workspace, max_tokens=5)
    assert asked.model == "tuned.gpt-instruct", asked.decision.explain()
    preferring = zoo.train("gpt", task="preference", init="tuned.gpt-instruct@champion", **options)
    for figure in ("base_chosen_over_rejected", "chosen_over_rejected", "val_bits_per_byte"):
        assert preferring.metrics[figure] >= 0
    write_jsonl(home / "data" / "tuned" / "more.jsonl", [dict(r, id=f"x{r['id']}") for r in letters(90)[60:]])
    report = zoo.retrain(["tuned"], workspace=workspace)
    versions = {version.name: version.version for version in list_versions(_tracking(workspace))}
    assert versions["tuned.gpt-instruct"] == 2, report.to_json()
    compared = [gate.name for gate in _gates(workspace, "tuned.gpt-instruct", 2)]
    assert "not_worse_than_champion" in compared


def _tracking(workspace: Workspace) -> Tracking:
    return Tracking(workspace.tracking_uri, workspace.artifact_root)


def _gates(workspace: Workspace, name: str, version: int) -> list[Any]:
    from registry import gate_results, get_version

    return gate_results(get_version(_tracking(workspace), name, version))


@pytest.mark.parametrize(
    ("family", "arguments", "message"),
    [
        ("gpt", {"task": "instrct"}, 'did you mean "instruct"'),
        ("roberta", {"task": "instruct"}, "tasks of roberta: classify, embed, tag"),
        ("gpt", {"task": "preference"}, "--init NAME@champion"),
        ("gpt", {"task": "reward", "accumulate": 2}, "one comparison"),
        ("gpt", {"task": "classify", "duration": "5M tokens"}, "examples, not tokens"),
        ("gpt", {"task": "classify", "teacher": "a.b/1"}, "from scratch on text"),
        ("gpt", {"task": "classify", "batch_size": "x"}, "whole number"),
    ],
)
def test_what_a_task_cannot_be_asked(tmp_path: Path, family: str, arguments: dict[str, Any], message: str) -> None:
    workspace = tuned_workspace(tmp_path / "w", {"text": "text", "label": "kind"}, letters(3))
    with pytest.raises((ConfigError, PolicyRefused), match=message):
        zoo.train(family, pipeline="tuned", workspace=workspace, **arguments)
    assert not (workspace.storage / "datasets").exists()
