"""`zoo audit canaries`: how far a model's training exposed the canaries that were planted in its text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from governance.config import validate
from governance.errors import RegistryError
from governance.keys import Keys
from governance.leakage import SPACE, CanaryPlan, Exposure, exposure, planted_codes, random_codes
from registry import ModelVersion, Tracking, resolve
from zoo.audit.likelihood import canary_nats
from zoo.audit.planting import CANARY_KEY
from zoo.load import LoadedModel, load
from zoo.workspace import Workspace

#: Tag of a version: how many canaries it was trained with, and how often each; their codes are nowhere.
CANARIES_TAG = "zoo.canaries"

#: Random texts that canaries are ranked among unless somebody asks for another number.
SAMPLED = 2000


@dataclass(frozen=True)
class CanaryReport:
    """The exposure of each canary, in the order of their numbers."""

    plan: CanaryPlan
    exposures: tuple[Exposure, ...]

    @property
    def highest(self) -> float:
        """Bits of the canary that is known best."""
        return max(one.bits for one in self.exposures)

    def to_json(self) -> dict[str, Any]:
        return {"repeat": self.plan.repeat, "highest": self.highest, "canaries": [vars(one) for one in self.exposures]}


def audit_canaries(
    reference: str, *, sampled: int = SAMPLED, workspace: Workspace | None = None
) -> tuple[ModelVersion, CanaryReport]:
    """Measures the exposure of a registered version's canaries.

    Args:
        reference: such as "tax_domain.gpt@champion" or "tax_domain.gpt/3".
        sampled: random texts of the canaries' format that each is ranked among.

    Raises:
        RegistryError: there is no such version, or it was trained without canaries.
        DataError: fewer than 100 random texts.
    """
    workspace = workspace or Workspace.current()
    version = resolve(Tracking(workspace.tracking_uri, workspace.artifact_root), reference)
    if CANARIES_TAG not in version.tags:
        raise RegistryError(
            f"{version} was trained without canaries", fix="plant some: zoo train … --set canaries.count=4"
        )
    plan = _plan(version)
    model = load(str(version), workspace=workspace)
    return version, measure(model, plan, workspace.keys, version.domain, sampled=sampled)


def _plan(version: ModelVersion) -> CanaryPlan:
    where = f"{version}: {CANARIES_TAG}"
    try:
        return validate(json.loads(version.tags[CANARIES_TAG]), CanaryPlan, where=where)
    except ValueError:  # somebody edited the tag
        raise RegistryError("the tag is unreadable", where=where) from None


def measure(model: LoadedModel, plan: CanaryPlan, keys: Keys, domain: str, *, sampled: int = SAMPLED) -> CanaryReport:
    """Ranks each planted canary among random ones.

    Raises:
        ConfigError: a canary does not fit into the model's context.
        DataError: fewer than 100 random texts, or a likelihood that is not finite.
    """
    key = keys.derive(domain, CANARY_KEY)
    nats = canary_nats(model, [*planted_codes(key, plan.count), *random_codes(key, sampled)]).tolist()
    planted, others = nats[: plan.count], nats[plan.count :]
    return CanaryReport(plan, _exposures(planted, others))


def _exposures(planted: Sequence[float], others: Sequence[float]) -> tuple[Exposure, ...]:
    return tuple(exposure(one, others, space=SPACE) for one in planted)
