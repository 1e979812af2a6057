"""Child processes that can be killed: real ones, forked from a server that has MLflow imported."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any


def start_child(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Starts `target(*args)` in a process of its own; a function of an importable module."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "tests.support.models"])
    child = context.Process(target=target, args=args, daemon=True)
    child.start()
    return child
