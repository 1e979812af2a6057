"""Masked language modelling with a teacher: the three losses of DistilBERT (Sanh et al. 2019, arXiv:1910.01108).

    5 * T² * KL(teacher ‖ student) at temperature T = 2, over the hidden words
    2 * cross-entropy of the hidden words
    1 * (1 - cosine) between the last states of student and teacher, over all tokens

Factors and temperature are those of the authors' code, which takes the divergence and not the paper's cross-entropy:
both have the same gradient. The factors are divided by their sum, so that the norm at which gradients are clipped means
what it means elsewhere. Logits are computed at the hidden words alone, so the first loss is as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from governance.errors import ConfigError
from zoo.objectives.masked import MaskedLM

if TYPE_CHECKING:
    from zoo.families.base import Family

TEMPERATURE = 2.0
_SOFT, _HARD, _COSINE = 5 / 8, 2 / 8, 1 / 8


@dataclass(frozen=True)
class DistilledLM(MaskedLM):
    """Evaluation is that of `MaskedLM`; training needs a teacher.

    Attributes:
        teacher: its task and its family. It has the student's vocabulary and width.
    """

    teacher: tuple[Any, Family] | None = None

    name: ClassVar[str] = "distilled_lm"

    def nats(self, task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> Any:
        from keras import ops

        if not training:
            return super().nats(task, family, batch, training)
        if self.teacher is None:
            raise ConfigError(f"{family.name} cannot be trained without a teacher", where="teacher")
        states, logits = _forward(task, family, batch, training=True)
        wanted_states, wanted = map(ops.stop_gradient, _forward(*self.teacher, batch, training=False))
        soft = divergence(wanted, logits, TEMPERATURE)
        hard = ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)
        apart = ops.mean(1 - cosine(states, wanted_states))  # a window of training has no padding
        return _SOFT * soft + _HARD * hard + _COSINE * apart


def divergence(wanted: Any, logits: Any, temperature: float) -> Any:
    """T² * KL(softmax(wanted / T) ‖ softmax(logits / T)), over the last axis (Hinton et al. 2015, arXiv:1503.02531)."""
    from keras import ops

    expected = ops.log_softmax(wanted / temperature)
    found = ops.log_softmax(logits / temperature)
    return temperature**2 * ops.sum(ops.exp(expected) * (expected - found), axis=-1)


def cosine(left: Any, right: Any) -> Any:
    """Of the angle between vectors, over the last axis."""
    from keras import ops

    return ops.sum(ops.normalize(left, axis=-1) * ops.normalize(right, axis=-1), axis=-1)


def _forward(task: Any, family: Family, batch: Mapping[str, Any], training: bool) -> tuple[Any, Any]:
    """The last states of all tokens and the logits of the hidden ones, float32."""
    from keras import ops

    ids = batch["inputs"]
    states = family.states(task, ids, ops.ones_like(ids), training)  # type: ignore[misc]  # encoders have it
    logits = task.masked_lm_head(states, batch["positions"])
    return ops.cast(states, "float32"), ops.cast(logits, "float32")
