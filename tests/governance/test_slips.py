"""Names that are nearly others are told, and names that are meant so are not."""

from __future__ import annotations

from typing import Any

import pytest

from governance import Caller, ConfigError, Domain, Policy
from governance.slips import _is_slip, check_derivations, doubts


@pytest.mark.parametrize(
    ("listed", "meant"),
    [
        (["tax", "suport"], "support"),
        (["tax", "supprot"], "support"),
        (["tax", "public"], None),  # of models from elsewhere, whose domain no file here declares
        (["tax", "taxi"], None),  # "tax" itself is there
        (["tax", "legal_us"], "legal-us"),
        (["tax", "legall-us"], "legal-us"),
        (["tax", "legal-eu"], None),
        (["tax", "team2"], None),  # numbers are no slips
        (["tax", "support"], None),
        ([], None),
    ],
)
def test_domains(listed: list[str], meant: str | None) -> None:
    domains = {name: Domain(owner="o", may_derive_from=[name]) for name in ("support", "team1", "legal-us")}
    domains["tax"] = Domain(owner="o", may_derive_from=listed)
    if meant is None:
        check_derivations(domains, where="zoo.yaml")
        return
    with pytest.raises(ConfigError) as error:
        check_derivations(domains, where="zoo.yaml")
    start = f'zoo.yaml: domains.tax.may_derive_from.1: there is no domain "{listed[1]}" (did you mean "{meant}"?)'
    assert str(error.value).startswith(start)


@pytest.mark.parametrize(
    ("readers", "roles", "told"),
    [
        (["tax-anlyst"], ["tax-analyst"], ['no caller has the role "tax-anlyst" (did you mean "tax-analyst"?)']),
        (["Agent"], ["agent"], ['no caller has the role "Agent" (did you mean "agent"?)']),
        (["agent"], ["agents"], ['no caller has the role "agent" (did you mean "agents"?)']),
        (["agent"], ["agent"], []),
        (["налоги"], ["право"], []),  # no letter of either is ASCII
        (["налогы"], ["налоги"], ['no caller has the role "налогы" (did you mean "налоги"?)']),
        (["agent", "agents"], ["agents"], []),  # the other one reads it as well
        (["tier1"], ["tier2"], []),
        (["tax-analyst"], [], []),  # callers may come later
    ],
)
def test_roles(readers: list[str], roles: list[str], told: list[str]) -> None:
    policy = Policy(domains={"tax": Domain(owner="o", readers=readers)}, callers={"ann": Caller(roles=roles)})
    found = list(doubts(policy))
    assert len(found) == len(told)
    assert all(line.startswith(f"domains.tax.readers: {part}") for line, part in zip(found, told, strict=True))


@pytest.mark.parametrize(
    ("word", "name", "found"),
    [
        ("НАЛОГИ", "налоги", True),
        ("фонд-у", "фонд-а", False),  # a short part differs
        ("की", "का", False),  # marks that are vowels, which Python takes for no letters
        ("cafe\u0301-eu", "caf\u00e9-eu", True),
        ("legal_eu", "legal-eu", True),
        ("!!", "??", False),
        ("ab12", "ac12", False),  # two letters
    ],
)
def test_words_of_any_script(word: str, name: str, found: bool) -> None:
    assert _is_slip(word, name) == _is_slip(name, word) == found


@pytest.mark.parametrize(
    ("purposes", "others", "told"),
    [
        (["assit"], [], [("assit", "assist")]),
        (["clasify"], ["classify"], [("clasify", "classify")]),
        (["clasify", "classify"], ["classify"], []),
        (["classify"], ["clasify", "classify"], []),
        (["assist", "write"], ["classify"], []),
    ],
)
def test_purposes(purposes: list[str], others: list[str], told: list[tuple[str, str]]) -> None:
    given: dict[str, Any] = {"a": Domain(owner="o", purposes=purposes), "b": Domain(owner="o", purposes=others)}
    found = [line for line in doubts(Policy(domains=given)) if line.startswith("domains.a.")]
    assert found == [
        f'domains.a.purposes: no other domain has the purpose "{word}" (did you mean "{meant}"?)'
        for word, meant in told
    ]
