"""What `zoo audit` does with a model: canaries, extraction."""

from __future__ import annotations

import sys
from typing import Any

from registry import ModelVersion
from zoo.cli.output import print_json, print_table
from zoo.workspace import Workspace


def run_audit_canaries(reference: str, sampled: int, as_json: bool) -> None:
    from zoo.audit.canaries import audit_canaries

    workspace = Workspace.current()
    version, report = audit_canaries(reference, sampled=sampled, workspace=workspace)
    limit = workspace.policy.domains[version.domain].leakage.max_exposure
    if as_json:
        print_json(_about(version) | report.to_json() | {"limit": limit})
    else:
        print(f"{version}: {report.plan.count} canaries, each {report.plan.repeat} times in the training text")
        rows = [(n, f"{one.bits:.1f}", one.rank, one.sampled, one.method) for n, one in enumerate(report.exposures, 1)]
        print_table(("canary", "exposure in bits", "rank", "among", "estimated by"), rows, right=(0, 1, 2, 3))
    _fail_above(report.highest, limit, f"{version} exposes a canary by {report.highest:.1f} bits, more than", "bits")


def run_audit_extraction(reference: str, samples: int, prefix: int, length: int, as_json: bool) -> None:
    from zoo.audit.extraction import audit_extraction

    workspace = Workspace.current()
    version, report = audit_extraction(reference, samples=samples, prefix=prefix, length=length, workspace=workspace)
    limit = workspace.policy.domains[version.domain].leakage.max_extraction
    if as_json:
        print_json(_about(version) | report.to_json() | {"limit": limit})
    else:
        print(f"{version}: {length} tokens that follow {prefix} given ones come back word for word")
        shares = {"training": report.train, "validation (base rate)": report.validation}
        rows = [(name, one.verbatim, one.samples, f"{one.value:.3f}") for name, one in shares.items()]
        print_table(("texts", "verbatim", "of", "share"), rows, right=(1, 2, 3))
    share = report.train.value
    _fail_above(share, limit, f"{version} gives back a share of {share:.3f} of its training texts, more than", "")


def _about(version: ModelVersion) -> dict[str, Any]:
    return {"model": version.name, "version": version.version}


def _fail_above(figure: float, limit: float | None, what: str, unit: str) -> None:
    """Exits with 1 above the limit of the domain's policy."""
    if limit is not None and figure > limit:
        print(f"error: {what} the {limit:g} {unit}".rstrip() + " that the domain allows", file=sys.stderr)
        sys.exit(1)
