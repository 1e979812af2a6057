"""Small workspaces for tests: a policy, a pipeline, and some of the bundled synthetic text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.mlflow_template import copy_template
from zoo.workspace import Workspace, catalogue_folder

PII = {"default": "pseudonymize", "EMAIL_ADDRESS": "mask", "PHONE_NUMBER": "mask"}
PII |= dict.fromkeys(("US_SSN", "US_ITIN", "CREDIT_CARD", "IBAN_CODE", "US_BANK_NUMBER"), "redact")
PII |= dict.fromkeys(("ORGANIZATION", "DATE_TIME", "NRP", "URL"), "keep")

POLICY: dict[str, Any] = {
    "domains": {
        name: {
            "owner": f"{name}-platform",
            "readers": [f"{name}-service"],
            "purposes": ["assist"],
            "may_derive_from": [name, "public"],
            "pii": PII,
        }
        for name in ("tax", "support")
    },
    "callers": {"tax-service": {"roles": ["tax-service"]}, "support-service": {"roles": ["support-service"]}},
}

PIPELINE: dict[str, Any] = {
    "domain": "tax",
    "sources": [{"path": "data/tax/*.jsonl", "text": "{title}\n{text}", "id": "id", "subject": "client_id"}],
    "tokenizer": {"kind": "bpe", "vocab_size": 600},
    "split": {"validation": 0.1, "test": 0.05},
    "refresh": {"cron": "0 3 * * 0", "min_changed": 0.02},
}

#: A training of seconds: arguments of `zoo.train`.
TINY = {"steps": 12, "batch_size": 2, "window": 64}


def bundled_rows(count: int, *, start: int = 0, kind: str = "tax/letters") -> list[dict[str, Any]]:
    """Rows of the bundled corpus."""
    path = catalogue_folder() / "data" / f"{kind}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()[start : start + count]
    return [json.loads(line) for line in lines]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_workspace(
    home: Path, *, records: int = 120, policy: Any = None, pipeline: Any = None, database: Path | None = None
) -> Workspace:
    """Writes a workspace with the pipeline `tax_domain` over `records` bundled letters.

    `database` (the fixture `mlflow_template`) is copied in; without it the first training makes its own, in seconds.
    """
    (home / "pipelines").mkdir(parents=True, exist_ok=True)
    (home / "zoo.yaml").write_text(yaml.safe_dump(policy or POLICY))
    (home / "pipelines" / "tax_domain.yaml").write_text(yaml.safe_dump(pipeline or PIPELINE))
    (home / "keys").mkdir(exist_ok=True)
    (home / "keys" / "pseudonyms.key").write_text("5a" * 32)
    if records:
        write_jsonl(home / "data" / "tax" / "letters.jsonl", bundled_rows(records))
    workspace = Workspace.load(home)
    if database is not None:
        copy_template(database, Path(workspace.tracking_uri.removeprefix("sqlite:///")).parent)
    return workspace


def run_zoo(home: Path, *arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own, on the workspace in `home`."""
    environment = os.environ | {"ZOO_HOME": str(home)}
    command = [sys.executable, "-P", "-m", "zoo", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, cwd=home)
