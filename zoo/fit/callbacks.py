"""What a training tells others. One concern each: logging, progress bar, plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Evaluation:
    """Validation before the update of `step`: nats per token and bits per UTF-8 byte, or per another unit that
    the objective has (`zoo.objectives.base.Unit`).

    `by_source` has the bits per byte of each source of the pipeline alone, when there are several.
    """

    step: int
    loss: float
    bits_per_byte: float
    by_source: Mapping[str, float] = field(default_factory=dict)
    unit: str = "byte"

    @property
    def metrics(self) -> Mapping[str, float]:
        name = f"val_bits_per_{self.unit}"
        sources = {f"{name}.{source}": value for source, value in self.by_source.items()}
        return {"val_loss": self.loss, name: self.bits_per_byte, **sources}


class Callback:
    """Base of all callbacks; every method may be left out.

    After a restart, steps that came after the last checkpoint are reported again, with the same
    numbers. What is written by step must therefore be written idempotently.
    """

    def on_start(self, step: int, losses: Sequence[float], evaluations: Sequence[Evaluation]) -> None:
        """Called once before the first step of this process.

        Args:
            step: the first update to come; 0 unless the training is resumed.
            losses: of the updates before it, one each.
            evaluations: made before it.
        """

    def on_step(self, step: int, loss: float, tokens_per_second: float) -> None:
        """After the update `step`: its training loss, in nats per token, before the update."""

    def on_time(self, elapsed_seconds: float) -> None:
        """Before each `on_step`: the wall-clock time of the loop so far, over all restarts."""

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        """After an evaluation of the weights that update `step` will start from."""

    def on_checkpoint(self, step: int, path: Path) -> None:
        """After a checkpoint from which a restart goes on with update `step`."""

    def on_end(self, step: int) -> None:
        """After the last step, evaluation and checkpoint."""
