"""Operators of Presidio's anonymizer that a policy names, for what redact, mask, pseudonymize and surrogate don't say.

They get what they get there: the string that was found, their parameters and `entity_type`. Three things are asked of
them beyond that. The same string always gives the same result, or a build would never come out the same twice: `hash`
is salted by the domain's key, where Presidio would draw a salt for each string. Nothing that was found stays as it is:
where the result is the string itself, the name of the type takes its place. And what goes wrong in somebody's own
operator is told without the string.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DetectorError, did_you_mean
from governance.pii.own_code import own_class
from governance.policy import PresidioOperator

if TYPE_CHECKING:
    from presidio_anonymizer.operators import Operator

#: The parameters of those that Presidio has.
_PARAMETERS = {
    "hash": ("hash_type",),
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
#: What somebody's own code may come to.
_FAILURES = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, NameError, OSError),
    *(RuntimeError, TypeError, ValueError, re.error),
)
#: Made-up values on which an operator is tried before any data is read.
_SAMPLES = ("Q7-4417 sample", "sample@example.org", "Sample Name")


@dataclass(frozen=True)
class _Replace:
    """An operator with its parameters, for strings of one type."""

    made: Operator
    name: str
    entity: str
    parameters: dict[str, Any]

    def __call__(self, value: str) -> str:
        try:
            result: object = self.made.operate(text=value, params=dict(self.parameters))
        except _FAILURES as error:
            problem = f"the operator {self.name} failed on a string of the type {self.entity}: {type(error).__name__}"
            raise DetectorError(problem) from None  # what it says may hold the string
        if not isinstance(result, str):
            raise DetectorError(f"the operator {self.name} gives {type(result).__name__} instead of a string")
        return f"<{self.entity}>" if result == value else result


def replacer(operator: PresidioOperator, entity: str, key: bytes) -> Callable[[str], str]:
    """What gives the string that stands for one of this type.

    Args:
        key: of the domain's pseudonyms, 32 bytes.

    Raises:
        ConfigError: Presidio has no such operator, or it refuses its parameters.
    """
    made = _operator(operator)
    parameters: dict[str, Any] = {**operator.params, "entity_type": entity}
    if operator.operator == "hash":
        parameters["salt"] = hmac.new(key, f"hash salt\0{entity}".encode(), hashlib.sha256).digest()
    _validate(made, operator, parameters)
    return _Replace(made, operator.operator, entity, parameters)


def check_operator(operator: PresidioOperator, entity: str, *, where: str) -> None:
    """Tries an operator on made-up values, before any data is read.

    Raises:
        ConfigError: it cannot be loaded, refuses its parameters, or gives results that depend on more than the string.
    """
    try:
        first, other = (replacer(operator, entity, bytes(32)) for _ in range(2))
        forward = [first(sample) for sample in (*_SAMPLES, *_SAMPLES)]
        backward = [other(sample) for sample in reversed(_SAMPLES)]
    except (ConfigError, DetectorError) as error:
        raise ConfigError(error.what, where=where, fix=error.fix) from None
    if forward != backward[::-1] * 2:
        raise ConfigError(
            f"the operator {operator.operator} gives another result each time, and a build must come out the same",
            where=where,
        )


def operator_fingerprint(operator: PresidioOperator) -> list[str]:
    """What decides what an operator does: declaration, this module, Presidio's version, the code of an own class."""
    parts = [operator.model_dump_json(), metadata.version("presidio-anonymizer")]
    parts.append(hashlib.sha256(Path(__file__).read_bytes()).hexdigest())
    return [*parts, own_class(operator.operator).digest] if ":" in operator.operator else parts


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
            salted = "; the domain's key is the salt" if parameter == "salt" else ""
            raise ConfigError(
                f"the operator {name} has no parameter {parameter}{did_you_mean(parameter, known)}{salted}",
                fix=f"it has {', '.join(known) or 'none'}",
            )
    from presidio_anonymizer.operators import OperatorsFactory, OperatorType

    return OperatorsFactory().create_operator_class(name, OperatorType.Anonymize)


def _instance(named: str) -> Operator:
    """An operator of a class that somebody wrote in Python, made without arguments as Presidio makes it."""
    from presidio_anonymizer.operators import Operator, OperatorType

    kind = own_class(named).found
    if not (isinstance(kind, type) and issubclass(kind, Operator)):
        raise ConfigError(f"{named} is no Operator of Presidio's anonymizer")
    try:
        made = kind()
    except TypeError as error:
        raise ConfigError(f"{named} cannot be made without arguments: {error}") from None
    if made.operator_type() is not OperatorType.Anonymize:
        raise ConfigError(f"{named} does not anonymize")
    return made


def _validate(made: Operator, operator: PresidioOperator, parameters: dict[str, Any]) -> None:
    from presidio_anonymizer.entities import InvalidParamError

    try:
        made.validate(parameters)
    except (InvalidParamError, *_FAILURES) as error:
        reason = " ".join(str(error).split()).removeprefix("Invalid input, ")
        raise ConfigError(f"the operator {operator.operator} refuses its parameters: {reason}") from None
    if operator.operator == "mask" and int(parameters["chars_to_mask"]) < 1:
        raise ConfigError("the operator mask leaves a string as it is", fix="write keep to keep it")
