"""The fingerprint of a training: everything that decides its outcome, and one hash over it.

A resumed run, a registered version and a checkpoint carry it; two that differ are never mixed.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo


@dataclass(frozen=True)
class Identity:
    """Named parts, and the SHA-256 (hex) over them."""

    parts: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.parts, sort_keys=True).encode()).hexdigest()

    def differing(self, other: Mapping[str, Any]) -> frozenset[str]:
        """Names of the parts that differ from another identity's."""
        names = set(self.parts) | set(other)
        return frozenset(name for name in names if self.parts.get(name) != other.get(name))

    def difference(self, other: Mapping[str, Any]) -> str:
        """The parts that differ from another identity's, as "steps 100 here, 200 there"."""
        differing = sorted(self.differing(other))
        return ", ".join(f"{n} {_short(self.parts.get(n))} here, {_short(other.get(n))} there" for n in differing)


def training_identity(
    *,
    dataset_digest: str,
    tokenizer_digest: str,
    family: str,
    size: str,
    objective: str,
    plan: Mapping[str, Any],
    policy_digest: str,
    backend: str,
    others: Mapping[str, str] | None = None,
) -> Identity:
    """The identity of a training run, as the design has it; the plan's dtype must be a resolved one.

    Args:
        others: further parts that some families have, such as what it continues from or learns from.
    """
    parts = {
        "dataset": dataset_digest,
        "tokenizer": tokenizer_digest,
        "family": family,
        "size": size,
        "objective": objective,
        "policy": policy_digest,
        "backend": backend,
        "code": f"{zoo.__version__}+{_code_digest()}",
    }
    return Identity(parts | dict(others or {}) | {f"plan.{name}": value for name, value in plan.items()})


@functools.cache
def _code_digest() -> str:
    """Over the modules that decide the losses: a changed line there is another training."""
    import pipelines.bucketed
    import pipelines.examples
    import pipelines.stream
    import pipelines.tokenizers.words
    import zoo.families
    import zoo.fit
    import zoo.lora
    import zoo.objectives
    import zoo.tasks
    import zoo.teacher

    modules = (
        pipelines.bucketed,
        pipelines.examples,
        pipelines.stream,
        pipelines.tokenizers.words,
        zoo.lora,
        zoo.teacher,
    )
    files = [Path(module.__file__) for module in modules]
    for package in (zoo.families, zoo.fit, zoo.objectives, zoo.tasks):
        files += sorted(Path(package.__file__).parent.glob("*.py"))
    total = hashlib.sha256()
    for file in files:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:12]


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text
