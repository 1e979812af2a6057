"""Everything that one does with a model, for each family, at toy size: the rows of `benchmarks/every_family.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.every_family import CHECKS, Family, check, row_in_own_workspaces
from pipelines import build
from tests.support.fresh import start_zoo
from tests.support.workspace import TINY, make_workspace
from zoo import families

SETTINGS = {**TINY, "evaluate_every": 4, "checkpoint_every": 4}
#: One of each shape; the others compile for seconds longer, and gpt is killed with XLA in test_kill.py.
WITH_XLA = ("roberta", "llama", "t5")
#: An adapter moves a base that has learned something already: in twelve batches of two windows, noise decides whether
#: it gets better.
ADAPTER = {"batch_size": 16}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Path:
    """A workspace with its data built."""
    workspace = make_workspace(tmp_path_factory.mktemp("data"), records=60, database=mlflow_template)
    spec = workspace.pipeline("tax_domain")
    build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage)
    return workspace.home


@pytest.mark.slow
@pytest.mark.parametrize("name", families.names())
def test_all_that_one_does_with_a_model(data: Path, tmp_path: Path, name: str) -> None:
    calm, disturbed = (Path(shutil.copytree(data, tmp_path / folder)) for folder in ("calm", "disturbed"))
    settings = SETTINGS | {"jit": name in WITH_XLA}
    row = row_in_own_workspaces(Family(name, calm, disturbed, settings, start_zoo, ADAPTER), check)
    assert list(row) == ["family", *CHECKS]
    assert not [f"{what}: {said}" for what, said in row.items() if said.startswith("FAILED")]
