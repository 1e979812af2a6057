"""Each strategy against NumPy and the whole forward pass, for every decoder; and what no request may do."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import ConfigError
from tests.support.fresh import AS_A_PROGRAM, run_beside
from tests.zoo.plain import CONTEXT, EOS, REQUESTS, SIZES, VOCABULARY, Plain, make_prompts
from zoo.generation.decoders import AttentionDecoder, decoder_of
from zoo.generation.engine import Engine
from zoo.generation.sampling import Sampling, uniform


@dataclass(frozen=True)
class Toy:
    plain: Plain
    engine: Engine

    def answers(self, rows: list[list[int]], size: int, sampling: Sampling, **options: Any) -> list[list[int]]:
        *_, answers = self.engine.answers(rows, size, sampling, **options)
        return answers


@functools.cache
def make_toy(name: str) -> Toy:
    plain = Plain.toy(name)
    return Toy(plain, Engine(plain.task, eos_id=EOS, vocabulary=VOCABULARY, context=CONTEXT))


@pytest.fixture(scope="module", params=sorted(SIZES))
def toy(request: pytest.FixtureRequest) -> Toy:
    return make_toy(request.param)


@pytest.mark.parametrize("sampling", REQUESTS)
def test_each_strategy_is_what_its_paper_says(toy: Toy, sampling: Sampling) -> None:
    found = toy.answers(make_prompts(), 4, sampling, first_row=2)
    randoms = [uniform(sampling.seed, 2 + row, sampling.max_tokens) for row in range(3)]
    pairs = zip(make_prompts(), randoms, strict=True)
    assert found == [toy.plain.answer(prompt, sampling, random) for prompt, random in pairs]


def test_settings_make_a_difference(toy: Toy) -> None:
    """Otherwise the test above would hold for a strategy that is never used."""
    answers = {str(toy.answers(make_prompts(), 4, replace(one, max_tokens=6, min_tokens=6))) for one in REQUESTS[:7]}
    assert len(answers) == 7


def test_parts_of_any_size_give_the_same(toy: Toy) -> None:
    for sampling in (REQUESTS[0], REQUESTS[3], REQUESTS[5]):
        whole = toy.answers(make_prompts(), 4, sampling)
        for pace in ((1,), (2, 3), (5, 100)):
            parts = list(toy.engine.answers(make_prompts(), 4, sampling, pace=pace))
            assert parts[-1] == whole, pace
            for before, after in zip(parts, parts[1:], strict=False):
                assert all(long[: len(short)] == short for short, long in zip(before, after, strict=True))


def test_an_answer_that_is_over_ends_the_work(toy: Toy) -> None:
    sampling = replace(REQUESTS[0], max_tokens=20, min_tokens=20)
    [whole] = toy.answers([[EOS, 5]], 1, sampling)
    parts = list(toy.engine.answers([[EOS, 5]], 1, sampling, pace=(3,), is_over=lambda answer: len(answer) >= 5))
    assert [len(answer) for [answer] in parts] == [3, 6]
    assert parts[-1] == [whole[:6]]


@pytest.fixture(scope="module")
def gpt() -> Toy:
    """With what batches of up to four prompts need compiled."""
    toy = make_toy("gpt")
    for sampling in (REQUESTS[0], REQUESTS[5], REQUESTS[7]):
        toy.engine.warm_up(4, CONTEXT, sampling)
    return toy


prompts = st.lists(st.integers(1, VOCABULARY - 1), max_size=CONTEXT - 9).map(lambda ids: [EOS, *ids])
drawing = st.builds(
    Sampling,
    max_tokens=st.integers(4, 8),
    temperature=st.floats(0.1, 3),
    top_k=st.none() | st.integers(1, 100),
    top_p=st.floats(0.1, 1),
    seed=st.integers(0, 2**63 - 1),
    min_tokens=st.integers(0, 4),
    repetition_penalty=st.floats(0.5, 2),
)
searching = st.builds(
    Sampling,
    max_tokens=st.integers(4, 8),
    temperature=st.just(0.0),
    min_tokens=st.integers(0, 4),
    repetition_penalty=st.floats(0.5, 2),
    beams=st.integers(1, 4),
    length_penalty=st.floats(0, 2),
)
contrasting = st.builds(
    Sampling,
    max_tokens=st.integers(4, 8),
    temperature=st.just(0.0),
    top_k=st.integers(2, 4),
    contrastive=st.floats(0.01, 1),
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(prompts, min_size=3, max_size=4), sampling=drawing | searching | contrasting)
def test_no_request_compiles_and_none_depends_on_its_batch(gpt: Toy, rows: list[list[int]], sampling: Sampling) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AttentionDecoder, "read", None)  # whoever compiles again, fails
        together = gpt.answers(rows, 4, sampling)
        alone = [gpt.answers([row], 4, sampling, first_row=index)[0] for index, row in enumerate(rows)]
    assert together == alone


@pytest.mark.slow
def test_jax_gives_the_same(gpt: Toy) -> None:
    on_jax = json.loads(run_beside(AS_A_PROGRAM, "tests.zoo.plain", "gpt", backend="jax"))
    assert on_jax == [gpt.answers(make_prompts(), 4, request) for request in REQUESTS]


def test_a_network_without_a_decoder_is_named() -> None:
    import keras_hub

    backbone = keras_hub.models.GPTNeoXBackbone(10, 1, 2, 8, 8)
    with pytest.raises(ConfigError, match="no decoder for GPTNeoXBackbone"):
        decoder_of(keras_hub.models.GPTNeoXCausalLM(backbone, preprocessor=None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0}, "top_p"),
        ({"seed": -1}, "seed"),
        ({"min_tokens": 200}, "min_tokens"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"stop": ""}, "stop must be"),
        ({"stop": ["x"] * 17}, "stop must be up to 16"),
        ({"beams": 9}, "beams must lie between 1 and 8"),
        ({"beams": 2}, "beams and contrastive search and do not draw: set temperature to 0"),
        ({"beams": 2, "length_penalty": -1, "temperature": 0}, "length_penalty"),
        ({"contrastive": 1.5}, "contrastive must lie"),
        ({"contrastive": 0.5, "temperature": 0}, "set top_k between 2 and 16"),
        ({"contrastive": 0.5, "temperature": 0, "top_k": 4, "beams": 2}, "choose one"),
        ({"temperature": 0, "top_k": 4}, "temperature 0 does not draw"),
        ({"temperature": 0, "top_p": 0.9}, "temperature 0 does not draw"),
        ({"topk": 4}, 'no setting "topk" .did you mean "top_k"'),
    ],
)
def test_wrong_settings(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        Sampling.of(**change)
    assert "\n" not in str(error.value)


def test_random_numbers_are_those_of_seed_and_row() -> None:
    np.testing.assert_array_equal(uniform(1, 2, 5), uniform(1, 2, 9)[:5])
    assert len({float(uniform(seed, row, 1)[0]) for seed in range(3) for row in range(3)}) == 9
