"""Governance: labels and policy, personal data, keys. Imports nothing else of this project.

Names are looked up when they are first used, so that `zoo --help` does not wait for pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from governance.errors import BusyError as BusyError
    from governance.errors import ConfigError as ConfigError
    from governance.errors import DataError as DataError
    from governance.errors import DetectorError as DetectorError
    from governance.errors import FingerprintMismatch as FingerprintMismatch
    from governance.errors import LedgerError as LedgerError
    from governance.errors import PolicyRefused as PolicyRefused
    from governance.errors import RegistryError as RegistryError
    from governance.errors import ZooError as ZooError
    from governance.errors import did_you_mean as did_you_mean
    from governance.keys import Keys as Keys
    from governance.labels import Label as Label
    from governance.policy import Caller as Caller
    from governance.policy import Domain as Domain
    from governance.policy import Operator as Operator
    from governance.policy import PiiFloors as PiiFloors
    from governance.policy import PiiRules as PiiRules
    from governance.policy import Policy as Policy

_HOMES = {
    "errors": (
        "BusyError",
        "ConfigError",
        "DataError",
        "DetectorError",
        "FingerprintMismatch",
        "LedgerError",
        "PolicyRefused",
        "RegistryError",
        "ZooError",
        "did_you_mean",
    ),
    "keys": ("Keys",),
    "labels": ("Label",),
    "policy": ("Caller", "Domain", "Operator", "PiiFloors", "PiiRules", "Policy"),
}
_MODULES = {name: f"governance.{module}" for module, names in _HOMES.items() for name in names}

__all__ = [
    "BusyError",
    "Caller",
    "ConfigError",
    "DataError",
    "DetectorError",
    "Domain",
    "FingerprintMismatch",
    "Keys",
    "Label",
    "LedgerError",
    "Operator",
    "PiiFloors",
    "PiiRules",
    "Policy",
    "PolicyRefused",
    "RegistryError",
    "ZooError",
    "did_you_mean",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module "governance" has no attribute "{name}"')
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
