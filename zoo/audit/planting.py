"""Canaries before a training: what is planted, and what is refused before any data is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from governance.config import validate
from governance.errors import ConfigError
from governance.leakage import CanaryPlan, canary, planted_codes
from pipelines.planting import Planted
from pipelines.tokenizers import load_encoder
from zoo.tasks import Task
from zoo.workspace import Workspace

#: Use of the domain's key from which codes are drawn.
CANARY_KEY = "canaries"
#: Tokens that may stand around a canary.
FRAME = 2


def planted_for(changes: Mapping[str, Any], task: Task | None, workspace: Workspace, domain: str) -> Planted | None:
    """The canaries that the settings of a training ask for, with codes from the domain's key.

    Raises:
        ConfigError: the setting is wrong, canaries are asked for beside a task, or the training would fail its
            domain's gates on leakage whatever it learns.
    """
    plan = _plan(changes)
    if plan is not None and task is not None:
        what = "canaries are planted in text, not among the examples of a task"
        raise ConfigError(what, where="plan.canaries", fix="leave them out")
    _check_limits(plan, task, workspace, domain)
    if plan is None:
        return None
    codes = planted_codes(workspace.keys.derive(domain, CANARY_KEY), plan.count)
    return Planted(tuple(map(canary, codes)), plan.repeat)


def check_fits(planted: Planted, tokenizer: Path, context: int) -> None:
    """Whether a model of this context can be asked for the canaries.

    Raises:
        ConfigError: one of them is too long.
    """
    longest = max(len(ids) for ids in load_encoder(tokenizer).encode(list(planted.texts)))
    if longest + FRAME > context:
        raise ConfigError(
            f"a canary of {longest} tokens does not fit into the model's context of {context}",
            where="plan.canaries",
            fix="take a size with a longer context, or a larger vocabulary",
        )


def _plan(changes: Mapping[str, Any]) -> CanaryPlan | None:
    asked = changes.get("canaries")
    if asked is None or isinstance(asked, CanaryPlan):
        return asked
    if not isinstance(asked, dict):
        raise ConfigError("has the settings count and repeat", where="plan.canaries", fix="give canaries.count=4")
    return validate(asked, CanaryPlan, where="plan.canaries")


def _check_limits(plan: CanaryPlan | None, task: Task | None, workspace: Workspace, domain: str) -> None:
    rules, where = workspace.policy.domains[domain].leakage, f"zoo.yaml: domains.{domain}.leakage"
    if task is not None and task.writes_text and rules.limits:
        raise ConfigError(
            f"what a model gives away that is tuned to {task.name} cannot be measured, and the domain limits it",
            where=where,
            fix="tune a model in a domain without these limits, or remove them",
        )
    if task is None and plan is None and rules.max_exposure is not None:
        raise ConfigError(
            "the domain limits the exposure of canaries, and this training plants none",
            where=f"{where}.max_exposure",
            fix="give canaries.count, such as --set canaries.count=4",
        )
