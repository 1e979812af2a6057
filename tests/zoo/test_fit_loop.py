"""The loop: it learns, evaluates before it updates, repeats itself bit for bit, and goes on after a kill."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from governance.errors import ConfigError, DataError, FingerprintMismatch
from tests.support.fresh import AS_A_PROGRAM, run_beside
from tests.zoo.toy import (
    LONG,
    OBJECTIVES,
    VOCABULARY,
    RunTokens,
    ToyTokens,
    toy_fit,
    toy_plan,
    toy_task,
)
from zoo import families
from zoo.cli.settings import parse_settings
from zoo.fit import Callback, Evaluation, FitResult, fit
from zoo.fit.evaluate import evaluate
from zoo.objectives import CausalLM


class Diary(Callback):
    def __init__(self, stop_after: int | None = None) -> None:
        self.events: list[tuple[str, int]] = []
        self.losses: list[float] = []
        self.stop_after = stop_after

    def on_start(self, step: int, losses: Sequence[float], evaluations: Sequence[Evaluation]) -> None:
        self.events.append(("start", step))
        self.losses = list(losses)

    def on_step(self, step: int, loss: float, tokens_per_second: float) -> None:
        assert tokens_per_second > 0
        self.events.append(("step", step))
        self.losses.append(loss)
        if step == self.stop_after:
            raise KeyboardInterrupt

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        of_sources = {name for name in metrics if name.startswith("val_bits_per_byte.")}
        assert set(metrics) - of_sources == {"val_loss", "val_bits_per_byte"}
        self.events.append(("evaluate", step))

    def on_checkpoint(self, step: int, path: Path) -> None:
        assert path.is_file()
        self.events.append(("checkpoint", step))

    def on_end(self, step: int) -> None:
        self.events.append(("end", step))


def test_order_of_events(tmp_path: Path) -> None:
    diary = Diary()
    toy_fit(tmp_path, diary, steps=6, evaluate_every=3, checkpoint_every=4, jit=False)
    assert diary.events == [
        ("start", 0),
        ("evaluate", 0),
        ("checkpoint", 0),
        *[("step", step) for step in range(3)],
        ("evaluate", 3),
        ("step", 3),
        ("checkpoint", 4),
        *[("step", step) for step in (4, 5)],
        ("evaluate", 6),
        ("checkpoint", 6),
        ("end", 6),
    ]


def test_it_learns_and_reports(tmp_path: Path) -> None:
    result = toy_fit(tmp_path, steps=150, evaluate_every=75)
    assert result.steps == len(result.losses) == 150
    assert [evaluation.step for evaluation in result.evaluations] == [0, 75, 150]
    metrics = result.metrics
    untrained = math.log(VOCABULARY) / math.log(2) / 3  # the toy text has three bytes a token
    assert metrics["untrained_bits_per_byte"] == pytest.approx(untrained, rel=0.05)
    assert metrics["val_bits_per_byte"] == pytest.approx(metrics["val_loss"] / math.log(2) / 3)
    assert metrics["val_bits_per_byte"] < 0.75 * untrained
    assert metrics["val_bits_per_byte"] <= metrics["last_bits_per_byte"]
    assert metrics["tokens_per_second"] > 0
    assert metrics["compile_seconds"] > 0


def test_two_runs_are_the_same_bit_for_bit(tmp_path: Path) -> None:
    """With XLA: `test_kill.py` and `test_every_family.py`."""
    first, second = (toy_fit(tmp_path / name, jit=False) for name in "ab")
    assert first.losses == second.losses
    assert first.evaluations == second.evaluations
    assert toy_fit(tmp_path / "c", jit=False, seed=8).losses != first.losses


@pytest.mark.parametrize(
    ("family", "tokens", "changes"),
    [
        ("llama", ToyTokens(), {"steps": 150}),
        ("lstm", ToyTokens(), {"steps": 150}),
        ("roberta", RunTokens(3000, 1000), {"steps": 300, "window": 32}),
        ("bert", RunTokens(3000, 1000), {"steps": 300, "window": 32}),
        ("ernie", RunTokens(3000, 1000), {"steps": 300, "window": 32}),
    ],
)
def test_each_family_learns(tmp_path: Path, family: str, tokens: ToyTokens, changes: dict[str, int]) -> None:
    rarely = dict.fromkeys(("evaluate_every", "checkpoint_every"), changes["steps"])
    metrics = toy_fit(tmp_path, family=family, tokens=tokens, jit=False, **changes, **rarely).metrics
    untrained = math.log(VOCABULARY) / math.log(2) / 3  # the toy text has three bytes a token
    assert metrics["untrained_bits_per_byte"] == pytest.approx(untrained, rel=0.06)
    assert metrics["val_bits_per_byte"] < 0.75 * untrained


@pytest.mark.parametrize(("family", "steps"), [("t5", 300), ("bart", 200)])
def test_what_is_hidden_can_be_restored(tmp_path: Path, family: str, steps: int) -> None:
    tokens, rarely = RunTokens(3000, 1000), dict.fromkeys(("evaluate_every", "checkpoint_every"), steps)
    metrics = toy_fit(tmp_path, family=family, tokens=tokens, window=32, steps=steps, jit=False, **rarely).metrics
    assert metrics["val_bits_per_byte"] < 0.5 * metrics["untrained_bits_per_byte"]


def test_a_student_learns_what_its_teacher_knows(tmp_path: Path) -> None:
    options = {"tokens": RunTokens(3000, 1000), "window": 32, "evaluate_every": 400, "checkpoint_every": 400}
    options |= {"jit": False}
    plan = toy_plan(steps=300, **{name: value for name, value in options.items() if name != "tokens"})
    teacher = toy_task(plan, "bert")
    learned = fit(
        teacher,
        options["tokens"],
        plan,
        family=families.get("bert"),
        objective=OBJECTIVES["bert"],
        fingerprint="f",
        checkpoints=tmp_path / "teacher",
    ).metrics
    before = [np.array(weight) for weight in teacher.weights]
    taught = toy_fit(tmp_path / "student", family="distilbert", teacher=teacher, steps=100, **options)
    assert taught.metrics["untrained_bits_per_byte"] > taught.metrics["val_bits_per_byte"]
    assert taught.metrics["val_bits_per_byte"] < 1.2 * learned["val_bits_per_byte"]
    for weight, same in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(weight, same)  # a teacher does not learn


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FitResult]:
    """Each training once, for all the moments at which its like is broken off."""
    known: dict[str, FitResult] = {}

    def train(**options: Any) -> FitResult:
        name = json.dumps(options)
        if name not in known:
            known[name] = toy_fit(tmp_path_factory.mktemp("whole"), **options)
        return known[name]

    return train


@pytest.mark.parametrize(
    ("family", "stop_after", "changes"),
    [
        *(("gpt", stop_after, {}) for stop_after in (0, 3, 4, 6, 11)),
        ("distilbert", 6, {}),  # has a second model that must stay; all the others: test_every_family.py
        ("gpt", 6, {"accumulate": 2, "ema": 0.8, "schedule": "wsd"}),
        ("gpt", 6, {"lora": {"rank": 2}, "ema": 0.8}),
        ("lstm", 6, {"lora": {"rank": 2}}),
        ("gpt", 6, {"patience": 1, "min_improvement": 9.0, "steps": 100}),
    ],
)
def test_a_run_that_is_broken_off_goes_on(
    tmp_path: Path, undisturbed: Callable[..., FitResult], family: str, stop_after: int, changes: dict[str, Any]
) -> None:
    options = {"family": family, "jit": False, **changes}  # with XLA: test_kill.py
    whole = undisturbed(**options)
    with pytest.raises(KeyboardInterrupt):
        toy_fit(tmp_path / "parts", Diary(stop_after), **options)
    diary = Diary()
    result = toy_fit(tmp_path / "parts", diary, **options)
    assert diary.events[0] == ("start", stop_after // 4 * 4)
    assert diary.losses == list(whole.losses)
    assert result.losses == whole.losses
    assert result.evaluations == whole.evaluations


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = toy_fit(tmp_path, jit=False)
    diary = Diary()
    again = toy_fit(tmp_path, diary, jit=False)
    assert (again.losses, again.evaluations) == (first.losses, first.evaluations)
    assert not [event for event in diary.events if event[0] in ("step", "evaluate")]


@pytest.mark.slow
def test_killed_processes_together_lose_nothing_on_jax(tmp_path: Path) -> None:
    """SIGKILL at any moment, twice in one training; the losses equal the undisturbed ones. On TensorFlow the
    whole path is killed so, end to end."""
    backend = "jax"
    undisturbed = json.loads(_start(tmp_path / "whole", backend).communicate()[0].splitlines()[-1])
    random = np.random.default_rng(0)
    for kill in range(2):
        process = _start(tmp_path / "killed", backend)
        assert process.stdout is not None
        events = 0
        for line in process.stdout:
            if "step" in json.loads(line) or "checkpoint" in json.loads(line):
                events += 1
            if events > 2 + 3 * kill + random.integers(0, 8):
                break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    output = _start(tmp_path / "killed", backend).communicate()[0].splitlines()
    resumed = json.loads(output[-1])
    assert json.loads(output[0]).get("step", 0) > 0 or json.loads(output[0]).get("checkpoint", 0) > 0
    assert resumed["losses"] == undisturbed["losses"]
    assert resumed["metrics"]["val_loss"] == undisturbed["metrics"]["val_loss"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="plain"),
        pytest.param(["batch_size=2", "accumulate=2", "ema=0.9"], id="micro-batches"),
        pytest.param(["lora.rank=16", "lora.alpha=16", "lora.targets=['*']", "ema=0.9"], id="lora"),
    ],
)
def test_jax_makes_the_same_training(tmp_path: Path, words: list[str]) -> None:
    """Without dropout, whose masks the backends draw differently, only rounding differs."""
    arguments = ("tests.zoo.toy", str(tmp_path / "jax"), "dropout=0", *words)
    on_jax = json.loads(run_beside(AS_A_PROGRAM, *arguments, backend="jax"))
    here = toy_fit(tmp_path / "here", dropout=0.0, jit=False, **LONG, **parse_settings(words))
    assert len(on_jax["losses"]) == LONG["steps"] and here.losses[-1] < 0.95 * here.losses[0]
    np.testing.assert_allclose([float.fromhex(loss) for loss in on_jax["losses"]], here.losses, rtol=2e-3)
    assert on_jax["metrics"]["val_loss"] == pytest.approx(here.metrics["val_loss"], rel=2e-3)


def _start(folder: Path, backend: str, *changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.zoo.toy", str(folder), *changes],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"KERAS_BACKEND": backend},
    )


def test_another_run_is_refused(tmp_path: Path) -> None:
    toy_fit(tmp_path, steps=1)
    with pytest.raises(FingerprintMismatch, match="fingerprint f, this run has g"):
        toy_fit(tmp_path, steps=1, fingerprint="g")


def test_minutes_end_a_training(tmp_path: Path) -> None:
    result = toy_fit(tmp_path, steps=10**6, minutes=0.02, jit=False, checkpoint_every=10**6)
    assert 0 < result.steps < 10**6
    assert result.evaluations[-1].step == result.steps


def test_a_loss_that_is_not_finite_stops(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lower learning rate"):
        toy_fit(tmp_path, learning_rate=1e30, warmup=0, jit=False)


def test_what_does_not_fit_together(tmp_path: Path) -> None:
    plan = toy_plan(window=9)
    task = toy_task(plan)
    with pytest.raises(ConfigError, match="context of 8"):
        fit(
            task,
            ToyTokens(),
            plan,
            family=families.get("gpt"),
            objective=CausalLM(),
            fingerprint="f",
            checkpoints=tmp_path,
        )
    tokens = ToyTokens()
    tokens.vocab_size = 38
    with pytest.raises(ConfigError, match="38 words"):
        fit(
            task,
            tokens,
            toy_plan(),
            family=families.get("gpt"),
            objective=CausalLM(),
            fingerprint="f",
            checkpoints=tmp_path,
        )


@pytest.mark.parametrize("size", [1, 7, 32, 33, 100])
def test_evaluation_sees_each_token_once(size: int) -> None:
    split = ToyTokens(validation=size).split("validation")
    validation = CausalLM().validation(split, batch_size=4, window=8)
    assert (validation.tokens, validation.bytes) == (size, split.bytes)
    batches = list(validation.batches)
    names = ("inputs", "targets", "weights")
    inputs, targets, weights = (np.concatenate([batch[name] for batch in batches]).ravel() for name in names)
    assert weights.sum() == size
    np.testing.assert_array_equal(targets[:size], split.ids)
    assert inputs[0] == split.eos_id
    np.testing.assert_array_equal(inputs[1:size], split.ids[:-1])


def test_bits_per_byte_of_a_known_case() -> None:
    split = ToyTokens(validation=50).split("validation")
    result = evaluate(
        lambda batch: batch["weights"] * np.float32(math.log(8)), CausalLM(), split, batch_size=2, window=8, step=3
    )
    assert result == Evaluation(3, pytest.approx(math.log(8)), pytest.approx(1.0))


def test_nothing_to_evaluate(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="validation"):
        split = ToyTokens(validation=0).split("validation")
        evaluate(lambda batch: np.zeros(1), CausalLM(), split, batch_size=1, window=1, step=0)
