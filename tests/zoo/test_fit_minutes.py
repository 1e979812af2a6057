"""A training by time: it uses up its minutes, over restarts too, and its rate falls to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.zoo.toy import toy_fit
from zoo.fit import Callback, TrainPlan, loop
from zoo.objectives import CausalLM
from zoo.reporting import TrainingProgress
from zoo.screen import Screen

ONE_MINUTE = {"steps": None, "minutes": 1.0, "evaluate_every": None, "checkpoint_every": None, "jit": False}


class Clock:
    """Stands still but for what a test says takes time, and a moment at each look at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1e-5
        return self.now

    def slow(self, seconds: float, work: Callable[..., Any]) -> Callable[..., Any]:
        def slowly(*args: Any, **options: Any) -> Any:
            self.now += seconds
            return work(*args, **options)

        return slowly


class Observer(Callback):
    """Notes when things happen; breaks off after an update."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.started = 0
        self.seconds: list[float] = []
        self.checkpoints: list[int] = []
        self.stop_after = stop_after

    def on_start(self, step: int, losses: Any, evaluations: Any) -> None:
        self.started = step

    def on_time(self, elapsed_seconds: float) -> None:
        self.seconds.append(elapsed_seconds)

    def on_step(self, step: int, loss: float, tokens_per_second: float) -> None:
        if step == self.stop_after:
            raise KeyboardInterrupt

    def on_checkpoint(self, step: int, path: Path) -> None:
        self.checkpoints.append(step)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    return clock


@pytest.fixture
def slow_batches(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Each update waits a second for its batch."""
    stream = CausalLM.stream

    def slowly(*args: Any) -> Iterator[Any]:
        for batch in stream(*args):
            clock.now += 1
            yield batch

    monkeypatch.setattr(CausalLM, "stream", slowly)
    return clock


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    rates: list[float] = []
    rate = loop.learning_rate

    def noted(plan: TrainPlan, step: int, elapsed_minutes: float) -> float:
        rates.append(rate(plan, step, elapsed_minutes))
        return rates[-1]

    monkeypatch.setattr(loop, "learning_rate", noted)
    return rates


def test_the_minutes_are_used_up_and_the_rate_falls_to_its_end(
    slow_batches: Clock, rates: list[float], tmp_path: Path
) -> None:
    observer = Observer()
    result = toy_fit(tmp_path, observer, learning_rate=1e-3, **ONE_MINUTE)
    assert result.steps == 60 and 60 <= observer.seconds[-1] < 61
    assert [evaluation.step for evaluation in result.evaluations] == [*range(0, 61, 6)]
    assert observer.checkpoints == [*range(0, 61, 3)]
    assert max(rates) > 0.99e-3 and rates[-1] < 1e-6
    assert rates[3:] == sorted(rates[3:], reverse=True)


def test_the_time_before_a_restart_counts(slow_batches: Clock, rates: list[float], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        toy_fit(tmp_path, Observer(stop_after=35), **ONE_MINUTE)
    observer = Observer()
    result = toy_fit(tmp_path, observer, **ONE_MINUTE)
    assert 30 < observer.started <= 35
    assert result.steps == 60 and 60 <= observer.seconds[-1] < 61
    assert rates[36] == pytest.approx(rates[observer.started], rel=1e-3), "it goes on from the rate it had"
    assert rates[-1] < 1e-3 * max(rates)


@pytest.mark.slow
def test_writing_checkpoints_counts(slow_batches: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loop, "snapshot", slow_batches.slow(2.5, loop.snapshot))
    result = toy_fit(tmp_path, Observer(), **ONE_MINUTE | {"evaluate_every": 10**6})
    assert result.steps == pytest.approx(60 - 3 * 2.5, abs=1), "three, since each takes as long as ten others should"


@pytest.mark.slow
def test_evaluations_that_take_long_are_rare(
    slow_batches: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first one compiles, which says nothing of the next."""
    evaluate, seconds = loop.evaluate, iter([20.0, *[1.0] * 99])
    monkeypatch.setattr(loop, "evaluate", lambda *a, **o: slow_batches.slow(next(seconds), evaluate)(*a, **o))
    steps = [evaluation.step for evaluation in toy_fit(tmp_path, **ONE_MINUTE).evaluations]
    assert steps[:4] == pytest.approx([0, 6, 16, 26], abs=1)


@pytest.mark.slow
def test_spacing_in_steps_is_kept(slow_batches: Clock, tmp_path: Path) -> None:
    result = toy_fit(tmp_path, **ONE_MINUTE | {"evaluate_every": 25})
    assert [evaluation.step for evaluation in result.evaluations] == [0, 25, 50, 60]


def test_the_first_of_steps_and_minutes_ends_it(slow_batches: Clock, tmp_path: Path) -> None:
    options = ONE_MINUTE | {"checkpoint_every": 1000, "evaluate_every": 1000}
    assert toy_fit(tmp_path / "steps", **options | {"steps": 20}).steps == 20
    assert toy_fit(tmp_path / "minutes", **options | {"steps": 1000}).steps == 60


def test_the_bar_shows_seconds() -> None:
    shown: list[tuple[str, int, int]] = []

    class Noted(Screen):
        def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
            shown.append((stage, done, total))

    plan = TrainPlan(**{"batch_size": 1, "window": 1, "learning_rate": 1.0, **ONE_MINUTE})  # type: ignore[arg-type]
    progress = TrainingProgress(Noted(), plan)
    for step, seconds in enumerate((0.5, 30.2, 60.9)):
        progress.on_time(seconds)
        progress.on_step(step, 1.0, 100.0)
    assert shown == [("train (seconds)", done, 60) for done in (0, 30, 60)]
