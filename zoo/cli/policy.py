"""What `zoo policy` does: explain a decision, test a workspace's expectations, show what is left of a text."""

from __future__ import annotations

import sys
from pathlib import Path

from governance.errors import ConfigError, DataError, PolicyRefused, did_you_mean
from governance.explain import Expectation, RuleFinding, read_expectations
from governance.labels import Label
from governance.policy import Policy
from governance.slips import doubts
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
    _tell_doubts(policy)
    if not allowed:
        sys.exit(1)


def run_policy_test(file: Path | None, as_json: bool) -> None:
    """Exits with 1 where an expectation does not hold."""
    workspace = Workspace.current()
    expectations = read_expectations(file or workspace.home / EXPECTATIONS_FILE)
    for number, one in enumerate(expectations):
        if (problem := one.misspelt(workspace.policy)) is not None:
            where = f"{file or workspace.home / EXPECTATIONS_FILE}: expectations.{number}"
            raise ConfigError(problem, where=where, fix="a misspelt name is refused whatever the policy says")
    _tell_doubts(workspace.policy)
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


def run_policy_filter(file: Path, domain: str, as_json: bool) -> None:
    """Prints the text of a file as the filter of the domain leaves it; of standard input if the file is "-"."""
    from governance.pii import PiiFilter, check_rules, detector_for

    workspace = Workspace.current()
    if domain not in workspace.policy.domains:
        hint = did_you_mean(domain, workspace.policy.domains)
        raise PolicyRefused(f'the domain "{domain}" is not in the policy{hint}')
    text, rules = _read_text(file), workspace.policy.domains[domain].pii
    check_rules(rules, where=f"zoo.yaml: domains.{domain}.pii")
    workspace.policy.check(Label.of(domain), sink=domain, purpose="build")
    apply = PiiFilter(rules, detector_for(rules), workspace.keys.derive(domain, "pseudonyms"))
    filtered = apply([text])[0]
    if as_json:
        found = [{"start": f.start, "end": f.end, "type": f.type} for f in filtered.findings]
        print_json({"text": filtered.text, "replaced": found})
    else:
        print(filtered.text.removesuffix("\n"))


def _read_text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(file)) from None
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start}", where=str(file), fix="save it as UTF-8") from None


def _tell_doubts(policy: Policy) -> None:
    for doubt in doubts(policy):
        print(f"warning: zoo.yaml: {doubt}", file=sys.stderr)


def _print_rules(findings: tuple[RuleFinding, ...]) -> None:
    print_table(("", "rule", "because"), [("yes" if f.holds else "NO", f.rule, f.detail) for f in findings])
