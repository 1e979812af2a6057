"""The families of models: `get("gpt").size("nano")`."""

from __future__ import annotations

from governance.errors import ConfigError, did_you_mean
from zoo.families.base import Family, Size
from zoo.families.gpt import GPT

__all__ = ["Family", "Size", "get", "names", "register"]

_FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Makes a family known by its name.

    Raises:
        ConfigError: the name is taken.
    """
    if _FAMILIES.get(family.name, family) is not family:
        raise ConfigError(f'there already is a family "{family.name}"', where="family")
    _FAMILIES[family.name] = family
    return family


def names() -> list[str]:
    """Names of all families, sorted."""
    return sorted(_FAMILIES)


def get(name: str) -> Family:
    """Looks up a family.

    Raises:
        ConfigError: no such family.
    """
    if name not in _FAMILIES:
        raise ConfigError(
            f'no model family "{name}"{did_you_mean(name, _FAMILIES)}',
            where="family",
            fix=f"use one of {', '.join(names())}",
        )
    return _FAMILIES[name]


register(GPT)
