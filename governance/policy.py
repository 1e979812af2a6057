"""The policy: which labels may flow where, for whom, and what happens to personal data.

One function decides, `Policy.check`, and every boundary calls it. No rule found means no.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from governance.config import StrictModel, load_yaml
from governance.errors import ConfigError, PolicyRefused
from governance.labels import Label

Operator = Literal["redact", "mask", "pseudonymize", "surrogate", "keep"]
_OPERATORS = get_args(Operator)

#: Things that the owner of a domain does with it inside the workspace. They need no entry under
#: `purposes`, which lists what models of the domain may be *used* for.
OWNER_PURPOSES = frozenset({"build", "train", "evaluate", "register"})

_NAME = r"^[a-z][a-z0-9_-]{0,62}$"
Name = Annotated[str, Field(pattern=_NAME)]


class RecognizerRegistry(StrictModel):
    """Recognizers of Presidio beside the built-in detectors, in the format of Presidio's recognizer registry.

    Attributes:
        recognizers: each an entry of Presidio's, the name of one that Presidio has, or "module:Class".
        default_score_threshold: findings below it are left out, where a recognizer has no threshold of its own.
        global_regex_flags: of the patterns; Presidio's default is IGNORECASE, MULTILINE and DOTALL.
        source: the file, for messages.
    """

    recognizers: tuple[str | dict[str, Any], ...] = Field(min_length=1)
    default_score_threshold: float = Field(default=0.0, ge=0, le=1)
    global_regex_flags: int = 26
    supported_languages: tuple[Literal["en"]] = ("en",)
    source: str = Field(default="pii.recognizers", exclude=True)


class PresidioOperator(StrictModel):
    """An operator of Presidio's anonymizer with its parameters.

    Written in YAML as one mapping: ``{operator: mask, chars_to_mask: 4, masking_char: "*", from_end: true}``.

    Attributes:
        operator: Presidio's name of it, or "module:Class".
    """

    operator: str
    params: dict[str, str | bool | int | float] = Field(default_factory=dict)

    def __str__(self) -> str:
        """For people. What somebody's own operator is given may be a secret."""
        own = ":" in self.operator
        params = (f"{name}={'…' if own else value}" for name, value in sorted(self.params.items()))
        return ", ".join([self.operator, *params])


Rule = Operator | PresidioOperator


def _read_rule(entity: str, value: Any) -> Any:
    """A rule as YAML has it: the name of an operator, or a mapping with one of Presidio's and its parameters."""
    if isinstance(value, PresidioOperator) or value in _OPERATORS:
        return value
    if not isinstance(value, dict):
        raise ValueError(
            f'{entity}: "{value}" is no operator; use one of {", ".join(_OPERATORS)}, or a mapping such as '
            "{operator: hash} for one of Presidio's"
        )
    if not isinstance(value.get("operator"), str):
        raise ValueError(f"{entity}: the mapping names no operator; write for example {{operator: hash}}")
    params = {name: given for name, given in value.items() if name != "operator"}
    if isinstance(params.get("params"), dict) and len(params) == 1:  # as a policy is written out
        params = params["params"]
    for name, given in params.items():
        if not isinstance(given, str | bool | int | float):
            raise ValueError(f"{entity}.{name}: a parameter is a string, a number, true or false")
    return PresidioOperator(operator=value["operator"], params=params)


