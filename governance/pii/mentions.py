"""Who is meant by a part of a name: the one person of the text who is called so in full."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from governance.pii import vocabulary
from governance.pii.canonical import name_words
from governance.pii.spans import Finding

_PARTICLE = re.compile(vocabulary.PARTICLES)


def with_full_names(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings; a part of a name ("Delacroix", "M. Delacroix") says whose it is, where only one person is meant.

    A part is one word beside initials and particles. It may stand before the full name, as a letter's greeting does
    before its signature, so the order of a text does not matter. A full name always stands for itself: whether a middle
    initial is written elsewhere in a text does not change who it is in others.
    """
    findings = list(findings)
    words = {at: name_words(text[one.start : one.end]) for at, one in enumerate(findings) if one.type == "PERSON"}
    full: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for name in words.values():
        if len(_telling(name)) > 1:
            for word in _telling(name):
                full[word].add(tuple(name))
    known: dict[tuple[str, ...], tuple[str, ...] | None] = {}
    for at, part in words.items():
        if tuple(part) not in known:
            known[tuple(part)] = _owner(part, full) if len(_telling(part)) == 1 else None
        owner = known[tuple(part)]
        if owner is not None:
            findings[at] = replace(findings[at], full_name=" ".join(owner))
    return findings


def _owner(part: list[str], full: Mapping[str, set[tuple[str, ...]]]) -> tuple[str, ...] | None:
    """The one full name that a part may stand for. One with a middle name is the same person as one without."""
    owners = [name for name in full.get(_telling(part)[0], ()) if _is_part(part, name)]
    if not owners:
        return None
    shortest = min(owners, key=lambda name: (len(set(name)), name))
    return shortest if all(name == shortest or set(shortest) < set(name) for name in owners) else None


def _telling(name: Iterable[str]) -> list[str]:
    """The words of a name that are neither initials nor particles."""
    return [word for word in name if len(word) > 1 and not _PARTICLE.fullmatch(word)]


def _is_part(part: Iterable[str], name: tuple[str, ...]) -> bool:
    """Whether each word of a part is one of the name, and each initial begins another one."""
    left = list(name)
    for word in sorted(part, key=len, reverse=True):
        found = next((one for one in left if one == word or len(word) == 1 and one.startswith(word)), None)
        if found is None:
            return False
        left.remove(found)
    return True
