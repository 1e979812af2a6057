"""What t5 and bart make of a prompt, setting by setting: searches, penalties, stop strings and streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import zoo.seq2seq
from governance.errors import ConfigError, DataError
from tests.zoo.plain_seq2seq import PlainSeq2Seq, sharpen
from tests.zoo.test_seq2seq import GREEDY, PROMPTS, SIZE, AnyModel, make_model, text_of
from zoo.generate import Sampling
from zoo.generation.decoders import AttentionDecoder
from zoo.generation.sampling import uniform
from zoo.load import LoadedModel
from zoo.seq2seq import Seq2SeqModel

BEAMS = Sampling(max_tokens=6, temperature=0, beams=3)
SEARCHES = (
    GREEDY,
    replace(GREEDY, repetition_penalty=1.6, min_tokens=6),
    Sampling(max_tokens=6, temperature=1.3, top_k=20, seed=4, repetition_penalty=1.2),
    BEAMS,
    replace(BEAMS, beams=4, length_penalty=2.0, min_tokens=3, repetition_penalty=1.5),
)
CONTRASTIVE = Sampling(max_tokens=6, temperature=0, contrastive=0.6, top_k=4)


@dataclass(frozen=True)
class Both:
    """A model with what it is without engine, cache and batch."""

    any_model: AnyModel
    plain: PlainSeq2Seq

    def expected(self, model: Seq2SeqModel, prompt: str, row: int, sampling: Sampling) -> list[int]:
        """By the definition: an answer, a prompt that goes on, or spans one after the other."""
        frame, ids = self.any_model.frame, model.encoder.lexicon.ids
        known = model.encoder.encode([prompt])[0]
        end = frame.end_id
        if model is self.any_model.answers:
            source, given, counted = frame.text(known), frame.decoder_prompt, []
        elif self.any_model.family.name == "bart":
            source, given = [ids["<s>"], *known, ids["<mask>"]], [ids["</s>"], ids["<s>"], *known]
            counted = known
        else:
            return self._spans(model, known, row, sampling)
        numbers = uniform(sampling.seed, row, sampling.max_tokens)
        return self.plain.over(source, (end,), counted).answer(given, sampling, numbers)

    def _spans(self, model: Seq2SeqModel, known: list[int], row: int, sampling: Sampling) -> list[int]:
        ids = model.encoder.lexicon.ids
        first, end = ids["<extra_id_0>"], self.any_model.frame.end_id
        stops = (end, *range(first, first + 100))
        numbers = uniform(sampling.seed, row, 1000)
        written: list[int] = []
        while True:
            text, left = [*known, *written], sampling.max_tokens - len(written)
            plain = self.plain.over([*text, first, end], stops, text)
            span = replace(sampling, max_tokens=left, min_tokens=min(1, sampling.min_tokens))
            found = plain.with_stop([ids["<pad>"], first], span, numbers[:left])
            numbers = numbers[left:]
            written += [token for token in found if token not in stops]
            is_last = found[-1] not in stops or len(found) == 1 or len(written) == sampling.max_tokens
            if is_last or (found[-1] == end and len(written) >= sampling.min_tokens):
                return written


@pytest.fixture(scope="module", autouse=True)
def one_batch_size() -> Iterator[None]:
    """Each model compiles one shape, not one for each number of prompts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.seq2seq, "BATCH_SIZES", (4,))
        yield