class PiiRules(StrictModel):
    """What to do with each entity type; `default` holds for every type without a rule of its own.

    Written in YAML as one mapping: ``{default: pseudonymize, US_SSN: redact, recognizers: own.yaml}``.

    Attributes:
        recognizers: that find more types, or more of the known ones. A string is the name of a file that the
            workspace has yet to read (`read_recognizers`).
    """

    default: Rule = "redact"
    rules: dict[str, Rule] = Field(default_factory=dict)
    recognizers: str | RecognizerRegistry | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_mapping(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"default": value}
        if not isinstance(value, dict):
            return value
        if set(value) <= {"default", "rules", "recognizers"} and isinstance(value.get("rules", {}), dict):
            rules = {str(name): _read_rule(str(name), rule) for name, rule in value.get("rules", {}).items()}
            return value | {"default": _read_rule("default", value.get("default", "redact")), "rules": rules}
        rules = {str(name): _read_rule(str(name), rule) for name, rule in value.items() if name != "recognizers"}
        default = rules.pop("default", "redact")
        return {"default": default, "rules": rules, "recognizers": value.get("recognizers")}

    @field_validator("recognizers", mode="before")
    @classmethod
    def _may_be_a_list(cls, value: Any) -> Any:
        return {"recognizers": value} if isinstance(value, list) else value

    def read_recognizers(self, folder: Path) -> PiiRules:
        """The same rules with the file of recognizers read, if they name one.

        Args:
            folder: relative names start there.

        Raises:
            ConfigError: the file is missing or wrong.
        """
        if not isinstance(self.recognizers, str):
            return self
        read = load_yaml(folder / self.recognizers, RecognizerRegistry, what="recognizers")
        return self.model_copy(update={"recognizers": read.model_copy(update={"source": self.recognizers})})

    @property
    def registry(self) -> RecognizerRegistry | None:
        """The recognizers that the workspace brings along.

        Raises:
            ConfigError: they were not read.
        """
        if isinstance(self.recognizers, str):
            raise ConfigError("this file was not read", where=self.recognizers)
        return self.recognizers

    def operator_for(self, entity: str) -> Rule:
        return self.rules.get(entity, self.default)

    def operators(self) -> dict[str, str]:
        """What is done with each type that has a rule of its own, and by `default`, in words."""
        return {"default": str(self.default), **{entity: str(rule) for entity, rule in self.rules.items()}}


class LeakageRules(StrictModel):
    """Gates on what a model of the domain gives away; one that is absent is not asked."""

    max_exposure: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="bits, of each canary")
    max_extraction: float | None = Field(default=None, ge=0, le=1, description="share of training prefixes")

    @property
    def limits(self) -> bool:
        """Whether there is any."""
        return self != LeakageRules()


_Share = Annotated[float, Field(ge=0, le=1)]
_NO_TYPES = ("default", "span_recall", "char_precision", "min_spans")


class PiiFloors(StrictModel):
    """What the detectors must reach on labelled text before a domain is built: recall by type, and totals.

    Written in YAML as one mapping: ``{default: 0.90, PERSON: 0.95, span_recall: 0.97, char_precision: 0.90}``.
    `default` holds for each filtered type that the labelled file has; a type with a floor of its own must be in it.

    Attributes:
        min_spans: labelled spans of a type with a floor of its own below which the file says too little of it.
    """

    default: _Share = 0.0
    span_recall: _Share = 0.0
    char_precision: _Share = 0.0
    min_spans: int = Field(default=1, ge=1)
    types: dict[str, _Share] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_mapping(cls, value: Any) -> Any:
        if not isinstance(value, dict) or set(value) <= {*_NO_TYPES, "types"}:
            return value
        for name in value:
            if name not in _NO_TYPES and not str(name).isupper():
                raise ValueError(f"{name}: a floor is of a type of personal data or one of {', '.join(_NO_TYPES)}")
        types = {str(name): share for name, share in value.items() if name not in _NO_TYPES}
        return {name: value[name] for name in _NO_TYPES if name in value} | {"types": types}


class Domain(StrictModel):
    """A walled body of data with an owner, readers, purposes and privacy rules."""

    owner: str
    readers: list[str] = Field(default_factory=list, description="roles whose callers may use its models")
    purposes: list[str] = Field(default_factory=list)
    may_derive_from: list[Name] = Field(default_factory=list)
    pii: PiiRules = Field(default_factory=PiiRules)
    pii_floors: PiiFloors | None = None
    guard_answers: bool = Field(default=True, description="whether `pii` holds for what its models answer, too")
    retention_days: int | None = Field(default=None, ge=1)
    regions: list[Name] = Field(default_factory=list, description="where its data may be; anywhere if empty")
    leakage: LeakageRules = LeakageRules()


class Caller(StrictModel):
    """Somebody who asks at query time. `key_sha256` is the hash of the key that a server asks for.

    `region` is where answers go; that of the workspace if absent.
    """

    roles: list[str] = Field(default_factory=list)
    region: Name | None = None
    key_sha256: str | None = None

    @field_validator("key_sha256")
    @classmethod
    def _is_sha256(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 64 or set(value) - set("0123456789abcdef")):
            raise ValueError("key_sha256 is 64 lower-case hexadecimal digits (sha256sum of the key)")
        return value


