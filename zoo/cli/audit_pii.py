"""`zoo audit`: measuring the detectors of personal data, and recording what passed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from governance.errors import PolicyRefused, did_you_mean
from zoo.cli.output import print_json, print_table


def run_audit_pii(file: Path, domain: str | None, as_json: bool) -> None:
    """Prints the figures; for a domain, holds them against its floors and records them when they pass."""
    from governance.pii import Detector, detector_for, entities_to_find, evaluate

    if domain is None:
        _print(evaluate(Detector.create(), file).to_json(), as_json)
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
    report = evaluate(detector_for(rules), file, entities)
    measurement = Measurement.of(report, file, rules)
    lacks = list(shortfalls(floors or PiiFloors(), rules, measurement))
    recorded = None if lacks else str(record(measurement, domain=domain, storage=workspace.storage))
    _print(report.to_json() | {"domain": domain, "below_floors": lacks, "recorded": recorded}, as_json)
    if lacks:
        raise PolicyRefused(f"not recorded: {', '.join(lacks)}", where=f"{where}_floors")


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
