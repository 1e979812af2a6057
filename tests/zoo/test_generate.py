"""Generation: same answer for the same request, no compiling after the warm-up, presets in a new process."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo.cli.app
import zoo.measure
from governance.errors import ConfigError, DataError
from pipelines.tokenizers import TokenizerFiles, load_encoder, train_tokenizer
from tests.pipelines.tiny import tiny_version
from tests.support.fresh import run_beside
from zoo import families
from zoo.families import Family, Size
from zoo.generate import Sampling, TextModel, choose
from zoo.generation.decoders import AttentionDecoder
from zoo.generation.engine import Engine
from zoo.generation.sampling import from_served, served_defaults
from zoo.load import LoadedModel
from zoo.preset import load_preset, save_preset

SIZE = Size("toy", layers=1, width=16, heads=2, context=32, learning_rate=1e-2, batch_size=4)
SHORT = Sampling(max_tokens=6, temperature=1.0, top_p=1.0)


@dataclass(frozen=True)
class AnyModel:
    family: Family
    files: TokenizerFiles
    text_model: TextModel


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFiles:
    storage = tmp_path_factory.mktemp("storage")
    return train_tokenizer(tiny_version(), kind="bpe", vocab_size=300, storage=storage)


@pytest.fixture(scope="module")
def model(files: TokenizerFiles) -> TextModel:
    task = families.get("gpt").build(SIZE, files.vocab_size, seed=5)
    return TextModel(task, load_encoder(files.folder), context=SIZE.context)


#: A toy of each family; rates such that an untrained model has clear favourites.
SIZES = {"gpt": SIZE, "llama": replace(SIZE, layers=2, heads=4), "lstm": replace(SIZE, layers=2, heads=0)}


@pytest.fixture(scope="module", params=sorted(SIZES))
def any_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AnyModel:
    family = families.get(request.param)
    storage = tmp_path_factory.mktemp("storage")
    files = train_tokenizer(tiny_version(), kind=family.tokenizer, vocab_size=300, storage=storage)
    task = family.build(SIZES[family.name], files.vocab_size, seed=5)
    for weight in task.trainable_weights:
        weight.assign(3 * np.asarray(weight))  # clearer favourites than an untrained model has
    return AnyModel(family, files, TextModel(task, load_encoder(files.folder), context=SIZE.context))


def logits_of(task: Any, ids: Any, family: Family) -> np.ndarray:
    return np.array(family.logits(task, {"inputs": keras.ops.convert_to_tensor(ids, "int32")}, training=False))


def logits_after(model: TextModel, ids: list[int]) -> np.ndarray:
    return logits_of(model.task, [ids], families.get("gpt"))[0, -1]


def test_greedy_takes_the_most_likely_token_each_time(any_model: AnyModel) -> None:
    """The cache gives what the whole forward pass gives, also for prompts of unequal lengths."""
    model = any_model.text_model
    prompts = ["the tax", "a return of the", ""]
    answers = model.generate(prompts, Sampling(max_tokens=6, temperature=0))
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = [model.frame.prompt_id, *model.encoder.encode([prompt])[0]]
        known = len(ids)
        for _ in range(6):
            ids.append(int(logits_of(model.task, [ids], any_model.family)[0, -1].argmax()))
        expected = ids[known:]
        if model.eos_id in expected:
            expected = expected[: expected.index(model.eos_id)]
        assert answer == model.encoder.decode(expected)


def test_no_position_sees_what_comes_after_it(any_model: AnyModel) -> None:
    ids = np.random.default_rng(0).integers(0, 300, (2, 12))
    changed = ids.copy()
    changed[:, 7:] = (changed[:, 7:] + 1) % 300
    before, after = (logits_of(any_model.text_model.task, each, any_model.family) for each in (ids, changed))
    np.testing.assert_allclose(before[:, :7], after[:, :7], rtol=1e-4, atol=1e-5)
    assert np.abs(before[:, 7:] - after[:, 7:]).max() > 0.01


def test_an_answer_depends_on_prompt_and_seed_alone(model: TextModel) -> None:
    alone = model.generate(["the tax"], SHORT)
    assert model.generate(["the tax"], SHORT) == alone
    assert model.generate(["the tax", "a longer prompt, return of a dependent"], SHORT, truncate=True)[0] == alone[0]
    seeds = {model.generate(["the tax"], Sampling(max_tokens=6, temperature=1.0, seed=seed))[0] for seed in range(4)}
    assert len(seeds) > 1


def test_samples_differ_and_do_not_depend_on_their_number(model: TextModel) -> None:
    seventeen = model.generate([""] * 17, SHORT)
    assert len(seventeen) == 17
    assert len(set(seventeen)) > 10
    assert model.generate([""] * 16, SHORT) == seventeen[:16]


def test_no_request_compiles_after_the_warm_up(model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model.warm_up()
    monkeypatch.setattr(AttentionDecoder, "read", None)  # whoever compiles again, fails
    others = [{"top_k": 3, "seed": 9}, {"max_tokens": 1, "temperature": 0}, {"top_p": 0.1}]
    for sampling in (SHORT, *(replace(SHORT, **other) for other in others)):
        for prompt in ("", "tax", "the tax return is due " * 9):
            model.generate([prompt], sampling, truncate=True)


def test_a_prompt_that_does_not_fit_is_refused_not_cut(model: TextModel) -> None:
    """The context of 32 tokens holds the end of the text before, 25 of the prompt and 6 of the answer."""
    fits = model.encoder.decode(model.encoder.encode(["x " * 60])[0][:25])
    assert len(model.encoder.encode([fits])[0]) == 25
    model.generate([fits], SHORT)
    with pytest.raises(DataError, match="a prompt of 26 tokens and max_tokens=6 .* 32; shorten it to 25 tokens"):
        model.generate(["short", fits + "x"], SHORT)
    with pytest.raises(ConfigError, match="max_tokens must be below the model's context of 32"):
        model.generate(["short"], Sampling(max_tokens=32))


def test_long_prompts_lose_their_beginning(model: TextModel) -> None:
    tail = "return of a dependent spouse"
    ids = model.encoder.encode(["x " * 60 + tail])[0]
    cut = model.encoder.decode(ids[-(SIZE.context - 4) :])
    sampling = Sampling(max_tokens=4, temperature=0)
    known = model.encoder.encode([cut])[0]
    expected = int(logits_after(model, known[-(SIZE.context - 4) :]).argmax())
    answer = model.generate(["x " * 60 + tail], sampling, truncate=True)[0]
    assert answer.startswith(model.encoder.decode([expected])) or expected == model.eos_id


def test_generation_ends_at_the_end_of_text(model: TextModel) -> None:
    row = [model.eos_id, *model.encoder.encode(["the tax"])[0]]
    greedy = Sampling(max_tokens=20, temperature=0)
    likeliest = int(logits_after(model, row).argmax())
    engine = Engine(model.task, eos_id=likeliest, vocabulary=model.encoder.vocab_size, context=SIZE.context)
    assert list(engine.answers([row], 1, greedy, pace=(5,))) == [[[]]], "nothing is chosen after the end"
    assert len(model.generate(["the tax"], greedy)[0]) > 0


#: Drawn and greedy; none ends at its first token.
STREAMED = (SHORT, replace(SHORT, seed=4, max_tokens=20, min_tokens=20), Sampling(max_tokens=15, temperature=0))


@pytest.mark.parametrize("sampling", STREAMED)
def test_a_stream_is_the_answer_in_pieces(model: TextModel, sampling: Sampling) -> None:
    answer = model.generate(["the tax"], sampling)[0]
    pieces = list(model.stream("the tax", sampling))
    assert "".join(pieces) == answer
    assert len(pieces) > 1 and all(pieces)
    middle = answer[len(answer) // 2 :]
    for stop in (middle[:1], middle[:3], [middle[:2], "no such text"], answer[:1]):
        stopped = replace(sampling, stop=stop)
        expected = min((answer[: answer.index(one)] for one in stopped.stops if one in answer), key=len)
        assert model.generate(["the tax", ""], stopped)[0] == expected
        assert "".join(model.stream("the tax", stopped)) == expected


def test_who_stops_reading_stops_the_work(model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    draw = model._engine._draw
    monkeypatch.setattr(model._engine, "_draw", lambda *arrays: calls.append(1) or draw(*arrays))
    pieces = model.stream("the tax", replace(SHORT, max_tokens=24))
    assert calls == [], "nothing is computed before it is asked for"
    next(pieces)
    assert len(calls) == 1
    pieces.close()
    assert list(pieces) == [] and len(calls) == 1


def test_a_stream_refuses_at_once(model: TextModel) -> None:
    with pytest.raises(ConfigError, match="a beam search knows its answer at the end alone"):
        model.stream("the tax", Sampling(temperature=0, beams=2))
    with pytest.raises(DataError, match="exceed the model's context"):
        model.stream("x " * 60, SHORT)


def test_a_setting_is_open_to_every_way_of_asking(any_model: AnyModel) -> None:
    names = {field.name for field in fields(Sampling)}
    assert set(served_defaults()) == names | {"truncate"}
    assert names < set(inspect.signature(zoo.cli.app.query).parameters)
    plain = {"max_tokens": 64, "temperature": 0.0}
    defaults = from_served(served_defaults())
    assert defaults.pop("truncate") is False
    assert Sampling.of(**defaults) == Sampling.of(**plain)
    served = from_served(served_defaults() | {"temperature": 1.0, "top_k": 3, "stop": "x"})
    assert (served["top_k"], served["stop"], served["truncate"]) == (3, "x", False)
    loaded = LoadedModel(None, Path(), any_model.family, any_model.text_model)
    options = {"max_tokens": 6, "temperature": 1.0, "top_k": 20, "seed": 3}
    answer = loaded.generate("the tax", **options)
    assert answer == any_model.text_model.generate(["the tax"], Sampling(**options))[0]
    assert "".join(loaded.stream("the tax", **options)) == answer
    with pytest.raises(ConfigError, match='no setting "top_q" .did you mean "top_p"'):
        loaded.generate("the tax", top_q=0.5)


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ((1.0, 10, 1.0, 1), {2}),  # greedy
        ((1.0, 1, 1.0, 0), {2}),
        ((1.0, 2, 1.0, 0), {2, 0}),
        ((1.0, 10, 0.5, 0), {2}),
        ((1.0, 10, 0.75, 0), {2, 0}),
        ((1.0, 10, 1.0, 0), {0, 1, 2, 3}),
        ((1e-3, 10, 1.0, 0), {2}),
    ],
)
def test_candidates(settings: tuple[float, ...], allowed: set[int]) -> None:
    probabilities = np.array([0.2, 0.1, 0.6, 0.1])
    random = np.linspace(0, 1, 1000, endpoint=False, dtype=np.float32)[:, None]
    logits = np.repeat(np.log(probabilities)[None].astype(np.float32), 1000, axis=0)
    drawn = np.array(choose(logits, random, np.array(settings, np.float32)))
    assert set(drawn.tolist()) == allowed
    expected = np.where(np.isin(np.arange(4), list(allowed)), probabilities, 0)
    if settings[0] == 1.0:
        found = np.bincount(drawn, minlength=4) / 1000
        np.testing.assert_allclose(found, expected / expected.sum(), atol=0.002)


def test_a_preset_is_the_same_model_in_a_new_process(any_model: AnyModel, tmp_path: Path) -> None:
    folder = tmp_path / "preset"
    family, files, model = any_model.family, any_model.files, any_model.text_model
    save_preset(model.task, files.folder, folder, family=family, context=SIZE.context)
    assert [path.name for path in tmp_path.iterdir()] == ["preset"]
    script = (
        "import sys, json, keras_hub, numpy as np\n"
        + (f"import {family.keras_classes}\n" if family.keras_classes else "")
        + "task = keras_hub.models.CausalLM.from_preset(sys.argv[1])\n"  # plain keras-hub, without our code
        "ids = task.preprocessor.tokenizer('the tax return')\n"
        "inputs = {'token_ids': np.array([ids]), 'padding_mask': np.ones((1, len(ids)))}\n"
        "inputs = {name: inputs[name] for name in task.input}\n"
        "text = task.generate('the tax', max_length=12)\n"
        "print(json.dumps([list(map(int, ids)), np.array(task(inputs))[0, -1].tolist(), text]))\n"
    )
    ids, logits, text = json.loads(run_beside(script, str(folder)))
    assert text.startswith("the tax")
    assert ids == model.encoder.encode(["the tax return"])[0]
    np.testing.assert_allclose(logits, logits_of(model.task, [ids], family)[0, -1], rtol=1e-4, atol=1e-5)
    loaded_family, loaded = load_preset(folder)
    assert (loaded_family, loaded.context) == (family, SIZE.context)
    assert loaded.generate(["the tax"], SHORT) == model.generate(["the tax"], SHORT)
    with pytest.raises(DataError, match="exists already"):
        save_preset(model.task, files.folder, folder, family=family, context=SIZE.context)
    for vocabulary in folder.glob("assets/tokenizer/vocabulary.json"):
        vocabulary.write_text("[]")  # JSON, but no vocabulary
        with pytest.raises(DataError, match="no saved model"):
            load_preset(folder)


def test_no_preset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no saved model"):
        load_preset(tmp_path)


def test_bits_per_byte_hold_few_documents_at_once(any_model: AnyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents that fill a window each give the same number, whether they are held together or one by one."""
    model, family = any_model.text_model, any_model.family
    texts = ["the tax return of a dependent " * 2, "a dependent spouse and the tax", "x"]
    ids = [model.frame.document(model.encoder.encode([text])[0]) for text in texts]
    together = zoo.measure.bits_per_byte(model, family, iter(texts))
    monkeypatch.setattr(zoo.measure, "_CHUNK", 1)
    apart = zoo.measure.bits_per_byte(model, family, iter(texts))
    nats = 0.0
    for document in ids:
        inputs, targets = [model.eos_id, *document[:-1]], document
        for start in range(0, len(document), SIZE.context):
            window = slice(start, start + SIZE.context)
            logits = logits_of(model.task, [inputs[window]], family)[0].astype(np.float64)
            probabilities = np.exp(logits - logits.max(axis=-1, keepdims=True))
            probabilities /= probabilities.sum(axis=-1, keepdims=True)
            nats -= np.log(probabilities[np.arange(len(probabilities)), targets[window]]).sum()
    assert apart == pytest.approx(nats / np.log(2) / sum(map(len, texts)), rel=1e-4)
    assert together == pytest.approx(apart, rel=0.2)
    with pytest.raises(DataError, match="no text to measure"):
        zoo.measure.bits_per_byte(model, family, [])
