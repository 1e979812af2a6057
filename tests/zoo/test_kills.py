"""Few kills of builds and erasures; `benchmarks/kills.py` does many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kills import Killing


@pytest.mark.slow
@pytest.mark.parametrize("what", ["build", "erase"])
def test_killed_and_run_again_all_is_as_if_nothing_had_happened(
    tmp_path: Path, mlflow_template: Path, what: str
) -> None:
    killing = Killing(tmp_path, mlflow_template, seed=20261129)
    found = [killing.kill_once(what) for _ in range(3)]
    assert [wrong for _, wrong in found] == [[], [], []]
    assert any(hit for hit, _ in found), "the kills must hit"
