"""`--set name=value`: any setting of a training on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from governance.errors import ConfigError


def parse_settings(words: Sequence[str]) -> dict[str, Any]:
    """Reads "ema=0.999", "lora.targets=[query, value]" and the like; values are YAML, types the plan's to check.

    Raises:
        ConfigError: no "=", a value that is no YAML, or a setting that is given twice.
    """
    settings: dict[str, Any] = {}
    for word in words:
        path, equals, text = word.partition("=")
        if not equals or not path.strip():
            raise ConfigError("write it as name=value", where=f'--set "{word}"')
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError("the value is not valid YAML", where=f'--set "{word}"') from None
        set_at(settings, path.strip().split("."), value)
    return settings


def set_at(settings: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Sets `settings[first][second]…`.

    Raises:
        ConfigError: something is set there already.
    """
    inner = settings
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError("is given twice", where=".".join(path))
    if path[-1] in inner:
        raise ConfigError("is given twice", where=".".join(path))
    inner[path[-1]] = value
