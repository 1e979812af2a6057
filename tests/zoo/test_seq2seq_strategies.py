"""Each strategy of t5 and bart against NumPy and the whole forward pass; and what no request may do."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import ConfigError
from tests.support.fresh import AS_A_PROGRAM, run_beside
from tests.zoo.plain import CONTEXT, EOS, REQUESTS, VOCABULARY
from tests.zoo.plain_seq2seq import ALL, NAMES, PlainSeq2Seq, make_engine, make_requests, written
from tests.zoo.test_strategies import contrasting, drawing, searching
from zoo.generation.decoders import AttentionDecoder
from zoo.generation.encoder_decoders import encoder_decoder_of
from zoo.generation.engine import Engine, Request
from zoo.generation.sampling import Sampling, uniform


@functools.cache
def engine_of(name: str, *other_stops: int) -> Engine:
    return make_engine(PlainSeq2Seq.toy(name).task, other_stops=other_stops)


def expected(name: str, request: Request, row: int, sampling: Sampling, stops: tuple[int, ...] = (EOS,)) -> list[int]:
    plain = PlainSeq2Seq.toy(name).over(request.source, stops)
    numbers = uniform(sampling.seed, row, request.drawn + request.new)[request.drawn :]
    return plain.answer(list(request.ids), replace(sampling, max_tokens=request.new), numbers)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sampling", ALL)
def test_each_strategy_is_what_its_paper_says(name: str, sampling: Sampling) -> None:
    requests = make_requests(sampling)
    found = written(engine_of(name), requests, sampling, first_row=2)
    assert found == [expected(name, request, 2 + row, sampling) for row, request in enumerate(requests)]


@pytest.mark.parametrize("name", NAMES)
def test_settings_and_sources_make_a_difference(name: str) -> None:
    """Otherwise the test above would hold for a strategy that is never used, and a source that is not read."""
    samplings = [replace(one, max_tokens=6, min_tokens=6) for one in ALL[:7]]
    answers = {str(written(engine_of(name), make_requests(one), one)) for one in samplings}
    assert len(answers) == 7
    found = set()
    for source in ([5, 9, 17, 2], [40], [33, 21, 50] * 9):
        requests = [request._replace(source=source) for request in make_requests(samplings[1])]
        found.add(str(written(engine_of(name), requests, samplings[1])))
    assert len(found) == 3


@pytest.mark.parametrize("sampling", [REQUESTS[index] for index in (0, 2, 3, 7, 8)])
def test_several_stops_and_lengths_that_differ(sampling: Sampling) -> None:
    """As spans need it: any of some tokens ends an answer, each row may write a number of its own, and draws on."""
    others = tuple(range(30, VOCABULARY))
    stops = (EOS, *others)
    first, second, third = make_requests(sampling)
    requests = [first._replace(new=2, drawn=3), second._replace(new=sampling.max_tokens), third._replace(new=0)]
    *_, answers = engine_of("t5", *others).write(requests, 4, sampling)
    for row, (request, answer) in enumerate(zip(requests[:2], answers, strict=False)):
        ids = expected("t5", request, row, sampling, stops)
        assert answer.ids == ids
        assert (answer.stop is None) == (len(ids) == request.new) and (answer.stop is None or answer.stop in stops)
    assert answers[2] == ([], None)


def test_rows_of_unequal_lengths_search_as_they_do_alone() -> None:
    sampling = replace(REQUESTS[7], length_penalty=2.0)
    first, second, third = make_requests(sampling)
    requests = [first._replace(new=1), second._replace(new=3), third._replace(new=9)]
    found = written(engine_of("bart"), requests, sampling)
    assert found == [expected("bart", request, row, sampling) for row, request in enumerate(requests)]


def test_tokens_that_count_as_written_are_penalised() -> None:
    sampling = replace(REQUESTS[0], repetition_penalty=1.5, min_tokens=8)
    request = make_requests(sampling)[2]
    [alone] = written(engine_of("bart"), [request], sampling)
    [found] = written(engine_of("bart"), [request._replace(seen=request.ids[1:])], sampling)
    plain = PlainSeq2Seq.toy("bart").over(request.source, counted=request.ids[1:])
    assert found == plain.answer(list(request.ids), sampling, np.zeros(sampling.max_tokens)) != alone


def test_parts_of_any_size_give_the_same() -> None:
    for sampling in (REQUESTS[0], REQUESTS[3], REQUESTS[5]):
        requests = make_requests(sampling)
        whole = written(engine_of("t5"), requests, sampling)
        for pace in ((1,), (2, 3), (5, 100)):
            parts = [[one.ids for one in found] for found in engine_of("t5").write(requests, 4, sampling, pace=pace)]
            assert parts[-1] == whole and (pace[0] > 2 or len(parts) > 1)
            for before, after in zip(parts, parts[1:], strict=False):
                assert all(long[: len(short)] == short for short, long in zip(before, after, strict=True))


def test_the_source_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, calls = engine_of("bart"), []
    encode = engine._encode
    assert encode is not None
    monkeypatch.setattr(engine, "_encode", lambda *arrays: calls.append(1) or encode(*arrays))
    sampling = replace(REQUESTS[0], min_tokens=8)
    assert len(list(engine.write(make_requests(sampling), 4, sampling, pace=(1,)))) == 8
    assert len(calls) == 1


@pytest.fixture(scope="module")
def warm() -> Engine:
    """With what batches of up to four prompts need compiled."""
    engine = make_engine(PlainSeq2Seq.toy("t5").task)
    for sampling in (REQUESTS[0], REQUESTS[5], REQUESTS[7]):
        engine.warm_up(4, CONTEXT, sampling)
    return engine


tokens = st.integers(1, VOCABULARY - 1)
some_requests = st.builds(
    Request,
    ids=st.lists(tokens, min_size=1, max_size=CONTEXT - 8),
    new=st.integers(4, 8),
    source=st.lists(tokens, min_size=1, max_size=CONTEXT),
    seen=st.lists(tokens, max_size=5),
    drawn=st.integers(0, 9),
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(some_requests, min_size=3, max_size=4), sampling=drawing | searching | contrasting)
def test_no_request_compiles_and_none_depends_on_its_batch(
    warm: Engine, rows: list[Request], sampling: Sampling
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AttentionDecoder, "read", None)  # whoever compiles again, fails
        patch.setattr(type(PlainSeq2Seq.toy("t5").task), "call_encoder", None)
        together = written(warm, rows, sampling)
        alone = [written(warm, [row], sampling, first_row=index)[0] for index, row in enumerate(rows)]
    assert together == alone


def test_a_table_may_have_more_rows_than_the_tokenizer_has_words() -> None:
    """As imported models do: what is beyond the words is never written."""
    sampling = replace(REQUESTS[1], temperature=3.0, repetition_penalty=0.5)
    engine = Engine(PlainSeq2Seq.toy("t5").task, eos_id=EOS, vocabulary=20, context=CONTEXT)
    for one in (sampling, replace(REQUESTS[7], min_tokens=6)):
        requests = [Request([2], one.max_tokens, source=[3, 4]) for _ in range(4)]
        found = written(engine, requests, one)
        assert all(len(ids) >= 6 and max(ids) < 20 for ids in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t5", "bart"])
def test_jax_gives_the_same(name: str) -> None:
    on_jax = json.loads(run_beside(AS_A_PROGRAM, "tests.zoo.plain_seq2seq", name, backend="jax"))
    assert on_jax == [written(engine_of(name), make_requests(request), request) for request in ALL]


def test_a_network_without_a_decoder_is_named() -> None:
    class Task:
        backbone = None

    with pytest.raises(ConfigError, match="no decoder for NoneType"):
        encoder_decoder_of(Task())  # type: ignore[arg-type]
