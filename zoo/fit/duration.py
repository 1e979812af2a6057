"""How long to train, in the unit that one thinks in: "500 steps", "2 epochs", "50M tokens", "10 minutes".

Epochs and tokens become steps as soon as data and sizes are known. So two ways to write the same
training have the same fingerprint, and one that is stopped goes on to the same end.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from governance.errors import ConfigError, did_you_mean

Unit = Literal["steps", "epochs", "tokens", "minutes"]
_UNITS: tuple[str, ...] = get_args(Unit)
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
_FORM = re.compile(r"\s*(\d+(?:[_,]\d{3})*(?:\.\d+)?(?:e\d+)?)\s*([kmbgt]?)\s+([a-z]+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Duration:
    """A length of training. Make one with `Duration.tokens(50_000_000)` or `Duration.parse("50M tokens")`.

    Attributes:
        value: more than 0; steps and tokens are whole numbers.
        unit: steps are updates, tokens those of all windows that are read, an epoch is as many tokens as
            the training split has.
    """

    value: float
    unit: Unit

    def __post_init__(self) -> None:
        if self.unit not in _UNITS:
            raise _wrong(str(self), f'no unit "{self.unit}"{did_you_mean(str(self.unit), _UNITS)}')
        if not math.isfinite(self.value) or self.value <= 0:
            raise _wrong(str(self), "must be more than 0")
        if self.unit in ("steps", "tokens") and not float(self.value).is_integer():
            raise _wrong(str(self), f"{self.unit} are whole numbers")

    @classmethod
    def steps(cls, value: int) -> Duration:
        return cls(value, "steps")

    @classmethod
    def epochs(cls, value: float) -> Duration:
        return cls(value, "epochs")

    @classmethod
    def tokens(cls, value: int) -> Duration:
        return cls(value, "tokens")

    @classmethod
    def minutes(cls, value: float) -> Duration:
        return cls(value, "minutes")

    @classmethod
    def parse(cls, text: str | Duration) -> Duration:
        """Reads "500 steps", "1.5 epochs", "50M tokens", "10 minutes".

        Raises:
            ConfigError: it is none of these.
        """
        if isinstance(text, Duration):
            return text
        form = _FORM.fullmatch(text) if isinstance(text, str) else None
        if form is None:
            raise _wrong(text, "no number with a unit")
        number, factor, unit = form.groups()
        unit = unit.lower()
        unit = unit if unit.endswith("s") else f"{unit}s"
        value = float(number.replace("_", "").replace(",", "")) * _FACTORS[factor.lower()]
        return cls(value, unit)  # type: ignore[arg-type]  # checked where it is made

    def __str__(self) -> str:
        """What `parse` reads back."""
        return f"{int(self.value) if float(self.value).is_integer() else self.value} {self.unit}"

    def number_of_steps(self, *, tokens_per_step: int, train_tokens: int) -> int | None:
        """Updates that read at least so much; None for minutes, whose number only time tells.

        Args:
            tokens_per_step: tokens that an update reads.
            train_tokens: tokens in the training split.
        """
        if self.unit == "minutes":
            return None
        if self.unit == "steps":
            return int(self.value)
        tokens = self.value * train_tokens if self.unit == "epochs" else self.value
        return max(1, math.ceil(tokens / tokens_per_step))


def _wrong(text: object, what: str) -> ConfigError:
    return ConfigError(
        what, where=f'duration "{text}"', fix='write "500 steps", "2 epochs", "50M tokens" or "10 minutes"'
    )
