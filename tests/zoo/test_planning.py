"""Plans: published figures, the way back from a budget, and what cannot be planned."""

from __future__ import annotations

import importlib
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from governance.errors import ConfigError
from tests.support.workspace import run_zoo
from zoo import families
from zoo.families.base import Family, Size
from zoo.planning import HARDWARE, matmul_peak, parse_number, physical_memory, plan, training_speed


def test_chinchilla() -> None:
    estimate = plan("llama", parameters=70e9)
    assert estimate.tokens == 1_400_000_000_000
    assert estimate.flops == pytest.approx(5.88e23)  # Hoffmann et al. 2022, table 3: 5.76e23 for 67 B


def test_seven_billion_weights_cost_about_25_000_dollars() -> None:
    estimate = plan("llama", parameters=7e9)
    assert estimate.tokens == 140e9
    seconds = 6 * 7e9 * 140e9 / (312e12 * 0.4)
    assert estimate.hours == pytest.approx(seconds / 3600)
    assert estimate.price == pytest.approx(seconds / 3600 * 2.0)
    assert 20_000 < estimate.price < 30_000
    many = plan("llama", parameters=7e9, devices=64)
    assert many.hours == pytest.approx(estimate.hours / 64)
    assert many.price == pytest.approx(estimate.price)
    assert (estimate.fits, many.fits) == (False, True)


@pytest.mark.parametrize("budget", [100.0, 25_000.0, 3e6])
@pytest.mark.parametrize("hardware", sorted(HARDWARE))
def test_a_budget_buys_what_costs_as_much(budget: float, hardware: str) -> None:
    bought = plan("gpt", budget=budget, hardware=hardware)
    assert bought.price == pytest.approx(budget, rel=1e-3)
    assert bought.tokens == pytest.approx(20 * bought.parameters, rel=1e-6)
    assert plan("gpt", parameters=bought.parameters, hardware=hardware).price == pytest.approx(budget, rel=1e-3)


@pytest.mark.parametrize("tokens", [1e9, 1e12])
def test_a_budget_and_tokens_decide_the_model(tokens: float) -> None:
    bought = plan("gpt", budget=25_000.0, tokens=tokens)
    flops = 25_000 / 2.0 * 3600 * 312e12 * 0.4
    assert bought.parameters == round(flops / (6 * tokens))
    assert (bought.tokens, bought.compute_optimal_tokens) == (tokens, 20 * bought.parameters)
    assert bought.price == pytest.approx(25_000)


@pytest.mark.parametrize("model", [{"parameters": 7e9}, {"size": "small"}])
def test_a_budget_and_a_model_decide_the_tokens(model: dict[str, Any]) -> None:
    bought = plan("gpt", budget=1_000.0, devices=8, **model)
    best = plan("gpt", devices=8, **model)
    assert bought.price == pytest.approx(1_000) and bought.parameters == best.parameters
    assert bought.tokens == pytest.approx(best.tokens * 1_000 / best.price)
    assert bought.compute_optimal_tokens == best.tokens == 20 * best.parameters


def test_a_named_size_counts_attention_and_activations() -> None:
    size = families.get("gpt").size("small")
    estimate = plan("gpt", size="small", vocab_size=50_257, tokens=1e9)
    a_token = families.get("gpt").flops_per_token(size, 50_257)
    assert estimate.flops == pytest.approx(1e9 * a_token)
    assert estimate.parameters == 124_439_808
    s, b, h, a = 1024, 32, 768, 12
    activations = 12 * s * b * h * (34 + 5 * a * s / h)  # Korthikanti et al. 2022, equation 2
    logits = 2 * 4 * s * b * 50_257
    assert estimate.memory == pytest.approx(16 * 124_439_808 + activations + logits)
    assert plan("gpt", size="small", price=0.0).price == 0


@pytest.mark.parametrize(
    ("text", "number"), [("70B", 7e10), ("1.4T", 1.4e12), ("25000", 25e3), (" 8 k ", 8e3), ("1e9", 1e9), ("2g", 2e9)]
)
def test_numbers(text: str, number: float) -> None:
    assert math.isclose(parse_number(text, "x"), number)


