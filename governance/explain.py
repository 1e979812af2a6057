"""Why the policy allows something or does not, for the workspace's owner; and what a workspace expects of it.

`Policy.check` decides, and tells a caller as little as it can. Here each rule is looked at alone, also those behind the
first that fails, in words that name what the policy says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from governance.config import StrictModel, load_yaml
from governance.errors import PolicyRefused, did_you_mean
from governance.labels import Label
from governance.policy import OWNER_PURPOSES, Policy


@dataclass(frozen=True)
class RuleFinding:
    """What one rule says; `detail` names the values that it compared."""

    rule: str
    holds: bool
    detail: str


def explain(
    policy: Policy, label: Label, *, sink: str, purpose: str, caller: str | None = None
) -> tuple[RuleFinding, ...]:
    """All rules that decide a question, whose arguments are those of `Policy.check`. It is allowed when each holds."""
    return tuple(_rules(policy, label, sink, purpose, caller))


def _rules(policy: Policy, label: Label, sink: str, purpose: str, caller: str | None) -> Iterator[RuleFinding]:
    domain = policy.domains.get(sink)
    known = ", ".join(sorted(policy.domains)) or "none"
    yield RuleFinding("the domain is in the policy", domain is not None, f"{sink}; there are {known}")
    if caller is not None or purpose not in OWNER_PURPOSES:
        yield from _of_caller(policy, sink, purpose, caller)
    yield RuleFinding("it has a label", bool(label.domains), _listed(label.domains))
    allowed = () if domain is None else domain.may_derive_from
    outside = label.domains - set(allowed)
    said = f"it stems from {_listed(label.domains)}; {sink} may derive from {_listed(allowed)}"
    yield RuleFinding("the domain may derive from its label", not outside, said)
    yield from _of_regions(policy, label, sink, caller)


def _of_regions(policy: Policy, label: Label, sink: str, caller: str | None) -> Iterator[RuleFinding]:
    """Nothing where no domain that is concerned has regions."""
    limited = {name: regions for name in sorted(label.domains | {sink}) if (regions := policy.regions_of(name))}
    said = "; ".join(f"{name} may be in {_listed(regions)}" for name, regions in limited.items())
    for who, region in (("workspace", policy.region), ("caller", policy.region_of(caller))):
        if limited and (who == "workspace" or caller is not None):
            holds = all(region in regions for regions in limited.values())
            rule = f"the {who} is in a region of each domain"
            yield RuleFinding(rule, holds, f"it is in {region or 'no region that is named'}; {said}")


def _of_caller(policy: Policy, sink: str, purpose: str, caller: str | None) -> Iterator[RuleFinding]:
    domain = policy.domains.get(sink)
    grant = None if caller is None else policy.callers.get(caller)
    yield RuleFinding("the caller is in the policy", grant is not None, caller or "no caller is named")
    roles = [] if grant is None else grant.roles
    readers = [] if domain is None else domain.readers
    said = f"{caller or 'nobody'} has {_listed(roles)}; {sink} is read by {_listed(readers)}"
    yield RuleFinding("the caller has a role that reads the domain", bool(set(roles) & set(readers)), said)
    purposes = [] if domain is None else domain.purposes
    yield RuleFinding("the purpose is one of the domain's", purpose in purposes, f"{purpose}; {_listed(purposes)}")


def _listed(names: object) -> str:
    return ", ".join(sorted(names)) or "nothing"  # type: ignore[call-overload]


class Expectation(StrictModel):
    """A question to the policy and the answer that is expected.

    Attributes:
        label: domains joined by "+" that the thing stems from; the domain itself if absent.
        purpose: "assist" of a caller and "train" of the owner, if absent.
        why: what the expectation protects; shown when it does not hold.
    """

    domain: str
    caller: str | None = None
    purpose: str | None = None
    label: str | None = None
    allowed: bool
    why: str = ""

    @field_validator("label")
    @classmethod
    def _is_a_label(cls, value: str | None) -> str | None:
        if value is not None and not all(value.split("+")):
            raise ValueError('a label is names of domains joined by "+"')
        return value

    def misspelt(self, policy: Policy) -> str | None:
        """A name that the policy does not have, but one much like it: such a question is always answered with no."""
        names: list[tuple[str, Collection[str]]] = [(name, policy.domains) for name in (self.domain, *self.joined)]
        names += [] if self.caller is None else [(self.caller, policy.callers)]
        for name, known in names:
            if name not in known and (hint := did_you_mean(name, known)):
                return f'"{name}" is not in the policy{hint}'
        return None

    def findings(self, policy: Policy) -> tuple[RuleFinding, ...]:
        """What the rules say of the question."""
        return explain(policy, self.joined, sink=self.domain, purpose=self.asked, caller=self.caller)

    def holds(self, policy: Policy) -> bool:
        """Whether the policy decides as expected."""
        try:
            policy.check(self.joined, sink=self.domain, purpose=self.asked, caller=self.caller)
        except PolicyRefused:
            return not self.allowed
        return self.allowed

    @property
    def joined(self) -> Label:
        return Label.of(*(self.label or self.domain).split("+"))

    @property
    def asked(self) -> str:
        return self.purpose or ("train" if self.caller is None else "assist")

    def __str__(self) -> str:
        who = "the owner" if self.caller is None else self.caller
        return f"{who} may{'' if self.allowed else ' not'} use {self.joined} in {self.domain} for {self.asked}"


class Expectations(StrictModel):
    """What `policy_tests.yaml` holds."""

    expectations: list[Expectation] = Field(min_length=1)


def read_expectations(path: Path) -> list[Expectation]:
    """Reads a workspace's expectations.

    Raises:
        ConfigError: the file is missing or wrong.
    """
    return load_yaml(path, Expectations, what="expectations").expectations
