"""Which detectors are active, for `zoo doctor`."""

from __future__ import annotations

from governance.pii import models, recognizers
from governance.pii.entities import NER_TYPES


def describe() -> str:
    """The spaCy model with its version, and the types that each kind of detector finds.

    Raises:
        DetectorError: there is no spaCy model, or it is not the verified one.
    """
    info = models.find_model()
    models.verify(info)
    origin = "official" if info.official else "weights verified"
    rules = ", ".join(sorted(recognizers.all_entities()))
    return f"{info.package} {info.version} ({origin}): {', '.join(sorted(NER_TYPES))}; rules: {rules}"
