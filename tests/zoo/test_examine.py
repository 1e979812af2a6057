"""By how much a challenger may be behind the champion."""

from __future__ import annotations

import pytest

from governance.labels import Label
from registry import ModelVersion
from zoo.ancestry import BASE_TAG
from zoo.examine import allowed_loss


def champion(untrained: float | None, bits: float, base: str | None = None) -> ModelVersion:
    metrics = {"val_bits_per_example": bits} | ({} if untrained is None else {"untrained_bits_per_example": untrained})
    tags = {} if base is None else {BASE_TAG: base}
    name = "intents.bert-classify"
    return ModelVersion(name, 2, "r", "m", "support", "intents", "bert", Label.of("support"), (), metrics, tags)


@pytest.mark.parametrize(
    ("version", "allowed"),
    [
        (champion(3.6, 1.0), 0.03),  # the noise of what it needs
        (champion(1.6, 1.5), 0.003),  # that of the little that it learned
        (champion(1.5, 1.6), 0.0),
        (champion(1.6, 1.5, "support_domain.bert/1"), 0.003),  # the base knew nothing of the task
        (champion(1.6, 1.5, "intents.bert-classify/1"), 0.045),  # its start had learned the same
        (champion(None, 1.5), 0.045),
    ],
)
def test_a_challenger_may_lose_little_of_what_was_learned(version: ModelVersion, allowed: float) -> None:
    bits = version.metrics["val_bits_per_example"]
    assert allowed_loss(version, bits, "example") == pytest.approx(allowed)
