"""No class of a library stands in what a user reads of his own files."""

from __future__ import annotations

import errno
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from governance import DataError
from governance.pii.evaluate import read_labelled
from governance.wording import in_words, kind_of_value

_ROOT = Path(__file__).parents[2]

#: Where the name is the point: what is kept of an error that nobody may quote, and a failure of somebody's own code.
#: A change of `presidio` filters all text anew, and its message is of a damaged model.
_NAMED = {"zoo/openlineage.py", "zoo/recording.py", "pipelines/erasure/unread.py", "governance/pii/operators.py"}
_NAMED |= {"governance/pii/presidio.py"}


class _Row(BaseModel):
    size: int


def _error(action: Any, *arguments: Any) -> BaseException:
    with pytest.raises((ValueError, OSError, KeyError)) as caught:
        action(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_error(json.loads, '{"a": Jane Doe}'), "not valid JSON at line 1, column 7"),
        (_error(b"Jane \xff".decode), "not UTF-8 at byte 5"),
        (_error({}.__getitem__, "kind"), "a part is missing"),
        (_error({}.__getitem__, "Tanner"), "a part is missing"),
        (KeyError(), "a part is missing"),
        (_error({}.__getitem__, "Jane Doe"), "a part is missing"),
        (_error(_Row.model_validate, {"size": "Jane"}), '"size" is missing or not what it should be'),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left on device"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "Jane.txt"), "a file is missing"),
        (ValueError("Jane Doe"), "its content is not what it should be"),
        (TypeError("Jane Doe"), "it is made in another way than it should be"),
        (zipfile.BadZipFile("x"), "it is not whole, or no archive"),
        (EOFError(), "it ends too early"),
        (OSError(), "it cannot be read"),
        (ZeroDivisionError("x"), "a number is too large, or divided by zero"),
        (RuntimeError("x"), "something else went wrong"),
    ],
)
def test_words(error: BaseException, words: str) -> None:
    assert in_words(error) == words


@pytest.mark.parametrize(("key", "words"), [("kind", '"kind" is missing'), ("Tanner", "a part is missing")])
def test_a_key_is_named_only_where_it_is_one_of_ours(key: str, words: str) -> None:
    assert in_words(_error({}.__getitem__, key), expected=("kind", "size")) == words


def test_what_an_error_says_is_shown_where_it_may_be() -> None:
    assert in_words(ValueError("its SHA-256 is 17\nand more"), detail=True) == "its SHA-256 is 17"
    assert in_words(ValueError(), detail=True) == "its content is not what it should be"
    assert isinstance(_error(_Row.model_validate, {}), ValidationError)


@pytest.mark.parametrize(
    ("value", "words"), [({}, "mapping"), ([], "list"), ("x", "string"), (1, "number"), (None, "null")]
)
def test_kinds_of_values(value: object, words: str) -> None:
    assert kind_of_value(value) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not a labelled row: not valid JSON at line 1, column 2"),
        ('{"text": "x"}', "not a labelled row: a part is missing"),
        ('{"text": "x", "spans": 3}', "not a labelled row: it is made in another way"),
    ],
)
def test_a_labelled_file(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(DataError) as error:
        read_labelled(tmp_path / "a.jsonl")
    assert f"a.jsonl:1: {words}" in str(error.value)


def test_messages_have_no_names_of_classes() -> None:
    found = set()
    for folder in ("governance", "pipelines", "registry", "zoo"):
        for path in (_ROOT / folder).rglob("*.py"):
            if re.search(r"type\((error|caught|exception)\)\.__name__", path.read_text(encoding="utf-8")):
                found.add(path.relative_to(_ROOT).as_posix())
    assert found == _NAMED
