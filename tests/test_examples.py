"""Each example runs as a user runs it, on a small workspace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.workspace import make_workspace

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path, tmp_path: Path, mlflow_template: Path) -> None:
    make_workspace(tmp_path / "w", records=80, database=mlflow_template)
    environment = os.environ | {"ZOO_HOME": str(tmp_path / "w"), "STEPS": "8"}
    result = subprocess.run([sys.executable, example], env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "tax_domain.gpt 1" in result.stdout


def test_there_are_examples() -> None:
    assert EXAMPLES
