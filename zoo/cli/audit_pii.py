"""`zoo audit`: measuring the detectors of personal data, and recording what passed."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from governance.errors import PolicyRefused, did_you_mean
from zoo.cli.output import print_json, print_table


def run_audit_pii(file: Path, domain: str | None, as_json: bool) -> None:
    """Prints the figures; for a domain, holds them against its floors and records them when they pass."""
    from governance.pii import Detector, detector_for, entities_to_find, evaluate

    if domain is None:
        detector = Detector.create()
        figures = evaluate(detector, file)
        _warn(file, figures.unknown_types, detector.known)
        _print(figures.to_json(), as_json)
        return
    from governance.pii.filter import check_rules
    from governance.pii.floors import Measurement, shortfalls
    from governance.policy import PiiFloors
    from pipelines.measured import record
    from zoo.workspace import Workspace

    workspace = Workspace.current()
    if domain not in workspace.policy.domains:
        hint = did_you_mean(domain, workspace.policy.domains)
        raise PolicyRefused(f'the domain "{domain}" is not in the policy{hint}')
    rules, floors = workspace.policy.domains[domain].pii, workspace.policy.domains[domain].pii_floors
    where = f"zoo.yaml: domains.{domain}.pii"
    check_rules(rules, where=where, floors=floors)
    entities = entities_to_find(rules)
    detector = detector_for(rules)
    report = evaluate(detector, file, entities)
    _warn(file, report.unknown_types, detector.known)
    measurement = Measurement.of(report, file, rules)
    lacks = list(shortfalls(floors or PiiFloors(), rules, measurement))
    recorded = None if lacks else str(record(measurement, domain=domain, storage=workspace.storage))
    _print(report.to_json() | {"domain": domain, "below_floors": lacks, "recorded": recorded}, as_json)
    if lacks:
        raise PolicyRefused(f"not recorded: {', '.join(lacks)}", where=f"{where}_floors")


def _warn(file: Path, unknown: Sequence[str], known: Collection[str]) -> None:
    """Says which labelled types no detector knows: a misspelt one must not pass for one that is never found."""
    if unknown:
        named = ", ".join(f'"{entity}"{did_you_mean(entity, known)}' for entity in unknown)
        problem = f"no detector knows the labelled types {named}; their spans count as missed"
        print(" ".join(f"warning: {file}: {problem}".split()), file=sys.stderr)


def _print(content: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(content)
        return
    rows = [
        (
            *(name, row["gold"], row["found"]),
            f"{row['recall']:.3f}" if row["gold"] else None,  # a share of nothing
            f"{row['precision']:.3f}" if row["found"] else None,
        )
        for name, row in content["types"].items()
    ]
    print_table(("type", "gold", "found", "recall", "precision"), rows, right=(1, 2, 3, 4))
    totals = ("span_recall", "char_recall", "char_precision", "documents_per_second")
    print("  ".join(f"{name} {content[name]:.3f}" for name in totals))
    if content.get("recorded"):
        print(f"recorded for {content['domain']}: {content['recorded']}")
