"""What a model learns from text: `get("causal_lm")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zoo.objectives.base import Batch, Objective, Validation
from zoo.objectives.causal import CausalLM
from zoo.objectives.masked import MaskedLM

__all__ = ["Batch", "CausalLM", "MaskedLM", "Objective", "Validation", "get"]

_OBJECTIVES: dict[str, Callable[[Mapping[str, int]], Objective]] = {
    CausalLM.name: lambda vocabulary: CausalLM(),
    MaskedLM.name: MaskedLM.of,
}


def get(name: str, vocabulary: Mapping[str, int]) -> Objective:
    """Makes the objective that a family names.

    Args:
        vocabulary: ids by token, of the tokenizer that made the ids.
    """
    return _OBJECTIVES[name](vocabulary)
