"""The plan of a training: everything that decides its losses besides data and initial weights."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from governance.config import StrictModel, validate
from governance.errors import ConfigError
from governance.leakage import CanaryPlan
from zoo.families.base import Size
from zoo.fit.duration import Duration

#: A default run reads the training split once, and little text more often: until so many updates …
_ENOUGH_STEPS = 300
#: … but not more often than this, where a model begins to learn it by heart (Muennighoff et al. 2023).
_EPOCHS = 4
_FEWEST_STEPS = 20
#: More tokens for each weight are better spent on a larger model (Hoffmann et al. 2022).
_TOKENS_PER_PARAMETER = 20
#: Evaluations cost about a tenth of the training at most: a token costs a third of what it costs in training.
_EVALUATION_SHARE = 10
#: Of wsd: the share that Hu et al. 2024 found to be enough.
_DECAY = 0.1

Schedule = Literal["cosine", "linear", "constant", "wsd", "inverse_sqrt"]


class LoraPlan(StrictModel):
    """Low-rank adaptation: what `zoo.lora.apply` is called with."""

    rank: int = Field(ge=1)
    alpha: float | None = Field(default=None, gt=0, description="twice the rank if absent")
    targets: tuple[str, ...] | None = Field(default=None, min_length=1, description="patterns of layer paths")


class TrainPlan(StrictModel):
    """How to train; defaults follow from the size of the model and of the data (`TrainPlan.of`).

    An update reads `accumulate` micro-batches of `batch_size` windows and takes the mean over all of
    their predicted tokens.

    Of the evaluations after the first update the one with the fewest bits per byte decides which weights
    are kept. With `patience`, so many evaluations in a row that are not better than the best one by
    more than `min_improvement` end the training.

    With `minutes`, the training ends after that much time of the loop, over all restarts, and its losses
    depend on the machine. `steps` may be None then, and what is spaced in steps is spaced in time. With
    both, the training ends after whichever is first, and the learning rate follows the larger of both shares.
    """

    steps: int | None = Field(ge=1, description="updates; None: as many as the minutes allow")
    batch_size: int = Field(ge=1, description="windows in a micro-batch")
    accumulate: int = Field(default=1, ge=1, description="micro-batches in a step")
    window: int = Field(ge=1, description="tokens in a window")
    learning_rate: float = Field(gt=0, description="peak")
    minutes: float | None = Field(default=None, gt=0)
    schedule: Schedule = "cosine"
    warmup: int = Field(default=0, ge=0, description="steps")
    final_learning_rate: float = Field(default=0.0, ge=0, le=1, description="share of the peak")
    decay: float = Field(default=_DECAY, gt=0, le=1, description="wsd: share of the steps after the warm-up")
    weight_decay: float = Field(default=0.1, ge=0)
    beta_2: float = Field(default=0.95, gt=0, lt=1)
    clip: float = Field(default=1.0, gt=0, description="global norm of the gradient")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    ema: float | None = Field(default=None, gt=0, lt=1, description="decay of the average of the weights")
    lora: LoraPlan | None = None
    canaries: CanaryPlan | None = Field(default=None, description="planted in the training text, see zoo.audit")
    patience: int | None = Field(default=None, ge=1, description="evaluations")
    min_improvement: float = Field(default=0.0, ge=0, description="bits per byte")
    seed: int = Field(default=0, ge=0, lt=2**63)
    evaluate_every: int | None = Field(default=100, ge=1, description="steps; None: a tenth of the minutes")
    checkpoint_every: int | None = Field(default=100, ge=1, description="steps; None: a twentieth of the minutes")
    jit: bool = Field(default=True, description="compile the step with XLA")
    dtype: Literal["auto", "float32", "mixed_bfloat16"] = "auto"

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        for name in ("steps", "evaluate_every", "checkpoint_every"):
            if getattr(self, name) is None and self.minutes is None:
                raise ValueError(f"{name} can be left to the time only with minutes")
        return self

    @model_validator(mode="after")
    def _says_nothing_without_effect(self) -> Self:
        if self.final_learning_rate and self.schedule in ("constant", "inverse_sqrt"):
            raise ValueError(f"final_learning_rate has no meaning for the schedule {self.schedule}")
        if self.decay != _DECAY and self.schedule != "wsd":
            raise ValueError(f"decay has no meaning for the schedule {self.schedule}")
        if self.min_improvement and self.patience is None:
            raise ValueError("min_improvement has no meaning without patience")
        return self

    @property
    def rows_per_step(self) -> int:
        """Windows that an update reads."""
        return self.batch_size * self.accumulate

    @property
    def tokens_per_step(self) -> int:
        return self.rows_per_step * self.window

    def __str__(self) -> str:
        """For a person: how long, how much at once, how fast."""
        lengths = [] if self.steps is None else [f"{self.steps:,} steps"]
        lengths += [] if self.minutes is None else [f"{self.minutes:g} minutes"]
        batch = f"batches of {self.rows_per_step}"
        return f"{' or '.join(lengths)}, {batch}, learning rate {self.learning_rate:.2g}"

    @classmethod
    def of(
        cls,
        size: Size,
        *,
        parameters: int,
        train_tokens: int,
        validation_tokens: int,
        steps: int | None = None,
        duration: Duration | None = None,
        **changes: object,
    ) -> TrainPlan:
        """The default plan of a size for this much data; a pure function of its arguments.

        Args:
            size: gives learning rate, batch size, window and the tokens to read at most.
            parameters: weights of the model, embeddings not counted.
            train_tokens: tokens in the training split.
            validation_tokens: tokens in the validation split.
            steps: instead of the default.
            duration: instead of steps. With one in minutes, or with `minutes` among the changes, and without
                steps, the time alone ends the training.
            changes: other fields to set.

        Raises:
            ConfigError: a value that cannot be, with the field's name.
        """
        window = _count(changes.pop("window", size.context), "window")
        batch_size = _count(changes.pop("batch_size", size.batch_size), "batch_size")
        per_step = window * batch_size * _count(changes.get("accumulate", 1), "accumulate")
        if duration is not None:
            if steps is not None or (duration.unit == "minutes" and "minutes" in changes):
                raise ConfigError("the length of the training is given twice", where="duration", fix="leave one out")
            steps = duration.number_of_steps(tokens_per_step=per_step, train_tokens=train_tokens)
            changes |= {"minutes": duration.value} if duration.unit == "minutes" else {}
        timed = steps is None and changes.get("minutes") is not None
        most = min(size.tokens, _TOKENS_PER_PARAMETER * parameters)
        tokens = max(min(train_tokens, most), min(_EPOCHS * train_tokens, _ENOUGH_STEPS * per_step))
        updates = max(_FEWEST_STEPS, tokens // per_step) if steps is None else steps
        evaluation = -(-_EVALUATION_SHARE * validation_tokens // (3 * per_step))
        fields: dict[str, object] = {
            "steps": None if timed else updates,
            "batch_size": batch_size,
            "window": window,
            "learning_rate": size.learning_rate,
            "warmup": max(1, updates // 20),
            "dropout": size.dropout,
            "evaluate_every": None if timed else max(1, -(-updates // 10), evaluation),
            "checkpoint_every": None if timed else max(1, -(-updates // 20)),
        }
        return validate(fields | changes, cls, where="plan")


def _count(value: object, name: str) -> int:
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f"must be a whole number of at least 1, not {value!r}", where=f"plan.{name}")
    return value


def check_window(window: int, context: int) -> None:
    """Raises ConfigError for a window, in tokens, that a model cannot see as a whole."""
    if window > context:
        raise ConfigError(f"a window of {window} tokens exceeds the model's context of {context}", where="plan.window")
