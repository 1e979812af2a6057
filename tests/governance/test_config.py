"""YAML files: each mistake is one line that names file and place."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from governance.config import StrictModel, load_yaml
from governance.errors import ConfigError, ZooError, did_you_mean


class Inner(StrictModel):
    size: int


class Outer(StrictModel):
    name: str
    inner: Inner | None = None
    many: list[Inner] = []
    named: dict[str, Inner] = {}
    listed: dict[Literal["text", "label"], str] | None = None
    hidden: str = Field(default="", exclude=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the thing file is empty"),
        (b"- a\n- b\n", "a thing file is a mapping, this is a list"),
        (b"name: [1\n", ":2: not valid YAML"),
        (b"name: a\nname: b\n", ':2: not valid YAML: the key "name" stands twice'),
        (b"name: \xff\n", "is not UTF-8 at byte 6"),
        (b"name: a\nnmae: b\n", 'nmae: unknown key (did you mean "name"?)'),
        (b"name: a\ninner: {sise: 1}\n", 'inner.sise: unknown key (did you mean "size"?)'),
        (b"name: a\nmany: [{size: 1}, {size: x}]\n", "many.1.size: input should be a valid integer"),
        (b"name: a\nnamed: {x: {sizes: 1}}\n", 'named.x.sizes: unknown key (did you mean "size"?)'),
        (b"name: a\nlisted: {lable: x}\n", 'lable: unknown key (did you mean "label"?); known here: label, text'),
        (b"name: a\nqqq: b\n", "known here: inner, listed, many, name, named"),
        (b"inner: {size: 1}\n", "name: this key is required"),
        (b"name: a\x00b\n", "not valid YAML"),
    ],
)
def test_mistakes(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "thing.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as error:
        load_yaml(path, Outer, what="thing")
    line = str(error.value)
    assert line.startswith(str(path)) and message in line and "\n" not in line


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such thing file"):
        load_yaml(tmp_path / "none.yaml", Outer, what="thing")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path, Outer, what="thing")


def test_an_error_is_one_line() -> None:
    assert str(ZooError("what\n  happened", where="file", fix="do\nthis")) == "file: what happened; do this"
    assert did_you_mean("piplines", ["pipelines", "zoo"]) == ' (did you mean "pipelines"?)'
    assert did_you_mean("qqq", ["pipelines"]) == did_you_mean("", ["pipelines"]) == ""
    assert did_you_mean("EMAIL", ["IP_ADDRESS", "EMAIL_ADDRESS"]) == ' (did you mean "EMAIL_ADDRESS"?)'
    assert did_you_mean("us_ssn", ["US_SSN"]) == ' (did you mean "US_SSN"?)'
