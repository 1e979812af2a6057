"""Measurements of the PII detectors below the storage root, and the check that a domain with floors has one.

audits/pii/<domain>/<fingerprint of the detectors>.json
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from governance.config import load_yaml
from governance.errors import ConfigError, PolicyRefused
from governance.policy import Policy
from pipelines.atomic import write_json

if TYPE_CHECKING:
    from governance.pii.floors import Measurement


def record(measurement: Measurement, *, domain: str, storage: Path) -> Path:
    """Keeps a measurement that passed."""
    path = _path(storage, domain, measurement.detector)
    write_json(path, measurement.model_dump(mode="json"))
    return path


def check_measured(policy: Policy, domain: str, storage: Path) -> None:
    """Refuses a domain with floors whose present detectors have no measurement that passes them. Loads no model.

    Raises:
        PolicyRefused: there is none for these detectors, or its figures are below the present floors.
    """
    floors, rules = policy.domains[domain].pii_floors, policy.domains[domain].pii
    if floors is None:
        return
    from governance.pii.floors import Measurement, detector_fingerprint, shortfalls

    where = f"zoo.yaml: domains.{domain}.pii_floors"
    fix = f"measure them: zoo audit pii FILE --domain {domain}"
    detector = detector_fingerprint(rules)
    path = _path(storage, domain, detector)
    if not path.is_file():
        raise PolicyRefused("no passing measurement of the PII detectors in use", where=where, fix=fix)
    try:
        measurement = load_yaml(path, Measurement, what="measurement")
    except ConfigError as error:
        raise PolicyRefused(f"no measurement of the PII detectors: {error.what}", where=str(path), fix=fix) from None
    lacks = list(shortfalls(floors, rules, measurement))
    if measurement.detector != detector:
        lacks.insert(0, "it is of other detectors")
    if lacks:
        raise PolicyRefused(f"the PII detectors are below the floors: {', '.join(lacks)}", where=where, fix=fix)


def _path(storage: Path, domain: str, detector: str) -> Path:
    return storage / "audits" / "pii" / domain / f"{detector[:32]}.json"