class Policy(StrictModel):
    """All domains and callers of a workspace, and the one decision over them.

    `region` is where the workspace runs.
    """

    domains: dict[Name, Domain]
    callers: dict[str, Caller] = Field(default_factory=dict)
    region: Name | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the whole policy, as each run records it."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def data_digest(self, domain: str) -> str:
        """SHA-256 (hex) over what the policy says about a domain's data: privacy, walls, retention.

        This is what a run's fingerprint holds: a new reader must not make a trained model stale.
        """
        rules = self.domains[domain].model_dump(mode="json", include={"pii", "may_derive_from", "retention_days"})
        return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()

    def check(self, label: Label, *, sink: str, purpose: str, caller: str | None = None) -> None:
        """Decides whether things with `label` may flow into domain `sink`, for a caller and a purpose.

        Args:
            label: the domains that the thing was derived from.
            sink: the domain that it flows into; for a query, the domain that is asked.
            purpose: an owner's purpose (`OWNER_PURPOSES`), or one that the domain lists.
            caller: who asks; None for the workspace's owner, who needs no role.

        Raises:
            PolicyRefused: no rule allows it. For a caller, a domain that does not exist, a caller
                that does not exist and a caller without a role give the same words.
        """
        domain = self.domains.get(sink)
        if caller is not None or purpose not in OWNER_PURPOSES:
            self._check_caller(domain, sink, caller, purpose)
        if domain is None:
            known = ", ".join(sorted(self.domains)) or "none"
            raise PolicyRefused(f'the domain "{sink}" is not in the policy', fix=f"add it to zoo.yaml (known: {known})")
        if not label.domains:
            raise PolicyRefused(f'something without a label may not flow into "{sink}"')
        outside = sorted(label.domains - set(domain.may_derive_from))
        if outside:
            raise PolicyRefused(
                f'the domain "{sink}" may not derive from {", ".join(outside)}',
                fix=f"zoo.yaml: domains.{sink}.may_derive_from lists what it may",
            )
        self._check_regions(label, sink, caller)

    def _check_regions(self, label: Label, sink: str, caller: str | None) -> None:
        """Also of the domains that the thing stems from: what holds for their data holds for what is made of it."""
        for name in sorted(label.domains | {sink}):
            regions = self.regions_of(name)
            if regions and self.region not in regions:
                raise PolicyRefused(
                    f'things of the domain "{name}" may only be built and used in {", ".join(regions)}, and this '
                    f"workspace runs in {self.region or 'no region that it names'}",
                    fix="zoo.yaml: region says where it runs",
                )
            if regions and self.region_of(caller) not in regions:
                raise PolicyRefused(
                    f'models of the domain "{name}" may only be used in {", ".join(regions)}, and the caller '
                    f'"{caller}" is in {self.region_of(caller)}'
                )

    def regions_of(self, domain: str) -> list[str]:
        """Where things of a domain may be; anywhere if empty."""
        return self.domains[domain].regions if domain in self.domains else []

    def region_of(self, caller: str | None) -> str | None:
        """Where answers to a caller go: where the workspace runs, unless the caller has a region."""
        grant = None if caller is None else self.callers.get(caller)
        return self.region if grant is None or grant.region is None else grant.region

    def _check_caller(self, domain: Domain | None, sink: str, caller: str | None, purpose: str) -> None:
        grant = self.callers.get(caller) if caller is not None else None
        if domain is None or grant is None or not set(grant.roles) & set(domain.readers):
            raise no_grant(sink, caller)
        if purpose not in domain.purposes:
            raise PolicyRefused(
                f'models of the domain "{sink}" may not be used for "{purpose}"',
                fix=f"allowed: {', '.join(domain.purposes) or 'nothing'}",
            )


def no_grant(sink: str, caller: str | None) -> PolicyRefused:
    """The one refusal for an unknown domain, an unknown caller and a caller without a role."""
    who = "a caller without a name" if caller is None else f'the caller "{caller}"'
    return PolicyRefused(f'{who} may not use models of the domain "{sink}"', fix="ask the domain's owner for a role")