@pytest.fixture(scope="module", params=["t5", "bart"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    any_model = make_model(request.param, tmp_path_factory.mktemp("storage"))
    sharpen(any_model.reads.task)
    return Both(any_model, PlainSeq2Seq.of(any_model.family, any_model.reads.task, SIZE.context))


@pytest.mark.parametrize("sampling", SEARCHES)
def test_an_answer_is_what_a_plain_search_finds(both: Both, sampling: Sampling) -> None:
    for model in (both.any_model.answers, both.any_model.reads):
        expected = [text_of(model, both.expected(model, prompt, row, sampling)) for row, prompt in enumerate(PROMPTS)]
        assert model.generate(PROMPTS, sampling) == expected


def test_a_t5_that_only_read_text_writes_spans(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test above would not see how they are put together."""
    model, parts = both.any_model.reads, []
    write = model._engine.write
    monkeypatch.setattr(model._engine, "write", lambda *rows, **options: parts.append(1) or write(*rows, **options))
    for sampling in SEARCHES[1:3]:
        parts.clear()
        model.generate(PROMPTS, sampling)
        assert len(parts) > 2 if both.any_model.family.name == "t5" else len(parts) == 1


def test_settings_make_a_difference(both: Both) -> None:
    for model in (both.any_model.answers, both.any_model.reads):
        assert len({str(model.generate(PROMPTS, sampling)) for sampling in SEARCHES}) >= 4


def test_no_request_compiles_after_the_warm_up(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    model = both.any_model.answers
    model.warm_up(samplings=[Sampling(), BEAMS, CONTRASTIVE])
    monkeypatch.setattr(AttentionDecoder, "read", None)  # whoever compiles again, fails
    monkeypatch.setattr(type(model.task), "call_encoder", None)
    for sampling in (*SEARCHES, CONTRASTIVE, replace(BEAMS, beams=2, stop="e")):
        for prompt in ("", "tax", "the tax return is due " * 9):
            model.generate([prompt], replace(sampling, max_tokens=8), truncate=True)
    assert "".join(model.stream("the tax", GREEDY)) == model.generate(["the tax"], GREEDY)[0]


#: Drawn and greedy; none ends at its first token.
STREAMED = (
    Sampling(max_tokens=20, temperature=1.0, top_p=1.0, seed=4, min_tokens=20),
    Sampling(max_tokens=15, temperature=0, min_tokens=15, repetition_penalty=1.5),
)


@pytest.mark.parametrize("sampling", STREAMED)
def test_a_stream_is_the_answer_in_pieces(both: Both, sampling: Sampling) -> None:
    for model in (both.any_model.answers, both.any_model.reads):
        answer = model.generate(["the tax"], sampling)[0]
        pieces = list(model.stream("the tax", sampling))
        assert "".join(pieces) == answer
        assert len(pieces) > 2 and all(pieces)
        middle = answer[len(answer) // 2 :]
        for stop in (middle[:1], middle[:3], [middle[:2], "no such text"], answer[:1]):
            stopped = replace(sampling, stop=stop)
            expected = min((answer[: answer.index(one)] for one in stopped.stops if one in answer), key=len)
            assert model.generate(["the tax", ""], stopped)[0] == expected
            assert "".join(model.stream("the tax", stopped)) == expected


def test_work_ends_with_the_answer(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a stop string, and where nobody reads on."""
    model, calls = both.any_model.answers, []
    draw = model._engine._draw
    monkeypatch.setattr(model._engine, "_draw", lambda *arrays: calls.append(int(arrays[2])) or draw(*arrays))
    sampling = replace(STREAMED[0], max_tokens=28, min_tokens=28)
    [whole] = model.generate(["the tax"], sampling)
    model.generate(["the tax"], replace(sampling, stop="no such text"))
    assert len(calls) == 1 + 2
    calls.clear()
    model.generate(["the tax"], replace(sampling, stop=whole[:2]))
    assert len(calls) == 1
    calls.clear()
    pieces = model.stream("the tax", sampling)
    assert calls == [], "nothing is computed before it is asked for"
    next(pieces)
    assert len(calls) == 1
    pieces.close()
    assert list(pieces) == [] and len(calls) == 1


def test_min_tokens_keeps_an_answer_from_ending(both: Both) -> None:
    """Almost any token is drawn, and so are ends."""
    sampling = Sampling(max_tokens=6, temperature=20.0, top_p=1.0)
    for model in (both.any_model.answers, both.any_model.reads):
        lengths = {
            fewest: [
                len(ids)
                for first in range(0, 160, 4)
                for ids in _last(model._answers([[5]] * 4, 4, replace(sampling, min_tokens=fewest), first, ()))
            ]
            for fewest in (0, 4, 6)
        }
        assert min(lengths[0]) < 4 <= min(lengths[4]) < 6 and set(lengths[6]) == {6}


def _last(parts: Iterator[list[list[int]]]) -> list[list[int]]:
    *_, answers = parts
    return answers


def test_what_else_is_in_the_batch_does_not_matter(both: Both) -> None:
    for model in (both.any_model.answers, both.any_model.reads):
        for sampling in SEARCHES:
            together = model.generate(PROMPTS, sampling)
            assert model.generate(PROMPTS[:1], sampling) == together[:1]
            assert model.generate([PROMPTS[0], "x", "return " * 5, ""], sampling)[0] == together[0]
        five = model.generate(PROMPTS[:1] * 5, BEAMS)  # in two batches
        assert five == five[:1] * 5


def test_what_is_refused(both: Both) -> None:
    answers, reads = both.any_model.answers, both.any_model.reads
    with pytest.raises(ConfigError, match="a seq2seq model has no control codes; leave it out") as error:
        answers.generate(["x"], replace(GREEDY, control="letters"))
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="a beam search knows its answer at the end alone"):
        answers.stream("x", BEAMS)
    with pytest.raises(DataError, match="does not fit into the model's context"):
        answers.stream("x " * 60, GREEDY)
    if both.any_model.family.name == "t5":
        with pytest.raises(ConfigError, match="contrastive compares tokens of one span") as error:
            reads.generate(["x"], CONTRASTIVE)
        assert "\n" not in str(error.value)
    else:
        assert reads.generate(PROMPTS, replace(CONTRASTIVE, contrastive=1.0)) != reads.generate(PROMPTS, GREEDY)


def test_a_loaded_one_takes_every_setting(both: Both) -> None:
    model = both.any_model.answers
    loaded = LoadedModel(None, Path(), both.any_model.family, model)
    options = {"max_tokens": 6, "beams": 3, "repetition_penalty": 1.5, "min_tokens": 4, "stop": ["q"]}
    assert loaded.generate("the tax", **options) == model.generate(["the tax"], Sampling(temperature=0, **options))[0]
    drawn = {"max_tokens": 12, "temperature": 1.0, "top_k": 20, "seed": 3, "min_tokens": 12}
    assert len(list(loaded.stream("the tax", **drawn))) > 1
    assert "".join(loaded.stream("the tax", **drawn)) == loaded.generate("the tax", **drawn)
