"""Picking: which version answers a query. The policy decides first, then measured figures do.

A caller without a grant learns nothing: an unknown domain, an unknown caller and a missing role
are refused in the same words, and a version that the policy keeps from the caller is in no list.

Among the versions that may answer, the one with the lowest score wins:

    score = log2(bits per byte) + 0.02 log2(latency in ms) + 0.01 log2(FLOPs a token)

so a version that takes twice as long must be 1.4 % better in bits per byte to be picked, and one
that computes twice as much 0.7 %. A figure that was not measured counts as the worst of those that
were. Equal scores go to the name that comes first in the alphabet. Models whose bits per byte mean
something else (of words that were hidden, say) are asked when there are no others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from governance.errors import PolicyRefused, RegistryError
from governance.labels import Label
from governance.policy import Policy
from registry.catalogue import Snapshot
from registry.gates import gate_results
from registry.versions import ModelVersion

QUALITY, LATENCY, COST = "val_bits_per_byte", "latency_ms_p50", "flops_per_token"
LATENCY_WEIGHT, COST_WEIGHT = 0.02, 0.01
_NONE_LEFT = 'no model of the domain "{}" can answer'


@dataclass(frozen=True)
class Candidate:
    """A version that was considered, whether it could have answered, and why (not)."""

    model: str
    version: int
    kept: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "version": self.version, "kept": self.kept, "reason": self.reason}


@dataclass(frozen=True)
class Decision:
    """The outcome of a pick. `candidates` holds the chosen one first, then the other kept ones."""

    chosen: ModelVersion
    candidates: tuple[Candidate, ...]
    snapshot: str
    domain: str
    caller: str | None
    purpose: str
    max_latency_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """`decision` in the output of `zoo query --json`."""
        return {"candidates": [c.to_json() for c in self.candidates], "snapshot": self.snapshot}

    def explain(self) -> str:
        """The decision as lines for a person."""
        limit = "" if self.max_latency_ms is None else f", at most {self.max_latency_ms:g} ms"
        head = f'domain "{self.domain}", caller "{self.caller}", purpose "{self.purpose}"{limit}'
        width = max(len(f"{c.model}/{c.version}") for c in self.candidates)
        lines = []
        for candidate in self.candidates:
            mark = "-" if not candidate.kept else "*" if self._is_chosen(candidate) else "+"
            lines.append(f"  {mark} {f'{candidate.model}/{candidate.version}':<{width}}  {candidate.reason}")
        tail = f"  (* chosen, + could have answered, - could not; catalogue snapshot {self.snapshot})"
        return "\n".join([head, *lines, tail])

    def _is_chosen(self, candidate: Candidate) -> bool:
        return (candidate.model, candidate.version) == (self.chosen.name, self.chosen.version)


def pick(
    snapshot: Snapshot,
    policy: Policy,
    *,
    domain: str,
    caller: str | None,
    purpose: str,
    max_latency_ms: float | None = None,
    order: Callable[[ModelVersion], int | None] = lambda version: 0,
) -> Decision:
    """Chooses the version that answers, from memory alone.

    Args:
        caller: who asks; None only for the owner's own purposes, such as "evaluate".
        max_latency_ms: median latency that a version must have been measured to keep within.
        order: how soon a kind of model is asked: those of the lowest number first; None cannot do what is asked.
            Bits per byte are compared between versions of one number alone.

    Raises:
        PolicyRefused: the caller may not use models of this domain, or not for this purpose.
        RegistryError: no version may answer; the message gives the reason of each.
    """
    policy.check(Label.of(domain), sink=domain, purpose=purpose, caller=caller)
    allowed = [v for v in snapshot.entries if v.domain == domain and _may_use(policy, v, caller, purpose)]
    reasons = {id(v): _reason_against(v, allowed, max_latency_ms, order) for v in allowed}
    kept = [v for v in allowed if reasons[id(v)] is None]
    rejected = [Candidate(v.name, v.version, False, why) for v in _ordered(allowed) if (why := reasons[id(v)])]
    if not kept:
        raise _nothing_to_pick(domain, rejected)
    scores = _scores(kept)
    kinds = [order(v) or 0 for v in kept]
    ranked = sorted(range(len(kept)), key=lambda i: (kinds[i], scores[i], kept[i].name, -kept[i].version))
    best = ranked[0]

    def verdict(i: int) -> str:
        if i == best:
            return _figures(kept[i])
        if kinds[i] != kinds[best]:
            return f"{_figures(kept[i])} of another kind; asked when there is no other"
        return f"{_figures(kept[i])}; score {scores[i] - scores[best]:+.4f}"

    answers = [Candidate(kept[i].name, kept[i].version, True, verdict(i)) for i in ranked]
    return Decision(
        chosen=kept[best],
        candidates=(*answers, *rejected),
        snapshot=snapshot.id,
        domain=domain,
        caller=caller,
        purpose=purpose,
        max_latency_ms=max_latency_ms,
    )


def _may_use(policy: Policy, version: ModelVersion, caller: str | None, purpose: str) -> bool:
    try:
        policy.check(version.label, sink=version.domain, purpose=purpose, caller=caller)
    except PolicyRefused:
        return False
    return True


def _reason_against(
    version: ModelVersion,
    allowed: Sequence[ModelVersion],
    max_latency_ms: float | None,
    order: Callable[[ModelVersion], int | None],
) -> str | None:
    """Why a version cannot answer; None when it can. The gravest reason comes first."""
    if version.quarantined is not None:
        return "quarantined"
    failures = [result.name for result in gate_results(version) if not result.passed]
    if failures:
        return f"gate {', '.join(failures)} failed"
    champion = next((v.version for v in allowed if v.name == version.name and v.is_champion), None)
    if champion is not None and version.version < champion:
        return "older version"
    if not version.blessed:
        return "not examined by the gates"
    if not version.is_champion:
        return "not promoted"
    if order(version) is None:
        return f"{version.family} models that learned {version.objective} cannot do this"
    if _positive(version, QUALITY) is None:
        return "quality was not measured"
    return _too_slow(version, max_latency_ms)


def _too_slow(version: ModelVersion, max_latency_ms: float | None) -> str | None:
    if max_latency_ms is None:
        return None
    latency = _positive(version, LATENCY)
    if latency is None:
        return f"slower than {max_latency_ms:g} ms: not measured"
    if latency <= max_latency_ms:
        return None
    return f"slower than {max_latency_ms:g} ms: measured {latency:.0f} ms"


def _scores(versions: Sequence[ModelVersion]) -> list[float]:
    """The score of each version, lower is better (see the module's text)."""
    latencies = _worst_for_missing([_positive(v, LATENCY) for v in versions])
    costs = _worst_for_missing([_positive(v, COST) for v in versions])
    return [
        math.log2(v.metrics[QUALITY]) + LATENCY_WEIGHT * math.log2(latency) + COST_WEIGHT * math.log2(cost)
        for v, latency, cost in zip(versions, latencies, costs, strict=True)
    ]


def _worst_for_missing(values: Sequence[float | None]) -> list[float]:
    worst = max((value for value in values if value is not None), default=1.0)
    return [worst if value is None else value for value in values]


def _positive(version: ModelVersion, key: str) -> float | None:
    """A figure of a version when it was measured as a number above zero, else None."""
    value = version.metrics.get(key)
    return value if value is not None and math.isfinite(value) and value > 0 else None


def _figures(version: ModelVersion) -> str:
    parts = [f"{version.metrics[QUALITY]:.3f} bits per byte"]
    latency, parameters = _positive(version, LATENCY), _positive(version, "parameters")
    if latency is not None:
        parts.append(f"{latency:.0f} ms")
    if parameters is not None:
        parts.append(f"{parameters / 1e6:.1f} M parameters")
    return ", ".join(parts)


def _ordered(versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    return sorted(versions, key=lambda v: (v.name, -v.version))


def _nothing_to_pick(domain: str, rejected: Sequence[Candidate]) -> RegistryError:
    what = _NONE_LEFT.format(domain)
    if not rejected:
        return RegistryError(f"{what}: none is registered", fix="train one with `zoo train`")
    reasons = ", ".join(f"{c.model}/{c.version}: {c.reason}" for c in rejected[:5])
    more = f" and {len(rejected) - 5} more" if len(rejected) > 5 else ""
    return RegistryError(f"{what} ({reasons}{more})", fix="see `zoo models`")
