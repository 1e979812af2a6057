"""A migrated MLflow database to copy: migrating takes seconds, copying milliseconds."""

from __future__ import annotations

import shutil
from pathlib import Path

from registry.tracking import Tracking, migrate


def build_template(folder: Path) -> Path:
    """Migrates an empty SQLite database in `folder` once and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "template.db"
    migrate(f"sqlite:///{path}", str(folder / "artifacts"))
    return path


def copy_template(template: Path, folder: Path) -> Tracking:
    """A fresh store in `folder`: `mlflow.db` and, beside it, `artifacts`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, folder / "mlflow.db")
    return Tracking(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts"))
