"""Verbatim extraction: how often a model that is given the beginning of a text writes the text on, word for word.

Carlini et al. 2021 (arXiv:2012.07805) and 2023, "Quantifying Memorization" (arXiv:2202.07646, definition 3.1): a
text is extractable with k tokens of context if greedy decoding from the k tokens before it gives it back exactly.
Forms and phrases that many texts share are continued as well, so the same share is measured on texts that the model
never saw: what is above that base rate was learned by heart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """How many of some texts came back verbatim."""

    verbatim: int
    samples: int

    @property
    def value(self) -> float:
        """NaN of no samples."""
        return self.verbatim / self.samples if self.samples else math.nan


def verbatim_share(written: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> Share:
    """Compares what a model wrote after each prefix with what stands there, ids for ids."""
    pairs = zip(written, wanted, strict=True)
    return Share(sum(list(one) == list(other) for one, other in pairs), len(wanted))
