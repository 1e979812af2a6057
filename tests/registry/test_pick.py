from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import Caller, Domain, Policy
from governance.errors import PolicyRefused, RegistryError
from governance.labels import Label
from registry import Decision, ModelVersion, Snapshot, pick
from registry.versions import BLESSED, GATE, QUARANTINE


def domain(name: str, **changes: Any) -> Domain:
    values: dict[str, Any] = {
        "owner": "o",
        "readers": [f"{name}-role"],
        "purposes": ["assist"],
        "may_derive_from": [name, "public"],
    }
    return Domain(**(values | changes))


POLICY = Policy(
    domains={"tax": domain("tax"), "legal": domain("legal"), "public": domain("public")},
    callers={
        "tax-service": Caller(roles=["tax-role"]),
        "legal-service": Caller(roles=["legal-role"]),
        "both": Caller(roles=["tax-role", "legal-role"]),
        "nobody": Caller(roles=[]),
    },
)


def version(name: str = "tax_domain.gpt", number: int = 1, **changes: Any) -> ModelVersion:
    values: dict[str, Any] = {
        "name": name,
        "version": number,
        "run_id": "r",
        "model_id": "m",
        "domain": "tax",
        "pipeline": "tax_domain",
        "family": "gpt",
        "label": Label.of("tax"),
        "aliases": ("champion",),
        "metrics": {"val_bits_per_byte": 1.4, "latency_ms_p50": 50.0, "flops_per_token": 1e7},
        "tags": {BLESSED: "true"},
    }
    return ModelVersion(**(values | changes))


def metrics(bpb: float, latency: float | None = 50.0, flops: float | None = 1e7) -> dict[str, float]:
    figures = {"val_bits_per_byte": bpb, "latency_ms_p50": latency, "flops_per_token": flops}
    return {key: value for key, value in figures.items() if value is not None}


def pick_from(*entries: ModelVersion, **changes: Any) -> Decision:
    arguments: dict[str, Any] = {"domain": "tax", "caller": "tax-service", "purpose": "assist"}
    return pick(Snapshot.of(entries), POLICY, **(arguments | changes))


@pytest.mark.parametrize(
    ("name", "caller"),
    [
        ("absent", "tax-service"),  # unknown domain
        ("tax", "stranger"),  # unknown caller
        ("legal", "tax-service"),  # a domain, but no role
        ("tax", "nobody"),
        ("absent", "stranger"),
    ],
)
def test_whoever_may_not_ask_gets_the_same_words(name: str, caller: str) -> None:
    secret = version("legal_domain.gpt", domain="legal", label=Label.of("legal"))
    with pytest.raises(PolicyRefused) as caught:
        pick_from(secret, version(), domain=name, caller=caller)
    text = str(caught.value).replace(f'"{name}"', "DOMAIN").replace(f'"{caller}"', "CALLER")
    with pytest.raises(PolicyRefused) as other:
        pick_from(domain="x", caller="y")
    assert text == str(other.value).replace('"x"', "DOMAIN").replace('"y"', "CALLER")
    assert "gpt" not in text


def test_what_the_caller_may_not_use_is_not_in_the_decision() -> None:
    allowed = version()
    secrets = [
        version("legal_domain.gpt", domain="legal", label=Label.of("legal")),
        version("tax_domain.mixed", label=Label.of("tax", "legal")),  # legal text may not flow into tax
        version("tax_domain.bare", label=Label.of()),
    ]
    for caller in ("tax-service", "both"):
        decision = pick_from(allowed, *secrets, caller=caller)
        assert [c.model for c in decision.candidates] == ["tax_domain.gpt"]
        for secret in secrets:
            assert secret.name not in decision.explain() + json.dumps(decision.to_json())
    with pytest.raises(RegistryError, match="none is registered") as caught:
        pick_from(*secrets)
    assert "legal" not in str(caught.value)


def test_a_purpose_that_the_domain_does_not_have() -> None:
    with pytest.raises(PolicyRefused, match='may not be used for "marketing"'):
        pick_from(version(), purpose="marketing")


def failed_gate(name: str) -> dict[str, str]:
    return {BLESSED: "false", GATE + name: json.dumps({"passed": False, "evidence": {}})}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (version(number=1, aliases=()), "older version"),
        (version(number=1, aliases=(), tags={}), "older version"),
        (version(number=3, aliases=()), "not promoted"),
        (version(number=3, aliases=(), tags={}), "not examined by the gates"),
        (version(number=3, aliases=(), tags=failed_gate("no_training_pii")), "gate no_training_pii failed"),
        (version(number=3, aliases=(), tags={GATE + "x": "{"}), "gate x failed"),
        (version(number=1, aliases=(), tags={QUARANTINE: "record 17"}), "quarantined"),
        (version("tax_domain.llama", tags={QUARANTINE: "record 17"}), "quarantined"),
        (version("tax_domain.llama", tags={}), "not examined by the gates"),
        (version("tax_domain.llama", metrics={}), "quality was not measured"),
        (version("tax_domain.llama", metrics=metrics(math.nan)), "quality was not measured"),
        (version("tax_domain.llama", metrics=metrics(1.0, 412.0)), "slower than 300 ms: measured 412 ms"),
        (version("tax_domain.llama", metrics=metrics(1.0, None)), "slower than 300 ms: not measured"),
        (version("tax_domain.roberta", family="roberta", metrics=metrics(0.1, 1.0)), "roberta models cannot do this"),
    ],
)
def test_why_a_version_is_not_kept(other: ModelVersion, reason: str) -> None:
    decision = pick_from(version(number=2), other, max_latency_ms=300, families={"gpt", "llama"})
    assert decision.chosen.version == 2
    rejected = [c for c in decision.candidates if not c.kept]
    assert [(c.model, c.version, c.reason) for c in rejected] == [(other.name, other.version, reason)]
    assert reason in decision.explain()


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        (metrics(1.40), metrics(1.30), "b"),
        (metrics(1.40, 100), metrics(1.39, 1000), "a"),  # 0.7 % better is not worth ten times the wait
        (metrics(1.40, 100), metrics(1.30, 200), "b"),  # 7 % better is worth twice the wait
        (metrics(1.40, 100, 1e7), metrics(1.40, 100, 1e9), "a"),
        (metrics(1.40, None), metrics(1.40, 50), "a"),  # not measured counts as the worst: a tie
        (metrics(1.40), metrics(1.40), "a"),
    ],
)
def test_quality_latency_and_cost_are_weighed(a: dict[str, float], b: dict[str, float], winner: str) -> None:
    decision = pick_from(version("b", metrics=b), version("a", metrics=a))
    assert decision.chosen.name == winner
    assert [c.kept for c in decision.candidates] == [True, True]
    assert decision.candidates[0].model == winner


