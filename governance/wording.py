"""What libraries and Python raise, in words for the person whose file or setting caused it.

Nothing is quoted from what was read: it may be personal data. Where that cannot be, callers show the message as well.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator

_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (FileNotFoundError, "a file is missing"),
    (IsADirectoryError, "a folder stands where a file should be"),
    (PermissionError, "it may not be read"),
    (EOFError, "it ends too early"),
    (zipfile.BadZipFile, "it is not whole, or no archive"),
    (MemoryError, "there is not enough memory"),
    (ArithmeticError, "a number is too large, or divided by zero"),
    (RecursionError, "it is nested too deep"),
    (ValueError, "its content is not what it should be"),
    (TypeError, "it is made in another way than it should be"),
    (AttributeError, "it is made in another way than it should be"),
    (IndexError, "a part of it is missing"),
    (OSError, "it cannot be read"),
)

#: What stands in a JSON or YAML file, by the type that Python reads it as.
_VALUES = {"dict": "mapping", "list": "list", "str": "string", "int": "number", "float": "number"}
_VALUES |= {"bool": "true or false", "NoneType": "null", "date": "date", "datetime": "date"}


def in_words(error: BaseException, *, detail: bool = False, expected: Collection[str] = ()) -> str:
    """What went wrong with something that was read.

    Args:
        detail: show also what the error itself says; only where it cannot hold text of a record.
        expected: keys that a file of ours has. One that is missing is named; any other may be a word of a text, and a
            name looks like a key.
    """
    return next(_said(error, detail, expected))


def kind_of_value(value: object) -> str:
    """What a value of a JSON or YAML file is: "list"."""
    return _VALUES.get(type(value).__name__, "value of another kind")


def _said(error: BaseException, detail: bool, expected: Collection[str]) -> Iterator[str]:
    """The first that fits is meant."""
    from pydantic import ValidationError

    if isinstance(error, json.JSONDecodeError):
        yield f"not valid JSON at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        yield f"not UTF-8 at byte {error.start}"
    if isinstance(error, ValidationError):
        place = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
        yield f'"{place}" is missing or not what it should be' if place else "its content is not what it should be"
    if isinstance(error, KeyError):
        missing = next((key for key in expected if error.args[:1] == (key,)), None)
        yield "a part is missing" if missing is None else f'"{missing}" is missing'
    message = str(error).strip().partition("\n")[0]
    if isinstance(error, OSError) and error.strerror and not isinstance(error, FileNotFoundError):
        yield error.strerror[:1].lower() + error.strerror[1:]
    if detail and message and isinstance(error, ValueError | OSError) and not isinstance(error, FileNotFoundError):
        yield message
    yield from (words for kind, words in _KINDS if isinstance(error, kind))
    yield message if detail and message else "something else went wrong"
