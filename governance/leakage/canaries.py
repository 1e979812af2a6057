"""Canaries: texts of a fixed format with a random code, planted among the texts that a model learns from.

What becomes of a canary in training becomes of any other text that stands there as often, so how well the model knows
its code says how much the model gives away (Carlini et al. 2019, arXiv:1802.08232). A code is about nobody, and it
follows from a key of the domain: whoever has the key can draw it again, and it is kept nowhere.
"""

from __future__ import annotations

import hashlib
import hmac

from pydantic import Field

from governance.config import StrictModel

#: What stands before the code, and after it.
BEFORE, AFTER = "The reference code of this file is ", "."
#: |R|: three groups of four digits.
SPACE = 10**12


class CanaryPlan(StrictModel):
    """How many canaries are planted, and how often each."""

    count: int = Field(ge=1, le=64)
    repeat: int = Field(default=1, ge=1, le=10_000, description="times that each one stands in the training text")


def planted_codes(key: bytes, count: int) -> list[str]:
    """The codes of a domain's canaries, always the same ones."""
    return [_code(key, f"canary\0{number}") for number in range(count)]


def random_codes(key: bytes, count: int) -> list[str]:
    """Other codes of the space, evenly drawn, to rank the planted ones among; always the same ones."""
    return [_code(key, f"other\0{number}") for number in range(count)]


def canary(code: str) -> str:
    """The text with this code."""
    return f"{BEFORE}{code}{AFTER}"


def _code(key: bytes, name: str) -> str:
    drawn = int.from_bytes(hmac.new(key, name.encode(), hashlib.sha256).digest(), "big") % SPACE
    digits = f"{drawn:012d}"
    return "-".join(digits[start : start + 4] for start in (0, 4, 8))