def test_bits_per_byte_of_another_kind_are_compared_with_nothing() -> None:
    gpt = version(metrics=metrics(1.4))
    t5 = version("tax_domain.t5", family="t5", metrics=metrics(0.1))
    bart = version("tax_domain.bart", family="bart", metrics=metrics(0.2))
    incomparable = {"bart", "t5"}
    decision = pick_from(t5, gpt, bart, incomparable=incomparable)
    assert decision.chosen.name == "tax_domain.gpt"
    assert [candidate.model for candidate in decision.candidates] == [
        "tax_domain.gpt",
        "tax_domain.t5",
        "tax_domain.bart",
    ]
    assert all("asked when there is no other" in candidate.reason for candidate in decision.candidates[1:])
    assert pick_from(t5, bart, incomparable=incomparable).chosen.name == "tax_domain.t5"


def test_nothing_to_pick_says_why() -> None:
    with pytest.raises(RegistryError, match=r'domain "tax" can answer \(tax_domain.gpt/1: quarantined\)'):
        pick_from(version(tags={QUARANTINE: "secret reason"}))


def test_the_decision_reads_well() -> None:
    decision = pick_from(
        version(number=2, metrics=metrics(1.36, 41.0) | {"parameters": 5.3e6}),
        version(number=1, aliases=()),
        version("tax_domain.llama", metrics=metrics(1.5)),
        max_latency_ms=300,
    )
    lines = decision.explain().splitlines()
    assert lines[0] == 'domain "tax", caller "tax-service", purpose "assist", at most 300 ms'
    assert lines[1] == "  * tax_domain.gpt/2    1.360 bits per byte, 41 ms, 5.3 M parameters"
    assert lines[2].startswith("  + tax_domain.llama/1  1.500 bits per byte, 50 ms; score +0.14")
    assert lines[3] == "  - tax_domain.gpt/1    older version"
    assert decision.to_json() == {
        "candidates": [c.to_json() for c in decision.candidates],
        "snapshot": decision.snapshot,
    }


entries = st.lists(
    st.builds(
        version,
        name=st.sampled_from(["tax.a", "tax.b", "legal.a"]),
        number=st.integers(1, 4),
        domain=st.sampled_from(["tax", "legal"]),
        label=st.sampled_from([Label.of("tax"), Label.of("legal"), Label.of("tax", "public"), Label.of()]),
        aliases=st.sampled_from([(), ("champion",), ("other",)]),
        metrics=st.builds(
            metrics,
            st.sampled_from([0.0, 1.2, 1.3, math.nan]),
            st.sampled_from([None, 10.0, 500.0]),
            st.sampled_from([None, 1e6]),
        ),
        tags=st.sampled_from([{}, {BLESSED: "true"}, {BLESSED: "true", QUARANTINE: "x"}, failed_gate("g")]),
    ),
    unique_by=lambda v: (v.name, v.version),
    max_size=8,
)


@given(entries, st.sampled_from(["tax-service", "legal-service", "both"]), st.sampled_from([None, 100.0]))
def test_only_what_is_allowed_blessed_and_fast_is_chosen_in_any_order(
    found: list[ModelVersion], caller: str, limit: float | None
) -> None:
    def outcome(order: list[ModelVersion]) -> str:
        try:
            decision = pick_from(*order, caller=caller, max_latency_ms=limit)
        except (PolicyRefused, RegistryError) as error:
            return str(error)
        chosen = decision.chosen
        assert caller != "legal-service"
        assert chosen.domain == "tax"
        assert "legal" not in chosen.label.domains
        assert chosen.label.domains
        assert chosen.is_champion
        assert chosen.blessed
        assert chosen.quarantined is None
        assert limit is None or chosen.metrics["latency_ms_p50"] <= limit
        listed = {(c.model, c.version) for c in decision.candidates}
        visible = {(v.name, v.version) for v in found if v.domain == "tax" and v.label.domains}
        assert listed == {
            key for key in visible if key not in {(v.name, v.version) for v in found if "legal" in v.label.domains}
        }
        return decision.explain()

    shuffled = found[:]
    random.Random(0).shuffle(shuffled)
    assert outcome(found) == outcome(shuffled)


@given(entries)
def test_a_snapshots_id_is_its_content(found: list[ModelVersion]) -> None:
    assert Snapshot.of(found).id == Snapshot.of(found[::-1], taken=5.0).id
    if found:
        assert Snapshot.of(found).id != Snapshot.of(found[1:]).id
