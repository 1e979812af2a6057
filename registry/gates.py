"""Gates: what a version must pass before the alias `champion` may point to it.

Each gate is a pure function of measurements. What could not be measured counts as failed.
`promote_if_blessed` is the only place in this project that sets the alias.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.errors import BusyError, RegistryError, ZooError
from governance.wording import in_words
from registry.tracking import Tracking
from registry.versions import (
    BLESSED,
    CHAMPION,
    GATE,
    PROMOTED,
    ModelVersion,
    champion_of,
    get_version,
    refuse_quarantined,
)

BETTER_THAN_UNTRAINED = "better_than_untrained"
NO_TRAINING_PII = "no_training_pii"
NOT_WORSE_THAN_CHAMPION = "not_worse_than_champion"
CANARY_EXPOSURE = "canary_exposure"
VERBATIM_EXTRACTION = "verbatim_extraction"


@dataclass(frozen=True)
class GateResult:
    """The outcome of a gate. `evidence` holds figures and names of types, never text of a record."""

    name: str
    passed: bool
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "passed": self.passed, "evidence": self.evidence}


def better_than_untrained(untrained_bpb: float | None, bpb: float | None, *, unit: str = "byte") -> GateResult:
    """Whether training helped: bits per byte (or another unit) on the validation records, before and after."""
    before, after = _measured(untrained_bpb), _measured(bpb)
    return GateResult(
        BETTER_THAN_UNTRAINED,
        passed=after < before,  # false as soon as one of them is NaN
        evidence={f"untrained_bits_per_{unit}": _figure(untrained_bpb), f"bits_per_{unit}": _figure(bpb)},
    )


def no_training_pii(leaks: int | Mapping[str, int] | None, *, generations: int) -> GateResult:
    """Whether no personal data of the training text came back in sampled generations.

    Args:
        leaks: how many were found, in all or by type; None when it could not be examined.
        generations: how many texts were sampled; none at all is no evidence.
    """
    by_type = leaks if isinstance(leaks, Mapping) else None
    total = sum(by_type.values()) if by_type is not None else leaks
    evidence: dict[str, Any] = {"leaks": total, "generations": generations}
    if by_type:
        evidence["by_type"] = dict(sorted(by_type.items()))
    return GateResult(NO_TRAINING_PII, passed=total == 0 and generations > 0, evidence=evidence)


def not_worse_than_champion(
    champion_bpb: float | None,
    challenger_bpb: float | None,
    *,
    champion: int | None = None,
    tolerance: float = 0.0,
    records: int | None = None,
    unit: str = "byte",
) -> GateResult:
    """Whether the challenger is at most `tolerance` bits per byte worse, on the same validation records.

    Args:
        champion: number of the champion that was measured; promotion is refused when another one
            has taken its place meanwhile.
        records: how many validation records both were measured on.
        unit: what the bits are given for.
    """
    before, after = _measured(champion_bpb), _measured(challenger_bpb)
    passed = after <= before + tolerance  # false as soon as one of them is NaN
    evidence = {
        f"champion_bits_per_{unit}": _figure(champion_bpb),
        f"challenger_bits_per_{unit}": _figure(challenger_bpb),
        "tolerance": tolerance,
    }
    evidence |= {k: v for k, v in {"champion": champion, "records": records}.items() if v is not None}
    return GateResult(NOT_WORSE_THAN_CHAMPION, passed=passed, evidence=evidence)


def low_exposure(bits: Sequence[float], *, limit: float, repeat: int) -> GateResult:
    """Whether no canary that was planted in the training text is known too well.

    Args:
        bits: exposure of each canary; none at all is no evidence.
        limit: bits that the policy allows.
        repeat: times that each canary stood in the text.
    """
    passed = bool(bits) and all(_measured(one) <= limit for one in bits)
    evidence = {"exposure": [_figure(one) for one in bits], "max_exposure": limit, "repeat": repeat}
    return GateResult(CANARY_EXPOSURE, passed=passed, evidence=evidence)


def little_extraction(
    share: float, base_rate: float, *, limit: float, samples: int, prefix: int, length: int
) -> GateResult:
    """Whether few training texts come back word for word.

    Args:
        share: of the training texts that do.
        base_rate: the same share of texts that the model never saw; not taken off, and shown beside it.
        limit: share that the policy allows.
        samples: training texts that were tried.
        prefix, length: tokens that were given, and that had to come back.
    """
    return GateResult(
        VERBATIM_EXTRACTION,
        passed=samples > 0 and _measured(share) <= limit,
        evidence={
            "share": _figure(share),
            "max_extraction": limit,
            "base_rate": _figure(base_rate),
            **{"samples": samples, "prefix": prefix, "length": length},
        },
    )


def failed(name: str, why: str) -> GateResult:
    """A gate that could not be computed. `why` must not carry text of a record."""
    return GateResult(name, passed=False, evidence={"error": " ".join(why.split())})


def computed(name: str, gate: Callable[[], GateResult]) -> GateResult:
    """Runs a gate; one that raises for want of data, memory or arithmetic counts as failed."""
    try:
        return gate()
    except ZooError as error:
        return failed(name, str(error))
    except (ArithmeticError, ValueError, OSError, MemoryError) as error:
        return failed(name, f"not computed: {in_words(error)}")  # its message may quote a text


def promote_if_blessed(tracking: Tracking, version: ModelVersion, results: Sequence[GateResult]) -> bool:
    """Writes the gates' results on the version and makes it champion if all of them passed.

    Calling it again changes nothing, also after a kill in the middle. A version that was champion
    before and was followed by another is not put back. Beside an existing champion, the comparison
    with it is itself required: without it, it is recorded as failed.

    Returns:
        Whether the version is the champion now, with all gates passed.

    Raises:
        RegistryError: the version is quarantined, or no gate was examined.
        BusyError: another version became champion after the gates had been measured.
    """
    if not results:
        raise RegistryError(f"{version} was examined by no gate", fix="a champion has passed at least one")
    fresh = get_version(tracking, version.name, version.version)
    refuse_quarantined(fresh)
    champion = champion_of(tracking, version.name)
    rival = champion if champion is not None and champion.version != fresh.version else None
    if rival is not None and PROMOTED in fresh.tags:
        return False
    results = _with_comparison(results, rival)
    blessed = all(result.passed for result in results)
    _write(tracking, fresh, results, blessed)
    if not blessed:
        return False
    if rival is not None:
        _refuse_stale_comparison(results, rival)
    tracking.client.set_registered_model_alias(fresh.name, CHAMPION, str(fresh.version))
    if PROMOTED not in fresh.tags:
        _tag(tracking, fresh, PROMOTED, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    return True


def gate_results(version: ModelVersion) -> list[GateResult]:
    """The results that a version carries, by name."""
    results = []
    for key, value in sorted(version.tags.items()):
        if key.startswith(GATE):
            results.append(_from_tag(key.removeprefix(GATE), value))
    return results


def _from_tag(name: str, value: str) -> GateResult:
    try:
        content = json.loads(value)
        return GateResult(name, content["passed"] is True, dict(content["evidence"]))
    except (ValueError, KeyError, TypeError):  # somebody edited the tag
        return failed(name, "the result is unreadable")


def _with_comparison(results: Sequence[GateResult], rival: ModelVersion | None) -> list[GateResult]:
    if rival is None or any(result.name == NOT_WORSE_THAN_CHAMPION for result in results):
        return list(results)
    return [*results, failed(NOT_WORSE_THAN_CHAMPION, f"not compared with the champion {rival}")]


def _refuse_stale_comparison(results: Sequence[GateResult], rival: ModelVersion) -> None:
    compared = next(r.evidence.get("champion") for r in results if r.name == NOT_WORSE_THAN_CHAMPION)
    if compared is not None and compared != rival.version:
        raise BusyError(
            f"{rival} became champion while this version was compared with version {compared}",
            where=rival.name,
            fix="run the same command again",
        )


def _write(tracking: Tracking, version: ModelVersion, results: Sequence[GateResult], blessed: bool) -> None:
    """The verdict is withdrawn first and given last, so that a kill between leaves none."""
    wanted = {
        GATE + result.name: json.dumps({"passed": result.passed, "evidence": result.evidence}, sort_keys=True)
        for result in results
    }
    verdict = str(blessed).lower()
    changed = {key: value for key, value in wanted.items() if version.tags.get(key) != value}
    if changed and BLESSED in version.tags:
        tracking.client.delete_model_version_tag(version.name, str(version.version), BLESSED)
    for key, value in changed.items():
        _tag(tracking, version, key, value)
    if changed or version.tags.get(BLESSED) != verdict:
        _tag(tracking, version, BLESSED, verdict)


def _tag(tracking: Tracking, version: ModelVersion, key: str, value: str) -> None:
    tracking.client.set_model_version_tag(version.name, str(version.version), key, value)


def _measured(value: float | None) -> float:
    """The figure, or NaN for what is no measurement: None, infinity, less than no bits at all."""
    return value if value is not None and 0 <= value < math.inf else math.nan


def _figure(value: float | None) -> float | None:
    """A figure as JSON can hold it: NaN and infinity are no measurements."""
    return round(value, 6) if value is not None and math.isfinite(value) else None
