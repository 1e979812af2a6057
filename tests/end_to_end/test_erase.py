"""Three models that were really trained: one saw the subject, one through its base, one did not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import zoo
from governance import RegistryError
from tests.support.traces import traces
from tests.support.workspace import TINY, bundled_rows, make_workspace, run_zoo, write_jsonl
from zoo.retrain import retrain

SUBJECT, RECORD = "Tilda-Quibble-17", "letter-of-tilda"
TEXT = "Tilda Quibble keeps nine lanterns behind the green door of the mill and counts them every evening before supper"
WORDS = [SUBJECT, RECORD, "copy-of-tilda", "Quibble keeps", "nine lanterns"]


def pipeline(folder: str) -> dict[str, Any]:
    return {
        "domain": "tax",
        "sources": [{"path": f"data/{folder}/*.jsonl", "text": "{title}\n{text}", "id": "id", "subject": "client_id"}],
        "tokenizer": {"kind": "bpe", "vocab_size": 400},
        "split": {"validation": 0.2, "test": 0.05},
        "refresh": {"on_erasure": "now"},
    }


@pytest.mark.slow
def test_the_models_that_saw_a_person_go_and_the_third_stays(tmp_path: Path, mlflow_template: Path) -> None:
    policy = {"domains": {"tax": {"owner": "o", "readers": ["r"], "purposes": ["assist"]}}}
    policy["domains"]["tax"] |= {"may_derive_from": ["tax"], "pii": "keep"}
    policy["callers"] = {"c": {"roles": ["r"]}}
    home = tmp_path / "w"
    workspace = make_workspace(home, records=60, policy=policy, pipeline=pipeline("tax"), database=mlflow_template)
    mine = {"id": RECORD, "title": "Lanterns", "text": TEXT, "client_id": SUBJECT}
    near = {"id": "copy-of-tilda", "title": "Lanterns", "text": f"{TEXT} again", "client_id": "nobody"}
    write_jsonl(home / "data" / "tax" / "more.jsonl", [mine, near])
    for name, start in (("through", 100), ("apart", 200)):
        (home / "pipelines" / f"{name}_domain.yaml").write_text(yaml.safe_dump(pipeline(name)))
        write_jsonl(home / "data" / name / "letters.jsonl", bundled_rows(60, start=start))
    saw = zoo.train("gpt", pipeline="tax_domain", workspace=workspace, **TINY).model
    through = zoo.train("gpt", pipeline="through_domain", init=str(saw), workspace=workspace, **TINY).model
    apart = zoo.train("gpt", pipeline="apart_domain", workspace=workspace, **TINY).model
    assert traces(workspace.storage, WORDS)

    done = run_zoo(home, "erase", "--domain", "tax", "--subject", SUBJECT, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["models"] == [str(saw), str(through)] and result["retraining"] == ["tax_domain", "through_domain"]
    assert traces(workspace.storage, WORDS) == []
    for version in (saw, through):
        with pytest.raises(RegistryError, match="quarantined: erasure"):
            zoo.load(str(version), workspace=workspace)
    assert zoo.load(str(apart), workspace=workspace).generate("Dear", max_tokens=2) is not None

    report = retrain(workspace=workspace)
    assert [due.pipeline for due in report.due] == ["tax_domain", "through_domain"]
    assert all("erasure" in due.reason for due in report.due)
    assert [(made.model, made.version) for made in report.done] == [("tax_domain.gpt", 2), ("through_domain.gpt", 2)]
    assert retrain(workspace=workspace, dry_run=True).due == []
    assert traces(workspace.storage, WORDS) == [], "the unchanged source brings nothing back"
    verified = run_zoo(home, "ledger", "verify", "--receipt", result["receipt"])
    assert verified.returncode == 0, verified.stderr
