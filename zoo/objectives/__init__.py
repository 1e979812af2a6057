"""What a model learns from text: `get("causal_lm")`."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.tokenizers import Lexicon
from zoo.objectives.base import SOURCE, Batch, Objective, Unit, Validation
from zoo.objectives.causal import CausalLM
from zoo.objectives.controlled import ControlledLM
from zoo.objectives.denoising import Denoising
from zoo.objectives.distilled import DistilledLM
from zoo.objectives.entity import EntityMaskedLM
from zoo.objectives.masked import MaskedLM
from zoo.objectives.spans import SpanCorruption

__all__ = [
    "SOURCE",
    "Batch",
    "CausalLM",
    "ControlledLM",
    "Denoising",
    "DistilledLM",
    "EntityMaskedLM",
    "MaskedLM",
    "Objective",
    "SpanCorruption",
    "Unit",
    "Validation",
    "get",
]

_OBJECTIVES: dict[str, Callable[[Lexicon], Objective]] = {
    CausalLM.name: lambda lexicon: CausalLM(),
    ControlledLM.name: ControlledLM.of,
    DistilledLM.name: DistilledLM.of,
    EntityMaskedLM.name: EntityMaskedLM.of,
    MaskedLM.name: MaskedLM.of,
    SpanCorruption.name: SpanCorruption.of,
    Denoising.name: Denoising.of,
}


def get(name: str, lexicon: Lexicon) -> Objective:
    """Makes the objective that a family names.

    Args:
        lexicon: of the tokenizer that made the ids.
    """
    return _OBJECTIVES[name](lexicon)
