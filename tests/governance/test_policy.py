"""The one decision, rule by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import Caller, ConfigError, Domain, Label, PiiRules, Policy, PolicyRefused
from governance.config import validate

POLICY = Policy(
    domains={
        "tax": Domain(
            owner="tax-platform",
            readers=["tax-analyst"],
            purposes=["assist"],
            may_derive_from=["tax", "public"],
        ),
        "support": Domain(owner="help-desk", readers=["agent"], purposes=["assist"], may_derive_from=["support"]),
    },
    callers={
        "ann": Caller(roles=["tax-analyst"]),
        "bob": Caller(roles=["agent"]),
        "eve": Caller(roles=[]),
    },
)


@pytest.mark.parametrize(
    ("label", "sink", "caller", "purpose"),
    [
        (Label.of("tax"), "tax", None, "train"),
        (Label.of("tax", "public"), "tax", None, "build"),
        (Label.of("tax"), "tax", "ann", "assist"),
        (Label.of("support"), "support", "bob", "assist"),
    ],
)
def test_allowed(label: Label, sink: str, caller: str | None, purpose: str) -> None:
    POLICY.check(label, sink=sink, caller=caller, purpose=purpose)


@pytest.mark.parametrize(
    ("label", "sink", "caller", "purpose", "message"),
    [
        (Label.of("support"), "tax", None, "train", "may not derive from support"),
        (Label.of("tax", "support"), "tax", None, "train", "may not derive from support"),
        (Label.of("public"), "support", None, "train", "may not derive from public"),
        (Label.of(), "tax", None, "train", "without a label"),
        (Label.of("tax"), "legal", None, "train", 'the domain "legal" is not in the policy'),
        (Label.of("support"), "tax", "ann", "assist", "may not derive from support"),
        (Label.of("tax"), "tax", "ann", "classify", 'may not be used for "classify"'),
        (Label.of("tax"), "tax", "bob", "assist", "may not use models"),
        (Label.of("tax"), "tax", "eve", "assist", "may not use models"),
        (Label.of("tax"), "tax", "nobody", "assist", "may not use models"),
        (Label.of("tax"), "legal", "ann", "assist", "may not use models"),
        (Label.of("tax"), "tax", None, "assist", "may not use models"),
        (Label.of("tax"), "tax", "bob", "train", "may not use models"),
    ],
)
def test_refused(label: Label, sink: str, caller: str | None, purpose: str, message: str) -> None:
    with pytest.raises(PolicyRefused, match=message.replace("(", r"\(")):
        POLICY.check(label, sink=sink, caller=caller, purpose=purpose)


def test_a_stranger_cannot_tell_what_exists() -> None:
    """Unknown domain, unknown caller, missing role: the same words but for what the caller typed."""
    words = set()
    for caller, sink in [("bob", "tax"), ("nobody", "tax"), ("bob", "legal"), ("nobody", "legal")]:
        with pytest.raises(PolicyRefused) as error:
            POLICY.check(Label.of(sink), sink=sink, caller=caller, purpose="assist")
        words.add(str(error.value).replace(caller, "CALLER").replace(sink, "DOMAIN"))
    assert len(words) == 1


NAMES = st.sampled_from(["tax", "support", "legal", "public"])


@given(label=st.frozensets(NAMES), allowed=st.frozensets(NAMES))
def test_data_flows_only_from_where_a_domain_may_derive(label: frozenset[str], allowed: frozenset[str]) -> None:
    policy = Policy(domains={"sink": Domain(owner="o", may_derive_from=sorted(allowed))})
    expected = bool(label) and label <= allowed
    try:
        policy.check(Label(label), sink="sink", purpose="train")
        found = True
    except PolicyRefused:
        found = False
    assert found == expected


@given(first=st.frozensets(NAMES), second=st.frozensets(NAMES))
def test_joining_labels_drops_no_domain(first: frozenset[str], second: frozenset[str]) -> None:
    joined = Label(first) | Label(second)
    assert joined.domains == first | second
    assert Label.from_list(joined.to_list()) == joined


def test_rules_about_entities() -> None:
    rules = PiiRules.model_validate({"default": "pseudonymize", "US_SSN": "redact"})
    assert rules.operator_for("US_SSN") == "redact"
    assert rules.operator_for("PERSON") == "pseudonymize"
    assert PiiRules.model_validate({}).operator_for("PERSON") == "redact", "no rule means the strictest one"
    assert PiiRules.model_validate(rules.model_dump()) == rules


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"domains": {"tax": {"owner": "o", "pii": {"US_SSN": "hash"}}}},
            'domains.tax.pii: US_SSN: "hash" is no operator',
        ),
        ({"domains": {"tax": {}}}, "domains.tax.owner: this key is required"),
        (
            {"domains": {"tax": {"owner": "o", "reader": []}}},
            'domains.tax.reader: unknown key (did you mean "readers"?)',
        ),
        ({"domains": {"Tax!": {"owner": "o"}}}, "domains.Tax!.[key]: string should match"),
        ({"domains": {}, "caller": {}}, 'caller: unknown key (did you mean "callers"?)'),
        (
            {"domains": {"tax": {"owner": "o", "retention_days": 0}}},
            "domains.tax.retention_days: input should be greater",
        ),
        ({"domains": {}, "callers": {"a": {"key_sha256": "abc"}}}, "callers.a.key_sha256: key_sha256 is 64"),
        ({"domains": {"tax": {"owner": "o", "regions": ["EU!"]}}}, "domains.tax.regions.0: string should match"),
        (
            {"domains": {"tax": {"owner": "o", "leakage": {"max_extraction": 5}}}},
            "domains.tax.leakage.max_extraction: input should be less",
        ),
        ({"domains": {"tax": {"owner": ["o"]}}}, "domains.tax.owner: input should be a valid string"),
    ],
)
def test_a_wrong_file_names_the_field(content: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        validate(content, Policy, where="zoo.yaml")
    assert str(error.value).startswith(f"zoo.yaml: {message}")


@pytest.mark.parametrize(
    ("workspace", "label", "caller", "message"),
    [
        ("eu", ["health"], None, None),
        ("eu", ["health"], "ann", None),
        ("us", ["health"], None, "may only be built and used in eu, and this workspace runs in us"),
        (None, ["health"], None, "runs in no region that it names"),
        ("eu", ["health"], "bob", 'may only be used in eu, and the caller "bob" is in us'),
        ("us", ["tax"], "bob", None),  # it has no regions …
        ("us", ["tax", "health"], None, "may only be built and used in eu"),  # … and what it stems from has
        ("us", ["health"], "eve", "may not use models"),  # a stranger is told the same as elsewhere
    ],
)
def test_regions(workspace: str | None, label: list[str], caller: str | None, message: str | None) -> None:
    health = Domain(owner="o", readers=["nurse"], purposes=["assist"], may_derive_from=["health"], regions=["eu"])
    tax = Domain(owner="o", readers=["nurse"], purposes=["assist"], may_derive_from=["tax", "health"])
    callers = {"ann": Caller(roles=["nurse"]), "bob": Caller(roles=["nurse"], region="us"), "eve": Caller()}
    policy = Policy(domains={"health": health, "tax": tax}, callers=callers, region=workspace)
    question = {"sink": label[0], "purpose": "train" if caller is None else "assist", "caller": caller}
    if message is None:
        policy.check(Label.of(*label), **question)
    else:
        with pytest.raises(PolicyRefused, match=message):
            policy.check(Label.of(*label), **question)


def test_a_new_reader_does_not_make_models_stale_but_a_new_privacy_rule_does() -> None:
    def variant(**changes: object) -> Policy:
        domain = POLICY.domains["tax"].model_copy(update=changes)
        return POLICY.model_copy(update={"domains": {**POLICY.domains, "tax": domain}})

    assert variant(readers=["x"]).data_digest("tax") == POLICY.data_digest("tax")
    assert variant(pii=PiiRules(default="mask")).data_digest("tax") != POLICY.data_digest("tax")
    assert variant(readers=["x"]).digest != POLICY.digest
