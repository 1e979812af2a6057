"""The size dial: names, shapes, counts."""

from __future__ import annotations

import numpy as np
import pytest

from governance.errors import ConfigError
from zoo import families
from zoo.families import Size
from zoo.families.gpt import SIZES

GPT = families.get("gpt")
VOCABULARY = 8192


def test_wrong_names_say_what_was_meant() -> None:
    with pytest.raises(ConfigError, match='did you mean "gpt"'):
        families.get("gtp")
    with pytest.raises(ConfigError, match='did you mean "nano"'):
        GPT.size("nanno")
    assert families.names() == ["gpt"]


def test_a_name_is_given_once() -> None:
    assert families.register(GPT) is GPT
    other = type(GPT)(**{**GPT.__dict__, "shape": "encoder"})
    with pytest.raises(ConfigError, match="already"):
        families.register(other)
    assert families.get("gpt") is GPT


def test_the_dial_goes_from_about_a_million_to_gpt2_xl() -> None:
    counts = [GPT.parameters(size, 50_257) for size in SIZES.values()]
    assert counts == sorted(counts)
    assert 0.8e6 < GPT.non_embedding_parameters(SIZES["nano"], VOCABULARY) < 2e6
    assert GPT.parameters(SIZES["xl"], 50_257) == 1_557_611_200  # as published with GPT-2
    assert GPT.parameters(SIZES["small"], 50_257) == 124_439_808
    rates = [size.learning_rate for size in SIZES.values()]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("size", list(SIZES.values()), ids=list(SIZES))
def test_shapes_fit_together(size: Size) -> None:
    assert size.width % size.heads == 0
    assert size.context & (size.context - 1) == 0


@pytest.mark.parametrize("name", ["nano", "micro"])
def test_counts_are_those_of_the_built_model(name: str) -> None:
    size = GPT.size(name)
    task = GPT.build(size, VOCABULARY)
    assert task.count_params() == GPT.parameters(size, VOCABULARY)
    tables = [weight for weight in task.trainable_weights if "embedding" in weight.path]
    assert sum(int(np.prod(weight.shape)) for weight in tables) == GPT.embedding_parameters(size, VOCABULARY)


def test_flops_are_six_per_multiplied_weight_and_attention() -> None:
    size = Size("x", layers=2, width=8, heads=2, context=16, learning_rate=1e-3, batch_size=1)
    multiplied = GPT.parameters(size, 100) - GPT.embedding_parameters(size, 100) + 100 * 8
    assert GPT.flops_per_token(size, 100) == 6 * multiplied + 12 * 2 * 8 * 16
    assert GPT.flops_per_token(size, 100, window=4) == 6 * multiplied + 12 * 2 * 8 * 4


def test_initial_weights_are_a_function_of_shape_and_seed() -> None:
    size = Size("x", layers=1, width=8, heads=2, context=16, learning_rate=1e-3, batch_size=1)
    first = GPT.build(size, 50, seed=3)
    GPT.build(size, 60, seed=9)  # what was built before has no influence
    again, other = GPT.build(size, 50, seed=3), GPT.build(size, 50, seed=4)
    for one, same in zip(first.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(first.trainable_weights[0], other.trainable_weights[0])
    dropout_seeds = [tuple(np.array(v)) for v in first.non_trainable_variables]
    assert len(set(dropout_seeds)) == len(dropout_seeds)
