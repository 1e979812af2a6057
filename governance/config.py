"""Strict reading of YAML files: an unknown key is an error, and every error names file and field."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict

from governance.errors import ConfigError, did_you_mean
from governance.wording import kind_of_value

ModelT = TypeVar("ModelT", bound=BaseModel)


class StrictModel(BaseModel):
    """Base of everything that is read from a file: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _UniqueKeyLoader(yaml.SafeLoader):
    """A key that stands twice would silently win over the first one; say so instead."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float | bool) and key in seen:
                raise yaml.MarkedYAMLError(problem=f'the key "{key}" stands twice', problem_mark=key_node.start_mark)
            if isinstance(key, str | int | float | bool):
                seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path | str, model: type[ModelT], *, what: str) -> ModelT:
    """Reads a YAML file into a pydantic model.

    Args:
        path: the file.
        model: the strict model to validate against.
        what: what the file is, for messages ("workspace", "pipeline").

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or a field is unknown or wrong.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no such {what} file", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the {what} file is not UTF-8 at byte {error.start}", where=str(path), fix="save it as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(f"the {what} file cannot be read: {error.strerror}", where=str(path)) from None
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - derives from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"not valid YAML: {error.problem or error.context}", where=place) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}", where=str(path)) from None
    if content is None:
        raise ConfigError(f"the {what} file is empty", where=str(path), fix="`zoo init DIR` writes a full one")
    if not isinstance(content, dict):
        raise ConfigError(f"a {what} file is a mapping, this is a {kind_of_value(content)}", where=str(path))
    return validate(content, model, where=str(path))


def validate(content: dict[str, Any], model: type[ModelT], *, where: str) -> ModelT:
    """Validates a mapping; the first problem becomes a one-line ConfigError that names the field."""
    try:
        return model.model_validate(content)
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise _config_error(problems, model, where) from None


def _config_error(problems: list[Any], model: type[BaseModel], where: str) -> ConfigError:
    # A misspelled key also shows as a missing one; the misspelling is what the user has to find.
    first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    if first["type"] == "literal_error" and first["loc"][-1:] == ("[key]",):  # a mapping whose keys are listed
        first = {**first, "type": "extra_forbidden", "loc": first["loc"][:-1]}
    field = ".".join(str(part) for part in first["loc"]) or "the file"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        hint = did_you_mean(str(first["loc"][-1]), known)
        fix = f"known here: {', '.join(sorted(known))}" if known else None
        return ConfigError(f"unknown key{hint}{more}", where=f"{where}: {field}", fix=fix)
    if first["type"] == "missing":
        return ConfigError(f"this key is required{more}", where=f"{where}: {field}")
    message = str(first["msg"]).removeprefix("Value error, ")
    if message[1:2].islower():
        message = message[:1].lower() + message[1:]
    return ConfigError(f"{message}{more}", where=f"{where}: {field}")


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    """Names of the keys that are known at a place inside a model, for "did you mean"."""
    current: Any = model
    for part in location:
        options = [o for o in _unwrap(current) if o is not type(None)]
        models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
        step = next((m.model_fields[str(part)].annotation for m in models if str(part) in m.model_fields), None)
        if step is None:  # a value inside a dict or a list
            containers = [o for o in options if get_origin(o) in (dict, list, tuple)]
            step = get_args(containers[0])[-1] if containers else None
        if step is None:
            return set()
        current = step
    names: set[str] = set()
    for option in _unwrap(current):
        if isinstance(option, type) and issubclass(option, BaseModel):
            names |= {field.alias or name for name, field in option.model_fields.items() if not field.exclude}
        elif get_origin(option) is dict and get_origin(get_args(option)[0]) is Literal:
            names |= set(get_args(get_args(option)[0]))
    return names


def _unwrap(annotation: Any) -> list[Any]:
    """The members of a union, else the annotation itself."""
    if get_origin(annotation) in (Union, UnionType):
        return [inner for arg in get_args(annotation) for inner in _unwrap(arg)]
    return [annotation]
