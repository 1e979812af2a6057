"""Plans: published figures, the way back from a budget, and what cannot be planned."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from governance.errors import ConfigError
from tests.support.workspace import run_zoo
from zoo import families
from zoo.planning import HARDWARE, matmul_peak, parse_number, plan, training_speed


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
        ({"size": "nano", "budget": 1.0}, "one of size, parameters and budget"),
        ({"size": "nanno"}, 'did you mean "nano"'),
        ({"parameters": 1e9, "hardware": "a10"}, 'did you mean "a100"'),
        ({"parameters": 1e9, "hardware": "here"}, "give --size"),
        ({"parameters": 1e9, "devices": 0}, "devices must be at least 1"),
        ({"parameters": 1e9, "utilisation": 0}, "utilisation"),
        ({"budget": 1.0, "price": 0.0}, "a budget needs"),
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


@pytest.mark.parametrize("family", ["distilbert", "ernie", "gpt", "roberta"])
def test_this_machine_is_measured(family: str) -> None:
    from tests.zoo.toy import TOYS

    speed = training_speed(families.get(family), TOYS[family], 64, steps=2)
    assert 0 < speed < 1e9
    assert matmul_peak(seconds=0.1) > 1e8
