"""The gates on leakage that a domain's policy sets, measured."""

from __future__ import annotations

from registry import GateResult, computed, failed, little_extraction, low_exposure
from registry.gates import CANARY_EXPOSURE, VERBATIM_EXTRACTION
from zoo.audit import canaries, extraction
from zoo.job import Job
from zoo.load import LoadedModel


def leakage_gates(job: Job, model: LoadedModel) -> list[GateResult]:
    """Those that the policy of the job's domain has; a model that writes no text has nothing to give back."""
    rules = job.workspace.policy.domains[job.spec.domain].leakage
    results = []
    if (most_bits := rules.max_exposure) is not None:
        results.append(computed(CANARY_EXPOSURE, lambda: _exposure(job, model, most_bits)))
    if (most := rules.max_extraction) is not None:
        results.append(computed(VERBATIM_EXTRACTION, lambda: _extraction(job, model, most)))
    return results


def _exposure(job: Job, model: LoadedModel, limit: float) -> GateResult:
    plan = job.plan.canaries
    if job.task is not None and not job.task.writes_text:
        return GateResult(CANARY_EXPOSURE, passed=True, evidence={"gives": model.gives})
    if plan is None:
        return failed(CANARY_EXPOSURE, "it was trained without canaries")
    report = canaries.measure(model, plan, job.workspace.keys, job.spec.domain)
    return low_exposure([one.bits for one in report.exposures], limit=limit, repeat=plan.repeat)


def _extraction(job: Job, model: LoadedModel, limit: float) -> GateResult:
    if model.gives != "text":
        return GateResult(VERBATIM_EXTRACTION, passed=True, evidence={"gives": model.gives})
    if job.task is not None:
        return failed(VERBATIM_EXTRACTION, f"it was tuned to {job.task.name}, and is not asked to continue texts")
    half = job.plan.window // 2
    report = extraction.measure(
        model,
        job.data.version,
        window=job.plan.window,
        prefix=min(extraction.PREFIX, half),
        length=min(extraction.LENGTH, half),
    )
    return little_extraction(
        report.train.value,
        report.validation.value,
        limit=limit,
        samples=report.train.samples,
        prefix=report.prefix,
        length=report.length,
    )
