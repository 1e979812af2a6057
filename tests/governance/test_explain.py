"""Explanations agree with the decision, and expectations are held against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import Caller, ConfigError, Domain, Label, Policy, PolicyRefused
from governance.explain import Expectation, explain, read_expectations
from governance.policy import OWNER_PURPOSES
from tests.governance.test_policy import POLICY
from tests.support.workspace import make_workspace, run_zoo

NAMES = ("tax", "support", "legal")
ROLES = ("reader", "writer")
PURPOSES = ("assist", "classify", *sorted(OWNER_PURPOSES))

some = st.lists(st.sampled_from(NAMES), unique=True)
domains = st.builds(
    Domain,
    owner=st.just("somebody"),
    readers=st.lists(st.sampled_from(ROLES), unique=True),
    purposes=st.lists(st.sampled_from(PURPOSES[:2]), unique=True),
    may_derive_from=some,
    regions=st.lists(st.sampled_from(("eu", "us")), unique=True, max_size=1),
)
region = st.sampled_from((None, "eu", "us"))
policies = st.builds(
    Policy,
    domains=st.dictionaries(st.sampled_from(NAMES[:2]), domains),
    callers=st.dictionaries(
        st.sampled_from(("ann", "bob")),
        st.builds(Caller, roles=st.lists(st.sampled_from(ROLES), unique=True), region=region),
    ),
    region=region,
)


def allowed(policy: Policy, label: Label, sink: str, purpose: str, caller: str | None) -> bool:
    try:
        policy.check(label, sink=sink, purpose=purpose, caller=caller)
    except PolicyRefused:
        return False
    return True


def by_hand(policy: Policy, label: Label, sink: str, purpose: str, caller: str | None) -> bool:
    """A second reading of the rules, as one expression."""
    domain = policy.domains.get(sink)
    if domain is None or not label.domains or not label.domains <= set(domain.may_derive_from):
        return False
    answers_go_to = (policy.callers[caller].region if caller in policy.callers else None) or policy.region
    for name in {sink, *label}:
        regions = policy.domains[name].regions if name in policy.domains else []
        if regions and not {policy.region, answers_go_to} <= set(regions):
            return False
    if caller is None:
        return purpose in OWNER_PURPOSES
    roles = policy.callers[caller].roles if caller in policy.callers else []
    return bool(set(roles) & set(domain.readers)) and purpose in domain.purposes


@settings(deadline=None)
@given(policies, some, st.sampled_from(NAMES), st.sampled_from(PURPOSES), st.sampled_from((None, "ann", "bob", "eve")))
def test_the_explanation_is_of_the_decision(
    policy: Policy, label: list[str], sink: str, purpose: str, caller: str | None
) -> None:
    question = (policy, Label.of(*label), sink, purpose, caller)
    findings = explain(policy, Label.of(*label), sink=sink, purpose=purpose, caller=caller)
    assert allowed(*question) == all(finding.holds for finding in findings) == by_hand(*question)


def test_each_rule_is_looked_at_also_behind_one_that_fails() -> None:
    findings = explain(POLICY, Label.of("support"), sink="tax", purpose="classify", caller="bob")
    assert [(finding.rule, finding.holds) for finding in findings] == [
        ("the domain is in the policy", True),
        ("the caller is in the policy", True),
        ("the caller has a role that reads the domain", False),
        ("the purpose is one of the domain's", False),
        ("it has a label", True),
        ("the domain may derive from its label", False),
    ]
    assert findings[2].detail == "bob has agent; tax is read by tax-analyst"
    assert findings[5].detail == "it stems from support; tax may derive from public, tax"
    unknown = explain(POLICY, Label.of("legal"), sink="legal", purpose="assist", caller="nobody")
    assert [(f.rule, f.detail) for f in unknown if not f.holds][:2] == [
        ("the domain is in the policy", "legal; there are support, tax"),
        ("the caller is in the policy", "nobody"),
    ]


def test_regions_are_explained() -> None:
    sink = Domain(owner="o", may_derive_from=["tax", "eu-only"], readers=["r"], purposes=["assist"])
    policy = Policy(
        domains={"tax": sink, "eu-only": Domain(owner="o", regions=["eu"])},
        callers={"ann": Caller(roles=["r"], region="us")},
        region="eu",
    )
    *_, workspace, caller = explain(policy, Label.of("tax", "eu-only"), sink="tax", purpose="assist", caller="ann")
    assert workspace.holds and workspace.detail == "it is in eu; eu-only may be in eu"
    assert not caller.holds and caller.detail == "it is in us; eu-only may be in eu"
    assert "region" not in " ".join(f.rule for f in explain(policy, Label.of("tax"), sink="tax", purpose="train"))


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({"domain": "tax", "allowed": True}, True),
        ({"domain": "tax", "label": "tax+public", "allowed": True}, True),
        ({"domain": "tax", "label": "tax+support", "allowed": True}, False),
        ({"domain": "tax", "label": "tax+support", "allowed": False}, True),
        ({"domain": "tax", "caller": "ann", "allowed": True}, True),
        ({"domain": "tax", "caller": "bob", "allowed": False}, True),
        ({"domain": "tax", "caller": "ann", "purpose": "classify", "allowed": True}, False),
    ],
)
def test_expectations(fields: dict[str, object], holds: bool) -> None:
    assert Expectation.model_validate(fields).holds(POLICY) is holds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"expectations": []}, "expectations:"),
        ({"expectations": [{"domain": "tax", "alowed": True}]}, "expectations.0.alowed: unknown key (did you mean"),
        ({"expectations": [{"domain": "tax", "allowed": True, "label": "tax+"}]}, 'joined by "+"'),
    ],
)
def test_mistakes(tmp_path: Path, content: dict[str, object], message: str) -> None:
    path = tmp_path / "policy_tests.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as error:
        read_expectations(path)
    assert message in str(error.value)


def test_the_command_line(tmp_path: Path) -> None:
    home = make_workspace(tmp_path / "w", records=0).home
    fine = run_zoo(home, "policy", "explain", "--domain", "tax", "--caller", "tax-service")
    assert fine.returncode == 0 and "allowed" in fine.stdout
    refused = run_zoo(home, "policy", "explain", "--domain", "tax", "--label", "support", "--json")
    assert refused.returncode == 1 and json.loads(refused.stdout)["allowed"] is False
    expectations = [
        {"domain": "tax", "caller": "tax-service", "allowed": True},
        {"domain": "tax", "caller": "support-service", "allowed": True, "why": "they help each other"},
    ]
    (home / "policy_tests.yaml").write_text(yaml.safe_dump({"expectations": expectations}))
    tested = run_zoo(home, "policy", "test")
    assert tested.returncode == 1 and "1 of 2 expectations hold" in tested.stdout
    assert "support-service may use tax in tax for assist (they help each other)" in tested.stdout
    expectations.append({"domain": "taxx", "allowed": False})
    (home / "policy_tests.yaml").write_text(yaml.safe_dump({"expectations": expectations}))
    misspelt = run_zoo(home, "policy", "test")
    assert misspelt.returncode == 1 and '"taxx" is not in the policy (did you mean "tax"?)' in misspelt.stderr
    missing = run_zoo(home, "policy", "test", "other.yaml")
    assert missing.returncode == 1 and "there is no such expectations file" in missing.stderr