@pytest.mark.parametrize("text", ["", "B", "-1", "0", "70BB", "1,000", "nan", "inf", "1e999"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(ConfigError, match="tokens: "):
        parse_number(text, "tokens")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of size, parameters and budget"),
        ({"tokens": 1e9}, "one of size, parameters and budget"),
        ({"size": "nano", "parameters": 1e9}, "not both"),
        ({"size": "nano", "tokens": 1e9, "budget": 1.0}, "two of model, tokens and budget"),
        ({"parameters": 1e9, "tokens": 1e9, "budget": 1.0}, "two of model, tokens and budget"),
        ({"budget": 1.0, "tokens": 1e18}, "less than one weight"),
        ({"parameters": 1e18, "budget": 1.0}, "less than one weight or one token"),
        ({"size": "nanno"}, 'did you mean "nano"'),
        ({"parameters": 1e9, "hardware": "a10"}, 'did you mean "a100"'),
        ({"parameters": 1e9, "hardware": "here"}, "give --size"),
        ({"parameters": 1e9, "devices": 0}, "devices must be at least 1"),
        ({"parameters": 1e9, "utilisation": 0}, "utilisation"),
        ({"budget": 1.0, "price": 0.0}, "a budget needs"),
        ({"size": "nano", "budget": 1.0, "hardware": "here"}, "a budget needs"),
        ({"parameters": 0.4}, "plan.parameters: must be at least 1"),
        ({"parameters": 1e9, "tokens": -5.0}, "plan.tokens: must be at least 1"),
        ({"size": "nano", "hardware": "here", "vocab_size": 4}, "plan.vocab_size"),
    ],
)
def test_what_cannot_be_planned(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan("gpt", **options)  # type: ignore[arg-type]


def test_the_command(tmp_path: Path) -> None:
    shown = run_zoo(tmp_path, "plan", "llama", "--parameters", "70B")
    assert shown.returncode == 0 and "1.4 T (20.0 for each weight)" in shown.stdout
    content = json.loads(run_zoo(tmp_path, "plan", "llama", "--parameters", "70B", "--json").stdout)
    assert content["tokens"] == 1_400_000_000_000 and content["price_per_hour"] == 2.0
    wrong = run_zoo(tmp_path, "plan", "llama", "--parameters", "seventy")
    assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1 and "seventy" in wrong.stderr


@pytest.fixture
def measured_batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch sizes that speeds were measured with: 1,000 tokens/s on a CPU of 1 TFLOP/s."""
    batches = []

    def speed(_family: Family, size: Size, _vocab_size: int) -> float:
        batches.append(size.batch_size)
        return 1_000.0

    monkeypatch.setattr("zoo.backend.dtype_policy", lambda _wanted: "float32")
    monkeypatch.setattr("zoo.planning.matmul_peak", lambda **_options: 1e12)
    monkeypatch.setattr("zoo.planning.training_speed", speed)
    return batches


def _memory_for(monkeypatch: pytest.MonkeyPatch, needed: float) -> None:
    """A machine of which a training may fill so many bytes."""
    monkeypatch.setattr("zoo.planning.physical_memory", lambda: needed / 0.8 + 2e9)


def _small_in_float32(batch: float) -> float:
    """Bytes of gpt small with 8,192 words: activations twice those of 16 bits but for the masks of dropout, logits
    once more for evaluations; for each weight 32 bytes, 40 with the gradient sums of less than 32 windows."""
    s, h, a, weights = 1024, 768, 12, 92_133_888
    activations = 12 * s * batch * h * (66 + 9 * a * s / h) + 3 * 4 * s * batch * 8192
    return activations + (32 if batch >= 32 else 40) * weights


def test_what_fits_is_measured_as_it_is_trained(monkeypatch: pytest.MonkeyPatch, measured_batches: list[int]) -> None:
    _memory_for(monkeypatch, _small_in_float32(32) + 1e6)
    estimate = plan("gpt", size="small", hardware="here", price=2.0)
    assert measured_batches == [32] and (estimate.batch_size, estimate.measured_batch_size) == (32, 32)
    assert estimate.fits is True
    assert estimate.memory == pytest.approx(_small_in_float32(32))
    assert estimate.tokens_per_second == pytest.approx(1_000)
    bought = plan("gpt", size="small", hardware="here", price=2.0, budget=10.0)
    assert bought.tokens == pytest.approx(5 * 3600 * 1_000)


@pytest.mark.parametrize(("windows", "expected"), [(31.5, 16), (15.9, 8), (3.0, 2), (1.1, 1)])
def test_a_batch_that_does_not_fit_is_measured_in_parts(
    monkeypatch: pytest.MonkeyPatch, measured_batches: list[int], windows: float, expected: int
) -> None:
    _memory_for(monkeypatch, _small_in_float32(windows))
    estimate = plan("gpt", size="small", hardware="here")
    assert measured_batches == [expected] == [estimate.measured_batch_size]
    assert estimate.fits is False and estimate.batch_size == 32
    assert estimate.memory == pytest.approx(_small_in_float32(32))


@pytest.mark.parametrize("windows", [0.9, -0.5, -2.0])
def test_a_size_of_which_nothing_fits_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, measured_batches: list[int], windows: float
) -> None:
    _memory_for(monkeypatch, _small_in_float32(windows))
    needed, there = _small_in_float32(1) / 1e9, _small_in_float32(windows) / 1e9
    with pytest.raises(ConfigError, match=f"needs {needed:.1f} GB .* fill {max(there, 0):.1f} GB .* smaller size"):
        plan("gpt", size="small", hardware="here")
    assert measured_batches == []


def test_a_host_keeps_copies_where_it_trains(monkeypatch: pytest.MonkeyPatch, measured_batches: list[int]) -> None:
    """The best weights, and weights and moments of a checkpoint: 16 bytes for each weight that a GPU does not hold."""
    recipe = families.get("gpt")
    size = replace(recipe.size("small"), context=8, batch_size=1)
    monkeypatch.setattr(families, "get", lambda _name: replace(recipe, sizes={"small": size}))
    monkeypatch.setattr("zoo.planning.physical_memory", lambda: 1e12)
    here, there = plan("gpt", size="small", hardware="here"), plan("gpt", size="small", hardware="a100")
    assert here.memory == pytest.approx(32 * here.parameters, rel=0.03)
    assert there.memory == pytest.approx(16 * there.parameters, rel=0.03)


def test_a_teacher_takes_memory() -> None:
    student, teacher = (plan(name, size="mini", vocab_size=8192) for name in ("distilbert", "bert"))
    s, b, h, a = 512, 16, 384, 6
    activations = 4 * s * b * h * (34 + 5 * a * s / h) + 2 * 4 * 0.15 * s * b * 8192
    # A distilbert is taught by a bert of twice its layers, of which only the weights stay.
    assert student.memory - 16 * student.parameters - activations == pytest.approx(4 * teacher.parameters, rel=1e-3)


TRAININGS = [
    ("gpt", 1, 1.75),
    ("gpt", 4, 1.98),
    ("gpt", 16, 2.96),
    ("t5", 1, 1.77),
    ("t5", 16, 2.40),
    ("bart", 1, 1.95),
    ("bart", 16, 3.50),
    ("bert", 16, 2.59),
    ("lstm", 1, 1.56),
    ("lstm", 16, 2.02),
]


@pytest.mark.parametrize(("family", "batch", "peak"), TRAININGS)
def test_memory_is_about_what_trainings_took(
    monkeypatch: pytest.MonkeyPatch, measured_batches: list[int], family: str, batch: int, peak: float
) -> None:
    """GB of whole processes at their peak, of the size micro on a CPU, with evaluations and a checkpoint."""
    recipe = families.get(family)
    size = replace(recipe.size("micro"), batch_size=batch)
    monkeypatch.setattr(families, "get", lambda _name: replace(recipe, sizes={"micro": size}))
    monkeypatch.setattr("zoo.planning.physical_memory", lambda: 1e12)
    memory = plan(family, size="micro", hardware="here").memory / 1e9
    assert measured_batches == [batch]
    assert 1.4 + memory == pytest.approx(peak, rel=0.2)  # libraries and compiler took about 1.4
    assert 2 + memory / 0.8 > peak, "said to fit, and killed"


@pytest.mark.parametrize(("limit", "share"), [("max", 1.0), ("4096", 0.0), (str(2**63 - 4096), 1.0)])
def test_the_limit_of_a_container_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, share: float
) -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    (tmp_path / "limit").write_text(f"{limit}\n")
    monkeypatch.setattr("zoo.planning._MEMORY_LIMITS", (tmp_path / "absent", tmp_path / "limit"))
    assert physical_memory() == (whole if share else 4096)


def test_the_command_says_how_it_measured(
    monkeypatch: pytest.MonkeyPatch, measured_batches: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    from zoo.cli.commands import run_plan

    for windows, batch, advice in (
        (4.5, 4, "does not fit into the 13.1 GB of this machine's memory that a training may fill: "),
        (32.5, 32, "fits into the "),
    ):
        _memory_for(monkeypatch, _small_in_float32(windows))
        run_plan("gpt", "small", 8192, {"tokens": "1B"}, {"hardware": "here"}, False)
        shown = capsys.readouterr().out
        assert f"1,000 tokens/s, measured with {batch} of 32 windows in a step" in shown
        assert f"\n          {advice}" in shown
        assert "GB for training state, its copies and the activations of a batch" in shown
        assert ("train with --batch-size 4 --set accumulate=8" in shown) == (batch == 4)
        assert "compute-optimal are 20: 1.84 B" in shown


@pytest.mark.parametrize(("ratios", "code"), [((0.81, 1.19), 0), ((1.0, 1.21), 1), ((0.79, 1.0), 1)])
def test_the_benchmark_fails_beyond_20_percent(
    monkeypatch: pytest.MonkeyPatch, ratios: tuple[float, float], code: int
) -> None:
    benchmark = importlib.import_module("benchmarks.plan")
    of_size = dict(zip(("nano", "micro"), ratios, strict=True))
    monkeypatch.setattr(benchmark, "predict", lambda _family, size, *_rest: 10 * of_size[size])
    monkeypatch.setattr(benchmark, "train", lambda *_given: (10.0, 1.0))
    monkeypatch.setattr("sys.argv", ["plan.py", "--sizes", "nano", "micro"])
    assert benchmark.main() == code


_SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("distilbert", "ernie")]


@pytest.mark.parametrize("family", ["gpt", "roberta", *_SLOW])
def test_this_machine_is_measured(family: str) -> None:
    from tests.zoo.toy import TOYS

    speed = training_speed(families.get(family), TOYS[family], 64, steps=2)
    assert 0 < speed < 1e9
    assert matmul_peak(seconds=0.1) > 1e8
