"""What a user asks for when a model is to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from governance.errors import ConfigError, did_you_mean
from zoo.fit.duration import Duration
from zoo.fit.plan import TrainPlan

_CHANGEABLE = frozenset(TrainPlan.model_fields) - {"steps", "seed"}


@dataclass(frozen=True)
class Request:
    """What was asked for; see `zoo.train` for the meaning of each field."""

    family: str
    pipeline: str
    size: str | None = None
    steps: int | None = None
    duration: Duration | str | None = None
    seed: int = 0
    init: str | None = None
    init_label: str | None = None
    teacher: str | None = None
    task: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> Duration | None:
        """The duration, read.

        Raises:
            ConfigError: it is none, or steps are given as well.
        """
        if self.duration is None:
            return None
        if self.steps is not None:
            raise ConfigError("steps and duration are both given", where="duration", fix="leave one of them out")
        return Duration.parse(self.duration)


def check_settings(changes: Mapping[str, Any]) -> None:
    """Raises ConfigError for a name that is no setting of a training."""
    for name in changes:
        if name not in _CHANGEABLE:
            raise ConfigError(
                f'there is no setting "{name}"{did_you_mean(name, _CHANGEABLE)}',
                fix=f"settings of a training: {', '.join(sorted(_CHANGEABLE))}",
            )
