"""Plan and schedule: pure functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import ConfigError
from tests.zoo.toy import TOY, toy_plan
from zoo.fit import TrainPlan
from zoo.fit.schedule import learning_rate


def default(**changes: object) -> TrainPlan:
    fields: dict[str, object] = {"parameters": 10_000, "train_tokens": 50_000, "validation_tokens": 2_000}
    return TrainPlan.of(TOY, **{**fields, **changes})  # type: ignore[arg-type]


def test_rate_rises_linearly_then_falls_like_a_cosine() -> None:
    plan = toy_plan(steps=23, warmup=3, learning_rate=1.0)
    rates = [learning_rate(plan, step) for step in range(24)]
    assert rates[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert rates[13] == pytest.approx(0.5)
    assert rates[23] == pytest.approx(0, abs=1e-12)
    assert rates[3:] == sorted(rates[3:], reverse=True)


def by_numpy(plan: TrainPlan) -> np.ndarray:
    """The rates of all updates, from the formulas of the papers, with updates counted from 1."""
    number = np.arange(1, plan.steps + 1, dtype=float)
    warm = number / plan.warmup
    share = (number - 1 - plan.warmup) / (plan.steps - plan.warmup)
    after = {
        "cosine": (1 + np.cos(np.pi * share)) / 2,
        "linear": 1 - share,
        "constant": np.ones(plan.steps),
        "wsd": np.interp(share, [0, 1 - plan.decay, 1], [1, 1, 0]),
        "inverse_sqrt": np.sqrt(plan.warmup) * number**-0.5,  # min(n ** -0.5, n * warmup ** -1.5), scaled to its peak
    }[plan.schedule]
    low = plan.final_learning_rate
    return plan.learning_rate * np.where(number <= plan.warmup, warm, low + (1 - low) * after)


@pytest.mark.parametrize(
    ("schedule", "changes"),
    [
        ("cosine", {"final_learning_rate": 0.1}),
        ("linear", {"final_learning_rate": 0.1}),
        ("linear", {}),
        ("constant", {}),
        ("wsd", {"decay": 0.25, "final_learning_rate": 0.1}),
        ("wsd", {}),
        ("inverse_sqrt", {}),
    ],
)
def test_schedules_against_numpy(schedule: str, changes: dict[str, float]) -> None:
    plan = toy_plan(steps=200, warmup=20, learning_rate=0.3, schedule=schedule, **changes)
    rates = [learning_rate(plan, step) for step in range(plan.steps)]
    np.testing.assert_allclose(rates, by_numpy(plan), rtol=1e-12)
    assert max(rates) == pytest.approx(0.3)


def test_the_stable_part_of_wsd_is_stable() -> None:
    plan = toy_plan(steps=110, warmup=10, learning_rate=1.0, schedule="wsd")
    rates = [learning_rate(plan, step) for step in range(111)]
    assert rates[9:101] == pytest.approx([1.0] * 92)
    assert rates[105] == pytest.approx(0.5) and rates[110] == pytest.approx(0)


def test_wsd_by_time_decays_at_its_end() -> None:
    plan = toy_plan(steps=10**6, warmup=0, learning_rate=1.0, minutes=10, schedule="wsd", decay=0.2)
    assert [learning_rate(plan, 100, minutes) for minutes in (0, 8, 9, 10)] == pytest.approx([1, 1, 0.5, 0])


@given(steps=st.integers(1, 300), warmup=st.integers(0, 300), step=st.integers(0, 300), final=st.floats(0, 1))
def test_rate_stays_between_zero_and_peak(steps: int, warmup: int, step: int, final: float) -> None:
    plan = toy_plan(steps=steps, warmup=warmup, learning_rate=0.1, final_learning_rate=final)
    assert 0 <= learning_rate(plan, step) <= 0.1 + 1e-12


def test_time_matters_only_when_the_plan_has_minutes() -> None:
    steps, minutes = toy_plan(steps=100), toy_plan(steps=100, minutes=2)
    assert learning_rate(steps, 10, 1.0) == learning_rate(steps, 10, 0.0)
    assert learning_rate(minutes, 10, 2.0) == pytest.approx(0)
    assert learning_rate(minutes, 10, 0.0) == learning_rate(steps, 10)


def test_a_warmup_of_more_steps_than_the_time_has_ends_after_a_twentieth_of_it() -> None:
    plan = toy_plan(steps=None, minutes=10, warmup=1000, learning_rate=1.0)
    rates = [learning_rate(plan, step, step / 50) for step in range(501)]
    assert rates[20] == pytest.approx(20 / 25) and rates[25] == pytest.approx(1, abs=0.01) == max(rates)
    assert rates[25:] == sorted(rates[25:], reverse=True) and rates[500] == pytest.approx(0, abs=1e-12)


def test_a_warmup_has_ten_steps_however_long_they_take() -> None:
    plan = toy_plan(steps=None, minutes=60, warmup=150, learning_rate=1.0)
    rates = [learning_rate(plan, step, 2.5 * step) for step in range(24)]
    assert rates[2] == pytest.approx(3 / 10) and max(rates) > 0.6


@pytest.mark.parametrize("field", ["steps", "evaluate_every", "checkpoint_every"])
def test_only_time_can_stand_for_steps(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} can be left to the time only with minutes"):
        toy_plan(**{field: None})
    assert getattr(toy_plan(minutes=1, **{field: None}), field) is None


def test_the_default_is_a_pure_function_and_grows_with_the_data() -> None:
    assert default() == default()
    assert default(train_tokens=20_000).steps < default(train_tokens=50_000).steps
    assert default(train_tokens=10**12).steps == default(train_tokens=10**11).steps
    assert default(steps=7).steps == 7
    assert default(steps=7, learning_rate=0.5).learning_rate == 0.5


@pytest.mark.parametrize("tokens", [100, 50_000, 10**8])
def test_evaluation_costs_about_a_tenth(tokens: int) -> None:
    plan = default(train_tokens=tokens, validation_tokens=tokens)
    assert tokens / 3 <= 0.1 * plan.evaluate_every * plan.tokens_per_step + 1


@pytest.mark.parametrize(
    "change",
    [
        *({"steps": 0}, {"learning_rate": 0}, {"nonsense": 1}, {"dropout": 1.0}, {"window": "x"}, {"batch_size": None}),
        *({"accumulate": 0}, {"ema": 1.0}, {"patience": 0}, {"schedule": "step"}, {"lora": {"rank": 0}}),
        *({"lora": {"rank": 2, "targets": []}}, {"min_improvement": 0.1}, {"decay": 0.3}),
        {"final_learning_rate": 0.1, "schedule": "constant"},
    ],
)
def test_wrong_values(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        default(**change)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 1200, "accumulate": 2}, "1,200 steps, batches of 16, learning rate 0.003"),
        ({"minutes": 1.5}, "1.5 minutes, batches of 8, learning rate 0.003"),
        ({"steps": 9, "minutes": 2, "learning_rate": 4e-5}, "9 steps or 2 minutes, batches of 8, learning rate 4e-05"),
    ],
)
def test_a_plan_in_words(changes: dict[str, object], words: str) -> None:
    assert str(default(**{"batch_size": 8, "learning_rate": 3e-3} | changes)) == words
