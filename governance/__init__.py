"""Governance: labels and policy, personal data, keys. Imports nothing else of this project."""

from governance.errors import (
    BusyError,
    ConfigError,
    DataError,
    DetectorError,
    FingerprintMismatch,
    PolicyRefused,
    RegistryError,
    ZooError,
    did_you_mean,
)
from governance.keys import Keys
from governance.labels import Label
from governance.policy import Caller, Domain, Operator, PiiRules, Policy

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
    "Operator",
    "PiiRules",
    "Policy",
    "PolicyRefused",
    "RegistryError",
    "ZooError",
    "did_you_mean",
]
