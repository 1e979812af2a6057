"""What domain B holds leaves no trace in domain A: neither in its data, nor its tokenizer, nor its weights."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.workspace import PIPELINE, make_workspace, write_jsonl
from zoo import families
from zoo.families import Size
from zoo.fit import fit
from zoo.job import prepare
from zoo.request import Request
from zoo.screen import Screen
from zoo.workspace import Workspace

TOY = Size("nano", layers=1, width=16, heads=2, context=16, learning_rate=1e-2, batch_size=4)
POLICY = {
    "domains": {
        name: {"owner": "o", "may_derive_from": [name], "pii": {"default": "keep", "EMAIL_ADDRESS": "pseudonymize"}}
        for name in ("tax", "support")
    }
}


def rows(words: str, count: int = 40) -> list[dict[str, str]]:
    return [
        {"id": str(n), "text": f"{words} case {n * 7} of {n % 5}, write to clerk{n}@example.org"} for n in range(count)
    ]


def workspace_of(home: Path, support: list[dict[str, str]]) -> Workspace:
    """Two domains in one storage, under one key; ids, addresses and texts of both may be the same."""
    source = {"id": "id"}
    pipeline = PIPELINE | {"sources": [source | {"path": "data/tax/*.jsonl"}]}
    workspace = make_workspace(home, records=0, policy=POLICY, pipeline=pipeline)
    other = pipeline | {"domain": "support", "sources": [source | {"path": "data/support/*.jsonl"}]}
    (home / "pipelines" / "support_domain.yaml").write_text(yaml.safe_dump(other))
    write_jsonl(home / "data" / "tax" / "a.jsonl", rows("the return of"))
    write_jsonl(home / "data" / "support" / "b.jsonl", support)
    return workspace


def job_of(workspace: Workspace, pipeline: str) -> Any:
    changes = {"batch_size": 4, "window": 16, "evaluate_every": 4, "checkpoint_every": 4}
    return prepare(Request("gpt", pipeline, steps=6, changes=changes), workspace=workspace, screen=Screen())


def files_of(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def made_of_tax(workspace: Workspace) -> dict[str, Any]:
    """All that domain A makes after B has made its own."""
    job_of(workspace, "support_domain")
    job = job_of(workspace, "tax_domain")
    model = job.language_model()
    fit(
        model,
        job.tokens,
        job.plan,
        family=job.family,
        objective=job.objective(),
        fingerprint=job.identity.fingerprint,
        checkpoints=workspace.storage / "checkpoints",
    )
    return {
        "digest": job.data.version.digest,
        "data": files_of(job.data.version.path),
        "tokenizer": files_of(job.tokens.tokenizer_dir),
        "tokens": files_of(job.tokens.folder),
        "fingerprint": job.identity.fingerprint,
        "weights": {variable.path: variable.numpy().tobytes() for variable in model.variables},
    }


@pytest.mark.slow
def test_what_another_domain_holds_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families._FAMILIES, "gpt", replace(families.get("gpt"), sizes={"nano": TOY}))
    same, others = rows("the return of"), rows("my printer is broken again and again", count=55)
    first = made_of_tax(workspace_of(tmp_path / "one", same))
    second = made_of_tax(workspace_of(tmp_path / "two", others))
    assert len(first["data"]) > 4 and len(first["tokenizer"]) >= 3 and len(first["weights"]) > 10
    for name, made in first.items():
        assert made == second[name], name
