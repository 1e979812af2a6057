"""`--set name=value`."""

from __future__ import annotations

import pytest

from governance.errors import ConfigError
from zoo.cli.settings import parse_settings
from zoo.request import check_settings


def test_values_are_yaml_and_dots_go_inside() -> None:
    words = ["ema=0.99", "schedule=wsd", "accumulate=4", "jit=false", "lora.rank=8", "lora.targets=[query, value]"]
    assert parse_settings(words) == {
        "ema": 0.99,
        "schedule": "wsd",
        "accumulate": 4,
        "jit": False,
        "lora": {"rank": 8, "targets": ["query", "value"]},
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ema"], "name=value"),
        (["=3"], "name=value"),
        (["ema=[1"], "not valid YAML"),
        (["ema=0.9", "ema=0.8"], "ema: is given twice"),
        (["lora=x", "lora.rank=3"], "lora.rank: is given twice"),
    ],
)
def test_wrong_words(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings(words)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match='no setting "patince" \\(did you mean "patience"'):
        check_settings(parse_settings(["patince=3"]))
