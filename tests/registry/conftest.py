"""A fresh MLflow store for each test, copied from one that was migrated once in the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import Tracking
from tests.support.mlflow_template import copy_template


@pytest.fixture
def tracking(mlflow_template: Path, tmp_path: Path) -> Tracking:
    return copy_template(mlflow_template, tmp_path / "store")
