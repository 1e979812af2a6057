"""Durations: four units, read from text, and what they come to in steps."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from governance.errors import ConfigError
from tests.zoo.toy import TOY
from zoo.fit import Duration, TrainPlan


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("500 steps", Duration.steps(500)),
        ("1 step", Duration.steps(1)),
        ("2 epochs", Duration.epochs(2)),
        ("0.5 epochs", Duration.epochs(0.5)),
        ("50M tokens", Duration.tokens(50_000_000)),
        ("1.25 m tokens", Duration.tokens(1_250_000)),
        ("50_000_000 tokens", Duration.tokens(50_000_000)),
        ("1,000 Tokens", Duration.tokens(1000)),
        ("2e9 tokens", Duration.tokens(2_000_000_000)),
        (" 10 minutes ", Duration.minutes(10)),
        ("5 minutes", Duration.minutes(5)),
    ],
)
def test_text(text: str, duration: Duration) -> None:
    assert Duration.parse(text) == duration
    assert Duration.parse(duration) is duration


@given(st.sampled_from(["epochs", "minutes"]), st.floats(1e-3, 1e6))
def test_what_is_written_is_read_back(unit: str, value: float) -> None:
    duration = Duration(value, unit)  # type: ignore[arg-type]
    assert Duration.parse(json.loads(json.dumps(str(duration)))) == duration


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("500", "no number with a unit"),
        ("steps", "no number with a unit"),
        ("-3 steps", "no number with a unit"),
        (500, "no number with a unit"),
        ("5 epoks", 'did you mean "epochs"'),
        ("0 steps", "more than 0"),
        ("1.5 steps", "whole numbers"),
        ("1e999 epochs", "more than 0"),
    ],
)
def test_wrong_text(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Duration.parse(text)


def plan(duration: str, **changes: object) -> TrainPlan:
    sizes = {"parameters": 10_000, "train_tokens": 1000, "validation_tokens": 100}
    return TrainPlan.of(TOY, duration=Duration.parse(duration), **sizes, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("duration", "changes", "steps"),
    [
        ("7 steps", {}, 7),
        ("320 tokens", {}, 10),  # a step of the toy is 4 windows of 8 tokens
        ("321 tokens", {}, 11),
        ("1 token", {}, 1),
        ("2 epochs", {}, 63),
        ("2 epochs", {"accumulate": 2}, 32),
        ("2 epochs", {"batch_size": 1, "window": 4}, 500),
    ],
)
def test_steps_follow(duration: str, changes: dict[str, object], steps: int) -> None:
    made = plan(duration, **changes)
    assert (made.steps, made.minutes) == (steps, None)
    sizes = {"parameters": 10_000, "train_tokens": 1000, "validation_tokens": 100}
    assert made == TrainPlan.of(TOY, steps=steps, **sizes, **changes)  # type: ignore[arg-type]


def test_minutes_are_those_of_the_plan() -> None:
    made = plan("3 minutes")
    assert (made.minutes, made.steps, made.evaluate_every, made.checkpoint_every) == (3, None, None, None)
    sizes = {"parameters": 10_000, "train_tokens": 1000, "validation_tokens": 100}
    default = TrainPlan.of(TOY, **sizes)  # type: ignore[arg-type]
    assert made.warmup == default.warmup > 0
    assert made == TrainPlan.of(TOY, minutes=3, **sizes)  # type: ignore[arg-type]
    assert plan("3 minutes", evaluate_every=7).evaluate_every == 7


def test_a_length_that_is_given_twice() -> None:
    with pytest.raises(ConfigError, match="given twice"):
        plan("3 steps", steps=3)
    with pytest.raises(ConfigError, match="given twice"):
        plan("3 minutes", minutes=2)
    assert plan("3 steps", minutes=2).minutes == 2  # whichever is first


def test_it_is_public() -> None:
    assert zoo.Duration is Duration
