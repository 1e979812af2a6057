"""Operators of Presidio's anonymizer that a policy names, for what redact, mask, pseudonymize and surrogate don't say.

They get what they get there: the string that was found, their parameters and `entity_type`. Two things are asked of
them beyond that. The same string always gives the same result, or a build would never come out the same twice: `hash`
gets a salt of the domain where the policy has none (Presidio would draw one for each string). And no result is the
string itself, for which the policy says `keep`.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import importlib
import inspect
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DetectorError, did_you_mean
from governance.policy import PresidioOperator

if TYPE_CHECKING:
    from presidio_anonymizer.operators import Operator

#: The parameters of those that Presidio has.
_PARAMETERS = {
    "hash": ("hash_type", "salt"),
    "mask": ("chars_to_mask", "from_end", "masking_char"),
    "redact": (),
    "replace": ("new_value",),
}
_REFUSED = {
    "encrypt": "can be undone, and personal data would stay in what a model learns from",
    "decrypt": "brings personal data back",
    "custom": "takes a function, which no YAML holds: write an Operator in Python and name it as module:Class",
    "keep": "needs no parameters: write keep",
}
#: Made-up values on which an operator is tried before any data is read.
_SAMPLES = ("Q7-4417 sample", "sample@example.org")


def replacer(operator: PresidioOperator, entity: str, key: bytes) -> Callable[[str], str]:
    """What gives the string that stands for one of this type.

    Args:
        key: of the domain's pseudonyms, 32 bytes.

    Raises:
        ConfigError: Presidio has no such operator, or it refuses its parameters.
    """
    made = _operator(operator)
    parameters = {**operator.params, "entity_type": entity}
    if operator.operator == "hash" and "salt" not in parameters:
        parameters["salt"] = hmac.new(key, f"hash salt\0{entity}".encode(), hashlib.sha256).digest()
    _validate(made, operator, parameters)
    return functools.partial(_operated, made, operator.operator, parameters)


def check_operator(operator: PresidioOperator, entity: str, *, where: str) -> None:
    """Tries an operator on made-up values, before any data is read.

    Raises:
        ConfigError: it cannot be loaded, refuses its parameters, gives another result each time, or changes nothing.
    """
    try:
        replace = replacer(operator, entity, bytes(32))
    except ConfigError as error:
        raise ConfigError(error.what, where=where, fix=error.fix) from None
    for sample in _SAMPLES:
        try:
            results = {replace(sample) for _ in range(3)}
        except DetectorError as error:
            raise ConfigError(error.what, where=where) from None
        if len(results) > 1:
            raise ConfigError(
                f"the operator {operator.operator} gives another result each time, and a build must come out the same",
                where=where,
            )
        if results == {sample}:
            raise ConfigError(
                f"the operator {operator.operator} leaves a string as it is", where=where, fix="write keep to keep it"
            )


def operator_fingerprint(operator: PresidioOperator) -> list[str]:
    """What decides what an operator does: its declaration, Presidio's version, the code of somebody's own class."""
    parts = [operator.model_dump_json(), metadata.version("presidio-anonymizer")]
    if ":" in operator.operator:
        code = Path(inspect.getfile(_class(operator.operator))).read_bytes()
        parts.append(hashlib.sha256(code).hexdigest())
    return parts


def _operator(operator: PresidioOperator) -> Operator:
    name = operator.operator
    if ":" in name:
        return _instance(name)
    if name in _REFUSED:
        raise ConfigError(f"the operator {name} {_REFUSED[name]}")
    if name not in _PARAMETERS:
        raise ConfigError(
            f"Presidio has no operator {name}{did_you_mean(name, _PARAMETERS)}",
            fix=f"use {', '.join(_PARAMETERS)} or module:Class",
        )
    for parameter in operator.params:
        if parameter not in _PARAMETERS[name]:
            known = _PARAMETERS[name]
            raise ConfigError(
                f"the operator {name} has no parameter {parameter}{did_you_mean(parameter, known)}",
                fix=f"it has {', '.join(known) or 'none'}",
            )
    from presidio_anonymizer.operators import OperatorsFactory, OperatorType

    return OperatorsFactory().create_operator_class(name, OperatorType.Anonymize)


def _instance(named: str) -> Operator:
    """An operator of a class that somebody wrote in Python, made without arguments as Presidio makes it."""
    from presidio_anonymizer.operators import Operator, OperatorType

    kind = _class(named)
    if not (isinstance(kind, type) and issubclass(kind, Operator)):
        raise ConfigError(f"{named} is no Operator of Presidio's anonymizer")
    try:
        made = kind()
    except TypeError as error:
        raise ConfigError(f"{named} cannot be made without arguments: {error}") from None
    if made.operator_type() is not OperatorType.Anonymize:
        raise ConfigError(f"{named} does not anonymize")
    return made


def _class(named: str) -> Any:
    module, _, name = named.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, SyntaxError, NameError, ValueError, OSError) as error:
        raise ConfigError(f"{named} cannot be imported: {error}", fix="install the package it is in") from None


def _validate(made: Operator, operator: PresidioOperator, parameters: dict[str, Any]) -> None:
    from presidio_anonymizer.entities import InvalidParamError

    try:
        made.validate(parameters)
        if operator.operator == "hash":  # which looks at the salt only when it is used
            made.operate("", parameters)
    except (InvalidParamError, TypeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split()).removeprefix("Invalid input, ")
        raise ConfigError(f"the operator {operator.operator} refuses its parameters: {reason}") from None


def _operated(made: Operator, name: str, parameters: dict[str, Any], value: str) -> str:
    result: object = made.operate(text=value, params=dict(parameters))
    if not isinstance(result, str):
        raise DetectorError(f"the operator {name} gives {type(result).__name__} instead of a string")
    return result
