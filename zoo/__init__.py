"""Domain Zoo: language models of your own domains, from data that each may use.

    run = zoo.train("gpt", pipeline="tax_domain")
    answer = zoo.query("What is a dependent?", domain="tax", caller="tax-service")

Importing this package imports neither TensorFlow nor MLflow; the verbs do when they are called.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: Each public name and the module that has it.
_PUBLIC = {
    "train": "zoo.train",
    "Duration": "zoo.fit.duration",
    "Run": "zoo.train",
    "query": "zoo.query",
    "Answer": "zoo.query",
    "load": "zoo.load",
    "retrain": "zoo.retrain",
    "erase": "zoo.erasure.erase",
    "Erasure": "zoo.erasure.erase",
    "export": "zoo.exchange.export",
    "lineage": "zoo.lineage",
    "Lineage": "zoo.lineage",
    "Workspace": "zoo.workspace",
}

if TYPE_CHECKING:
    from zoo.erasure.erase import Erasure as Erasure
    from zoo.erasure.erase import erase as erase
    from zoo.exchange.export import export as export
    from zoo.fit.duration import Duration as Duration
    from zoo.lineage import Lineage as Lineage
    from zoo.lineage import lineage as lineage
    from zoo.load import LoadedModel as LoadedModel
    from zoo.load import load as load
    from zoo.query import Answer as Answer
    from zoo.query import query as query
    from zoo.retrain import retrain as retrain
    from zoo.train import Run as Run
    from zoo.train import train as train
    from zoo.workspace import Workspace as Workspace

__all__ = [
    "Answer",
    "Duration",
    "Erasure",
    "Lineage",
    "Run",
    "Workspace",
    "erase",
    "export",
    "lineage",
    "load",
    "query",
    "retrain",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f'module "zoo" has no attribute "{name}"')
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Keeps the verbs callable: importing the module `zoo.train` must not hide the verb `zoo.train`."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _PUBLIC and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
