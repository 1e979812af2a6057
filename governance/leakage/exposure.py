"""Exposure: how much more likely a model finds a canary than random texts of the same format, in bits.

Carlini, Liu, Erlingsson, Kos and Song 2019, "The Secret Sharer" (arXiv:1802.08232). With |R| texts in the random
space, exposure = log2 |R| - log2 rank (definition 4). Nobody ranks 10^12 texts, so it is estimated from a sample of
them: by the canary's rank among the sample (section 4.3, "by sampling"), which sees no more than log2 of the sample's
size, and beyond that from a skew-normal distribution fitted to the sample ("by distribution modelling").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from governance.errors import DataError

Method = Literal["rank", "skew-normal"]

#: So many of the sample must be as likely as the canary for its rank alone to tell: its relative error is about
#: one by the root of their number.
_RESOLVED = 10
#: The skewness of a skew-normal distribution stays below 0.9953.
_MOST_SKEWED = 0.99
_FEWEST = 100

_STEPS = 4000


@dataclass(frozen=True)
class Exposure:
    """Of one canary.

    Attributes:
        bits: 0 for a text like any other, log2 |R| at most.
        rank: of the canary among the sample, 1 for the likeliest.
        sampled: number of random texts.
        method: that gave the bits.
    """

    bits: float
    rank: int
    sampled: int
    method: Method


def exposure(nats: float, sample: Sequence[float], *, space: int) -> Exposure:
    """Estimates the exposure of a canary from random texts of its format.

    Where fewer than ten of them are as likely as the canary, the larger one of both estimates counts.

    Args:
        nats: negative log-likelihood of the canary.
        sample: that of each random text; 100 at least.
        space: |R|, number of texts that the format allows.

    Raises:
        DataError: a figure is no number, or the sample is too small.
    """
    if len(sample) < _FEWEST:
        raise DataError(f"a canary is ranked among {_FEWEST} random texts at least, not {len(sample)}")
    if not all(map(math.isfinite, (nats, *sample))):
        raise DataError("the model gives no finite likelihood")
    as_likely = sum(1 for other in sample if other <= nats)
    by_rank = math.log2((len(sample) + 1) / (as_likely + 1))
    most = math.log2(space)
    if as_likely >= _RESOLVED:
        return Exposure(min(by_rank, most), as_likely + 1, len(sample), "rank")
    modelled = -SkewNormal.fitted(sample).log_cdf(nats) / math.log(2)
    return Exposure(min(max(by_rank, modelled), most), as_likely + 1, len(sample), "skew-normal")


@dataclass(frozen=True)
class SkewNormal:
    """The skew-normal distribution (Azzalini 1985): density 2/s φ(z) Φ(shape z) with z = (x - location) / s."""

    location: float
    scale: float
    shape: float

    @classmethod
    def fitted(cls, sample: Sequence[float]) -> SkewNormal:
        """By the method of moments, whose result is closed."""
        mean = math.fsum(sample) / len(sample)
        variance = math.fsum((x - mean) ** 2 for x in sample) / len(sample)
        if variance == 0:
            return cls(mean, 0.0, 0.0)
        skewness = math.fsum((x - mean) ** 3 for x in sample) / len(sample) / variance**1.5
        power = min(abs(skewness), _MOST_SKEWED) ** (2 / 3)
        delta = math.copysign(math.sqrt(math.pi / 2 * power / (power + ((4 - math.pi) / 2) ** (2 / 3))), skewness)
        scale = math.sqrt(variance / (1 - 2 * delta**2 / math.pi))
        location = mean - scale * delta * math.sqrt(2 / math.pi)
        return cls(location, scale, delta / math.sqrt(1 - delta**2))

    def log_cdf(self, x: float) -> float:
        """log P(X <= x) in nats.

        The density is integrated in logarithms: the closed form is a difference whose digits are gone far out in the
        tail, which is where a memorised canary lies.
        """
        if self.scale == 0:
            return 0.0 if x >= self.location else -math.inf
        z = (x - self.location) / self.scale
        # A step is a small part of the length over which the tail falls to 1/e.
        step = 0.02 / (1 + max(0.0, -z) * (1 + max(0.0, self.shape) ** 2))
        logs = [self._log_density(z - number * step) for number in range(_STEPS)]
        highest = max(logs)
        area = math.fsum(math.exp(one - highest) for one in logs) - math.exp(logs[0] - highest) / 2
        return min(0.0, highest + math.log(area * step))

    def _log_density(self, z: float) -> float:
        return math.log(2) - z * z / 2 - math.log(2 * math.pi) / 2 + _log_normal_cdf(self.shape * z)


def _log_normal_cdf(z: float) -> float:
    if z > -30:
        return math.log(math.erfc(-z / math.sqrt(2)) / 2)
    return -z * z / 2 - math.log(-z) - math.log(2 * math.pi) / 2  # erfc is about to run out of exponents
