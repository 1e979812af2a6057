"""Names in a policy that are nearly others.

A name that nothing else has only refuses: nobody would be told but whoever is refused, and who wrote it might look for
the reason elsewhere. `may_derive_from` may name domains that the file does not declare: models from elsewhere carry
their labels. Roles and purposes are free words. So only what is nearly another name is told, and only where that other
name is missing.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterator, Mapping

from governance.errors import ConfigError
from governance.policy import Domain, Policy

#: What a query is for that names no purpose.
DEFAULT_PURPOSE = "assist"

#: Of a part of a name; shorter ones differ in a letter and are meant so.
_LETTERS = 4


def check_derivations(domains: Mapping[str, Domain], *, where: str) -> None:
    """Args: `where` is the file that declares them.

    Raises:
        ConfigError: a name under `may_derive_from` is nearly that of a domain that is not listed there.
    """
    for name, domain in domains.items():
        missing = domains.keys() - set(domain.may_derive_from)
        for number, other in enumerate(domain.may_derive_from):
            if other not in domains and (meant := _nearly(other, missing)) is not None:
                raise ConfigError(
                    f'there is no domain "{other}" (did you mean "{meant}"?)',
                    where=f"{where}: domains.{name}.may_derive_from.{number}",
                    fix=f'write {meant}; if models from elsewhere have the label "{other}", add it to domains',
                )


def doubts(policy: Policy) -> Iterator[str]:
    """What looks like a slip in roles and purposes, a line each."""
    readers = {role for domain in policy.domains.values() for role in domain.readers}
    roles = {role for caller in policy.callers.values() for role in caller.roles}
    for name, domain in policy.domains.items():
        for role in domain.readers:
            if role not in roles and (meant := _nearly(role, roles - readers)) is not None:
                yield (
                    f'domains.{name}.readers: no caller has the role "{role}" (did you mean "{meant}"?), and no domain '
                    f'is read by "{meant}"'
                )
        for purpose, meant in _purposes(name, domain, policy):
            yield f'domains.{name}.purposes: no other domain has the purpose "{purpose}" (did you mean "{meant}"?)'


def _purposes(name: str, domain: Domain, policy: Policy) -> Iterator[tuple[str, str]]:
    """Purposes that the domain alone has, each with the one that it is nearly."""
    others = {purpose for other, its in policy.domains.items() if other != name for purpose in its.purposes}
    for purpose in domain.purposes:
        known = {*others, DEFAULT_PURPOSE}
        if purpose not in known and (meant := _nearly(purpose, known - set(domain.purposes))) is not None:
            yield purpose, meant


def _nearly(word: str, known: Collection[str]) -> str | None:
    """The name that a word is a slip for."""
    return next((name for name in sorted(known) if _is_slip(word, name)), None)


def _is_slip(word: str, name: str) -> bool:
    """Whether both differ in one letter of a longer part, or in how their parts are joined. "legal-eu" and "legal-us",
    "team-a" and "team-b", "tier1" and "tier2" are meant so."""
    if word == name:
        return False
    parts, others = _parts(word), _parts(name)
    if "".join(parts) == "".join(others):
        return bool(parts)
    differing = [(one, other) for one, other in zip(parts, others, strict=False) if one != other]
    if len(parts) != len(others) or len(differing) != 1:
        return False
    one, other = differing[0]
    return (
        min(sum(map(str.isalpha, part)) for part in (one, other)) >= _LETTERS
        and _without_letters(one) == _without_letters(other)
        and _one_off(one, other)
    )


def _parts(name: str) -> list[str]:
    """Runs of letters and digits of any script. Marks belong to their letter, also where Unicode has no
    letter for both, as for the vowels of Hindi."""
    whole = unicodedata.normalize("NFC", name.casefold())
    return "".join(one if one.isalnum() or unicodedata.category(one)[0] == "M" else " " for one in whole).split()


def _without_letters(part: str) -> str:
    return "".join(one for one in part if not one.isalpha())


def _one_off(one: str, other: str) -> bool:
    """Whether one letter more, less or in place of another, or two that changed places, make one of the other."""
    start = len(os.path.commonprefix([one, other]))
    end = len(os.path.commonprefix([one[start:][::-1], other[start:][::-1]]))
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return max(len(left), len(right)) == 1 or (len(left) == 2 and left == right[::-1])
