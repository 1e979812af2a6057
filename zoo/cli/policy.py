"""What `zoo policy` does: explain a decision, test a workspace's expectations."""

from __future__ import annotations

import sys
from pathlib import Path

from governance.explain import Expectation, RuleFinding, read_expectations
from zoo.cli.output import print_json, print_table
from zoo.workspace import Workspace

#: In the workspace's folder.
EXPECTATIONS_FILE = "policy_tests.yaml"


def run_policy_explain(domain: str, caller: str | None, purpose: str | None, label: str | None, as_json: bool) -> None:
    """Exits with 1 where it is refused."""
    question = Expectation(domain=domain, caller=caller, purpose=purpose, label=label, allowed=True)
    policy = Workspace.current().policy
    findings, allowed = question.findings(policy), question.holds(policy)
    if as_json:
        print_json({"allowed": allowed, "purpose": question.asked, "rules": [vars(finding) for finding in findings]})
    else:
        print(f"{question}: {'allowed' if allowed else 'refused'}")
        _print_rules(findings)
    if not allowed:
        sys.exit(1)


def run_policy_test(file: Path | None, as_json: bool) -> None:
    """Exits with 1 where an expectation does not hold."""
    workspace = Workspace.current()
    expectations = read_expectations(file or workspace.home / EXPECTATIONS_FILE)
    failed = [one for one in expectations if not one.holds(workspace.policy)]
    if as_json:
        print_json({"passed": len(expectations) - len(failed), "failed": [one.model_dump() for one in failed]})
    else:
        for one in failed:
            print(f"FAILED: {one}{f' ({one.why})' if one.why else ''}")
            _print_rules(one.findings(workspace.policy))
        print(f"{len(expectations) - len(failed)} of {len(expectations)} expectations hold")
    if failed:
        sys.exit(1)


def _print_rules(findings: tuple[RuleFinding, ...]) -> None:
    print_table(("", "rule", "because"), [("yes" if f.holds else "NO", f.rule, f.detail) for f in findings])
