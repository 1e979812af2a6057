"""What a model gives away of the texts that it was trained on: the mathematics of the audits, without a model."""

from governance.leakage.canaries import SPACE, CanaryPlan, canary, planted_codes, random_codes
from governance.leakage.exposure import Exposure, exposure
from governance.leakage.extraction import Share, verbatim_share

__all__ = [
    "SPACE",
    "CanaryPlan",
    "Exposure",
    "Share",
    "canary",
    "exposure",
    "planted_codes",
    "random_codes",
    "verbatim_share",
]
