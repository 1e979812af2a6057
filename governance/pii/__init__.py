"""Personal data: finding it, replacing it as a domain's rules say, measuring how well that works."""

from governance.pii.describe import describe
from governance.pii.detect import Detector
from governance.pii.entities import available_entities
from governance.pii.evaluate import PiiReport, evaluate
from governance.pii.filter import (
    Filtered,
    PiiFilter,
    check_rules,
    detector_for,
    entities_to_find,
    filter_fingerprint,
)
from governance.pii.leaks import Leak, leaked
from governance.pii.pseudonyms import pii_hash
from governance.pii.spans import Finding

__all__ = [
    "Detector",
    "Filtered",
    "Finding",
    "Leak",
    "PiiFilter",
    "PiiReport",
    "available_entities",
    "check_rules",
    "describe",
    "detector_for",
    "entities_to_find",
    "evaluate",
    "filter_fingerprint",
    "leaked",
    "pii_hash",
]
