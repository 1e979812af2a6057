"""When the evaluations and the checkpoints of a training by time come: nobody knows how many steps it will have."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Between two of them it trains so many times as long as the last one took: they cost about a tenth at most.
_TRAINING_BETWEEN = 10


@dataclass
class Spacing:
    """Of one thing that is done now and then; all times are seconds of the training.

    Attributes:
        pause: that it is apart at least.
        ended: when it was done last.
        took: how long it took then; 0 after a restart, which does not remember it.
        compiles: the first time in a process takes longer than all others, and does not count.
    """

    pause: float
    ended: float = -math.inf
    took: float = 0.0
    compiles: bool = False

    def is_due(self, now: float) -> bool:
        return now - self.ended >= max(self.pause, _TRAINING_BETWEEN * self.took)

    def done(self, start: float, end: float) -> None:
        self.ended, self.took = end, 0.0 if self.compiles else end - start
        self.compiles = False
