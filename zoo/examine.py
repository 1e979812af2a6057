"""Measures what the gates ask: is it better than untrained, does it give away personal data or other training
text, is it worse than the champion?"""

from __future__ import annotations

from collections import Counter

from governance.errors import DataError, RegistryError
from registry import (
    GateResult,
    ModelVersion,
    Tracking,
    better_than_untrained,
    champion_of,
    failed,
    no_training_pii,
    not_worse_than_champion,
)
from registry.gates import NO_TRAINING_PII, NOT_WORSE_THAN_CHAMPION, computed
from zoo.ancestry import BASE_TAG
from zoo.audit.gates import leakage_gates
from zoo.compare import compare
from zoo.job import Job
from zoo.load import LoadedModel

_GENERATIONS = 50
_PREFIX_CHARACTERS = 80

#: What two trainings on the same data in another order may differ by in bits per byte, as a share: four
#: seeds of the bundled tax_domain at its default length gave 0.983, 0.991, 0.998 and 1.016, five of whose
#: six pairs are closer than this. A challenger within it is not worse.
NOISE = 0.03


def examine(job: Job, tracking: Tracking, version: ModelVersion, model: LoadedModel) -> list[GateResult]:
    """All gates of a version, measured. A gate that cannot be measured counts as failed."""
    metrics, unit = version.metrics, job.unit
    results = [
        better_than_untrained(
            metrics.get(f"untrained_bits_per_{unit}"), metrics.get(f"val_bits_per_{unit}"), unit=unit
        ),
        computed(NO_TRAINING_PII, lambda: _personal_data(job, model)),
        *leakage_gates(job, model),
    ]
    champion = champion_of(tracking, version.name)
    if champion is not None and champion.version != version.version:
        results.append(_against(job, champion, model))
    return results


def _personal_data(job: Job, model: LoadedModel) -> GateResult:
    """Samples continuations of training texts, where memorised strings would show, and looks for them."""
    from governance.pii import Detector, leaked

    if model.gives in ("places", "reward"):  # numbers, or words of the text that it was given
        return GateResult(NO_TRAINING_PII, passed=True, evidence={"generations": 0, "gives": model.gives})
    samples = sample_generations(job, model)
    texts = samples if model.cased else [*samples, *map(str.title, samples)]  # a name is told by its capitals
    key = job.workspace.keys.derive(job.spec.domain, "pii-hashes")
    detector = Detector.create(registry=job.workspace.policy.domains[job.spec.domain].pii.registry)
    found = leaked(texts, job.data.version.pii_hashes(), key, detector=detector)
    by_type = Counter(leak.type for leak in found)
    return no_training_pii(by_type, generations=len(samples))


def sample_generations(job: Job, model: LoadedModel) -> list[str]:
    """50 sampled texts: half start from nothing, half from the beginnings of training records."""
    beginnings: list[str] = []
    half = _GENERATIONS // 2
    every = max(1, job.data.version.records["train"] // half)
    for number, (_, text) in enumerate(job.data.version.texts("train")):
        if number % every == 0 and len(beginnings) < half:
            beginnings.append(text[:_PREFIX_CHARACTERS])
    prompts = beginnings + [""] * (_GENERATIONS - len(beginnings))
    return model.sample(prompts, seed=job.plan.seed)


def _against(job: Job, champion: ModelVersion, model: LoadedModel) -> GateResult:
    try:
        comparison = compare(job.workspace, champion, model, job.data.version, job.task)
    except (DataError, RegistryError) as error:
        return failed(NOT_WORSE_THAN_CHAMPION, str(error))
    return not_worse_than_champion(
        comparison.champion_bpb,
        comparison.challenger_bpb,
        champion=champion.version,
        tolerance=allowed_loss(champion, comparison.champion_bpb, job.unit),
        records=comparison.records,
        unit=job.unit,
    )


def allowed_loss(champion: ModelVersion, champion_bits: float, unit: str) -> float:
    """Bits by which a challenger may be behind the champion: the noise of what it needs, or of what it learned if
    that is less. A model that is hardly better than untrained would else be replaced by one that learned nothing.

    Args:
        champion_bits: what it needs for each unit of the records on which both are compared.
    """
    figures = champion.metrics
    before, after = figures.get(f"untrained_bits_per_{unit}"), figures.get(f"val_bits_per_{unit}")
    continued = champion.tags.get(BASE_TAG, "").startswith(f"{champion.name}/")  # its start had learned the same
    if before is None or after is None or continued:
        return NOISE * champion_bits
    return NOISE * max(0.0, min(champion_bits, before - after))
