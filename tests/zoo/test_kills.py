"""Few kills of builds and erasures; `benchmarks/kills.py` does many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kills import Killing, Reader, prepare
from zoo.workspace import Workspace


@pytest.mark.slow
@pytest.mark.parametrize("what", ["build", "extend", "erase"])
def test_killed_and_run_again_all_is_as_if_nothing_had_happened(
    tmp_path: Path, mlflow_template: Path, what: str
) -> None:
    killing = Killing(tmp_path, mlflow_template, seed=20261129)
    found = [killing.kill_once(what) for _ in range(3)]
    assert [wrong for _, wrong in found] == [[], [], []]
    assert any(hit for hit, _ in found), "the kills must hit"


@pytest.mark.parametrize("file", ["latest.json", "version.json", "shard"])
def test_the_reader_beside_them_sees_what_is_half(tmp_path: Path, mlflow_template: Path, file: str) -> None:
    prepare(tmp_path / "w", mlflow_template)
    workspace, reader = Workspace.load(tmp_path / "w"), Reader(tmp_path / "w")
    reader.look(workspace, "tax_domain")
    assert reader.read == 1 and reader.wrong == []
    name = {"shard": "*/*.array_record-*", "version.json": "*/version.json"}.get(file, file)
    half = next((workspace.storage / "datasets" / "tax_domain").glob(name))
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    reader.look(workspace, "tax_domain")
    assert reader.read == 1 and len(reader.wrong) == 1
