"""Rows that cannot be read are listed, whatever becomes of the build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from governance import DataError
from pipelines import build
from tests.support.workspace import bundled_rows, make_workspace, write_jsonl


def test_what_could_not_be_read_is_listed_also_when_another_row_stops_the_build(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=5)
    with (workspace.home / "data" / "tax" / "letters.jsonl").open("a") as file:
        file.write("{no json\n")
    row = bundled_rows(1, start=50)[0] | {"domain": "support"}
    write_jsonl(workspace.home / "data" / "tax" / "z.jsonl", [row])
    spec = workspace.pipeline("tax_domain")
    with pytest.raises(DataError, match="this record says domain"):
        build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)
    [listed] = workspace.storage.glob("quarantine/tax_domain/*.jsonl")
    assert [json.loads(line)["row"] for line in listed.read_text().splitlines()] == [6]
