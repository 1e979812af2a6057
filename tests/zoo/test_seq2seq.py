"""Models of encoder and decoder in use: the cache gives what the whole forward pass gives, presets, pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo.measure
import zoo.seq2seq
from governance.errors import ConfigError, DataError
from pipelines.tokenizers import TokenizerFiles, load_encoder, train_tokenizer
from tests.pipelines.tiny import TinyVersion, tiny_version
from tests.support.fresh import run_beside
from tests.zoo.toy import RunTokens, toy_fit
from zoo import families
from zoo.encode import EncoderModel
from zoo.families import Family, Size
from zoo.fit import TrainPlan
from zoo.fit.step import Loss, make_optimizer, make_steps
from zoo.generate import Sampling
from zoo.generation.decoders import AttentionDecoder
from zoo.generation.engine import Request, Written
from zoo.load import LoadedModel
from zoo.objectives.seq2seq import PairFrame, make_batch, nats
from zoo.preset import load_preset, save_preset
from zoo.seq2seq import Seq2SeqModel

SIZE = Size("toy", layers=2, width=16, heads=2, context=32, learning_rate=1e-2, batch_size=4)
WORDS = {"t5": 420, "bart": 300}
GREEDY = Sampling(max_tokens=6, temperature=0)
DRAWN = Sampling(max_tokens=6, temperature=1.0, top_p=1.0)
PROMPTS = ["the tax", "a return of the", ""]


@dataclass(frozen=True)
class AnyModel:
    """A task as it is after reading text alone, and as it is after learning from pairs."""

    family: Family
    files: TokenizerFiles
    reads: Seq2SeqModel
    answers: Seq2SeqModel

    @property
    def frame(self) -> PairFrame:
        return PairFrame.of(self.reads.encoder.lexicon)

    def logits(self, source: list[int], decoder: list[int]) -> np.ndarray:
        """Of the next token, by the whole forward pass, without padding."""
        from keras import ops

        rows = {"inputs": [source], "padding_mask": [[1] * len(source)], "decoder_inputs": [decoder]}
        batch = {name: ops.convert_to_tensor(np.array(row, np.int32)) for name, row in rows.items()}
        return np.array(self.family.logits(self.reads.task, batch, False))[0, -1]

    def greedy(self, source: list[int], decoder: list[int], new: int, stops: set[int]) -> list[int]:
        """The likeliest tokens, one after the other, the stop included."""
        found: list[int] = []
        while len(found) < new and not stops & set(found):
            found.append(int(self.logits(source, [*decoder, *found]).argmax()))
        return found


@pytest.fixture(scope="module", autouse=True)
def one_batch_size() -> Iterator[None]:
    """Each model compiles one shape, not one for each number of prompts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.seq2seq, "BATCH_SIZES", (4,))
        yield


@pytest.fixture(scope="module", params=["t5", "bart"])
def any_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AnyModel:
    return make_model(request.param, tmp_path_factory.mktemp("storage"))


def make_model(name: str, storage: Path) -> AnyModel:
    family = families.get(name)
    files = train_tokenizer(tiny_version(), kind=family.tokenizer, vocab_size=WORDS[family.name], storage=storage)
    task = family.build(SIZE, files.vocab_size, seed=5)
    for weight in task.trainable_weights:
        if not weight.path.endswith(("embeddings", "weight", "gamma")):
            weight.assign(2 * np.asarray(weight))  # clearer favourites than an untrained model has
    encoder = load_encoder(files.folder)
    reads, answers = (
        Seq2SeqModel(task, encoder, context=SIZE.context, objective=objective)
        for objective in (family.objective, "pairs")
    )
    return AnyModel(family, files, reads, answers)


def text_of(model: Seq2SeqModel, ids: list[int]) -> str:
    """Up to the end; of special tokens nothing is written."""
    return model.encoder.decode([token for token in ids if model.encoder.lexicon.words.bytes[token]])


def test_an_answer_is_what_the_whole_forward_pass_gives(any_model: AnyModel) -> None:
    """The prompt is the encoder's input as it is, also beside prompts of other lengths."""
    frame, model = any_model.frame, any_model.answers
    end = frame.end_id
    for prompt, answer in zip(PROMPTS, model.generate(PROMPTS, GREEDY), strict=True):
        source = [*frame.before, *model.encoder.encode([prompt])[0], end]
        ids = any_model.greedy(source, frame.decoder_prompt, 6, {end})
        assert answer == text_of(model, ids[: ids.index(end)] if end in ids else ids)


def test_a_model_that_only_read_text_continues_it(any_model: AnyModel) -> None:
    """T5 fills in one span after the other, each a question of its own; BART goes on after the prompt."""
    frame, model = any_model.frame, any_model.reads
    ids_of = model.encoder.lexicon.ids
    parts = 0
    for prompt, answer in zip(PROMPTS, model.generate(PROMPTS, GREEDY), strict=True):
        known = model.encoder.encode([prompt])[0]
        written: list[int] = []
        if any_model.family.name == "bart":
            source = [ids_of["<s>"], *known, ids_of["<mask>"]]
            decoder = [ids_of["</s>"], ids_of["<s>"], *known]
            written = any_model.greedy(source, decoder, 6, {frame.end_id})
        else:
            first = ids_of["<extra_id_0>"]
            stops = {frame.end_id, *range(first, first + 100)}
            while len(written) < 6:
                source = [*known, *written, first, frame.end_id]
                found = any_model.greedy(source, [ids_of["<pad>"], first], 6 - len(written), stops)
                parts += 1
                written += [token for token in found if token not in stops]
                if found[-1] == frame.end_id or found[0] in stops:
                    break
        written = written[: written.index(frame.end_id)] if frame.end_id in written else written
        assert answer == text_of(model, written)
    assert any_model.family.name == "bart" or parts > len(PROMPTS), "no answer had several parts"


def test_an_answer_depends_on_prompt_and_seed_alone(any_model: AnyModel) -> None:
    for model in (any_model.reads, any_model.answers):
        alone = model.generate(["the tax"], DRAWN)
        assert model.generate(["the tax"], DRAWN) == alone
        assert model.generate(["the tax", "a longer prompt, return of a"], DRAWN)[0] == alone[0]
        assert len({model.generate(["the tax"], replace(DRAWN, seed=seed))[0] for seed in range(4)}) > 1
        five = model.generate([""] * 5, DRAWN)  # in two batches
        assert len(set(five)) > 2 and model.generate([""] * 4, DRAWN) == five[:4]
        assert model.generate([], DRAWN) == []


def test_no_request_compiles_after_the_warm_up(any_model: AnyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in (any_model.reads, any_model.answers):
        model.warm_up()
        with monkeypatch.context() as patch:
            patch.setattr(AttentionDecoder, "read", None)  # whoever compiles again, fails
            patch.setattr(type(model.task), "call_encoder", None)
            for change in ({"top_k": 3, "seed": 9}, {"max_tokens": 1, "temperature": 0}, {"top_p": 0.1}):
                for prompt in ("", "tax", "the tax return is due " * 9):
                    model.generate([prompt], replace(DRAWN, **change), truncate=True)
    assert any_model.reads.lengths() == [32]


def test_a_prompt_that_does_not_fit_is_refused_not_cut(any_model: AnyModel) -> None:
    words = any_model.reads.encoder.encode(["x " * 60])[0]
    around = {("t5", True): 2 + 6, ("t5", False): 1, ("bart", True): 2 + 6, ("bart", False): 2}
    for model in (any_model.reads, any_model.answers):
        room = SIZE.context - around[any_model.family.name, model is any_model.reads]
        fits, longer = (model.encoder.decode(words[:length]) for length in (room, room + 1))
        model.generate([fits], GREEDY)
        with pytest.raises(DataError, match=f"a prompt of {room + 1} tokens .* 32 .*; shorten it to {room} tokens"):
            model.generate(["short", longer], GREEDY)
        with pytest.raises(ConfigError, match="max_tokens=32 leaves no room"):
            model.generate(["short"], Sampling(max_tokens=32))
    with pytest.raises(DataError, match="UTF-8"):
        any_model.answers.generate(["\ud800"])


def test_what_is_cut_from_a_prompt(any_model: AnyModel) -> None:
    """A task's prefix stays; of a text that goes on, its end."""
    for model, kept in ((any_model.answers, "tax "), (any_model.reads, " return")):
        ids = model.encoder.encode(["tax " + "x " * 60 + " return"])[0]
        room = model._asking.room(SIZE.context, 6)
        cut = ids[:room] if model is any_model.answers else ids[-room:]
        text = model.encoder.decode(cut)
        assert kept in text
        assert model.generate([model.encoder.decode(ids)], GREEDY, truncate=True) == model.generate([text], GREEDY)


def test_samples_are_long_enough_to_show_what_was_learned_by_heart(any_model: AnyModel) -> None:
    """A model that is sure of a secret says it in full, though T5's spans are short."""
    model = any_model.reads
    secret = model.encoder.encode([" secret"])[0]

    class Sure:
        """Writes the secret; a T5 the next three tokens of it, then a stop."""

        def write(self, requests: list[Request], *rest: Any, **options: Any) -> Iterator[list[Written]]:
            answers = []
            for request in requests:
                in_parts = any_model.family.name == "t5"
                read = len(request.source) - 2 if in_parts else 0  # without what stands around a text
                new = min(3, request.new) if in_parts else request.new
                ids = [secret[(read + step) % len(secret)] for step in range(new)]
                answers.append(Written([*request.written, *ids], 3 if in_parts and request.new > 3 else None))
            yield answers

    sure = Seq2SeqModel(model.task, model.encoder, context=SIZE.context, objective=any_model.family.objective)
    sure._engine = Sure()  # type: ignore[assignment]
    sample = sure.sample([""], seed=1)[0]
    assert sample.startswith(" secret") and len(model.encoder.encode([sample])[0]) == 16
    samples = model.sample(["the tax", "the tax", "", "x" * 500], seed=1)
    assert samples == model.sample(["the tax", "the tax", "", "x" * 500], seed=1) and samples[0] != samples[1]


def test_what_a_loaded_one_can_do(any_model: AnyModel) -> None:
    loaded = LoadedModel(None, Path(), any_model.family, any_model.reads)
    assert loaded.generate("the tax", max_tokens=6) == any_model.reads.generate(["the tax"], GREEDY)[0]
    assert loaded.generate(PROMPTS, max_tokens=6) == any_model.reads.generate(PROMPTS, GREEDY)
    with pytest.raises(ConfigError, match="is a seq2seq model and fills no masks; use generate"):
        loaded.fill("<mask>")
    assert not isinstance(loaded.text_model, EncoderModel)
    texts = ["the tax return of a dependent " * 3, "a dependent"]
    assert 0 < loaded.bits_per_byte(texts) < 30


def test_a_preset_is_the_same_model_in_a_new_process(any_model: AnyModel, tmp_path: Path) -> None:
    family, files, model = any_model.family, any_model.files, any_model.reads
    for name, objective in (("reads", None), ("answers", "pairs")):
        folder = tmp_path / name
        save_preset(model.task, files.folder, folder, family=family, context=SIZE.context, objective=objective)
        loaded_family, loaded = load_preset(folder)
        assert loaded_family is family and isinstance(loaded, Seq2SeqModel)
        assert type(loaded._asking) is type(getattr(any_model, name)._asking)
        for one, other in zip(loaded.task.weights, model.task.weights, strict=True):
            np.testing.assert_array_equal(one, other)
    assert loaded.encoder.encode(PROMPTS) == model.encoder.encode(PROMPTS) and loaded.context == SIZE.context
    script = (
        "import sys, json, keras_hub, numpy as np\n"
        "task = keras_hub.models.Seq2SeqLM.from_preset(sys.argv[1])\n"  # plain keras-hub, without our code
        "task.compile(sampler='greedy', run_eagerly=True)\n"
        "inputs = task.preprocessor.generate_preprocess(['the tax'], sequence_length=7)\n"
        "ids = np.array(inputs['encoder_token_ids'])[0][np.array(inputs['encoder_padding_mask'])[0] > 0]\n"
        "print(json.dumps([ids.tolist(), task.generate(['the tax'], max_length=8)[0]]))\n"
    )
    ids, text = json.loads(run_beside(script, str(tmp_path / "answers")))
    assert ids == any_model.frame.text(model.encoder.encode(["the tax"])[0])
    ours = any_model.answers.generate(["the tax"], replace(GREEDY, max_tokens=8))[0]
    assert text and ours.startswith(text.rstrip("\ufffd")), "keras-hub's generate answers the same"


def reverse_or_copy(draw: np.random.Generator) -> tuple[str, str]:
    word = "".join("abcdefgh"[index] for index in draw.integers(0, 8, draw.integers(2, 7)))
    return (f"copy: {word}", word) if draw.random() < 0.5 else (f"reverse: {word}", word[::-1])


class Pairs:
    """As much of an objective as a training step needs."""

    nats = staticmethod(nats)


@pytest.mark.slow
def test_a_task_prefix_says_what_to_do(tmp_path: Path) -> None:
    """Trained on pairs, a toy reverses or copies words that it has not seen, as the prefix says."""
    family = families.get("t5")
    version = TinyVersion({"train": [*"abcdefgh", "copy: reverse: "] * 3})
    files = train_tokenizer(version, kind="t5", vocab_size=385, storage=tmp_path)
    encoder = load_encoder(files.folder)
    frame = PairFrame.of(encoder.lexicon)
    size = replace(SIZE, width=32, heads=4)
    task = family.build(size, files.vocab_size, seed=1)
    plan = TrainPlan(steps=400, batch_size=64, window=32, learning_rate=1e-2)
    steps = make_steps(Loss(task, family, Pairs()), make_optimizer(task, plan), jit=True)  # type: ignore[arg-type]
    draw = np.random.default_rng(0)
    for step in range(plan.steps):
        pairs = [reverse_or_copy(draw) for _ in range(plan.batch_size)]
        sides = [[frame.text(ids) for ids in encoder.encode(list(texts))] for texts in zip(*pairs, strict=True)]
        batch = make_batch(
            list(zip(*sides, strict=True)), pad_id=frame.pad_id, start_id=frame.start_id, lengths=(24, 10)
        )
        steps.train(batch, plan.learning_rate * min(1.0, step / 20, (plan.steps - step) / 100))
    unseen = [reverse_or_copy(np.random.default_rng(10**6 + number)) for number in range(100)]
    model = Seq2SeqModel(task, encoder, context=32, objective="pairs")
    answers = model.generate([prompt for prompt, _ in unseen], Sampling(max_tokens=10, temperature=0))
    right = [answer == expected for answer, (_, expected) in zip(answers, unseen, strict=True)]
    assert sum(right) >= 95, "0.95 exact match"


def losses_and_answers(name: str, folder: str, tokenizer: str) -> tuple[list[float], list[str]]:
    """Of a training and of a fresh model, on the backend of this process."""
    compiled = {"jit": keras.backend.backend() == "jax"}  # TensorFlow's graphs are as exact, and quicker to make
    options = {"window": 32, "dropout": 0.0, "steps": 12, **compiled}
    losses = toy_fit(Path(folder), family=name, tokens=RunTokens(900, 100), **options).losses
    family, encoder = families.get(name), load_encoder(Path(tokenizer))
    task = family.build(SIZE, encoder.vocab_size, seed=5)
    model = Seq2SeqModel(task, encoder, context=SIZE.context, objective=family.objective)
    return list(losses), model.generate(PROMPTS, GREEDY)


ON_JAX = (
    "import json, sys\n"
    "from tests.zoo.test_seq2seq import losses_and_answers\n"
    "print(json.dumps(losses_and_answers(*sys.argv[1:])))\n"
)


@pytest.mark.slow
def test_jax_makes_the_same_training_and_answers(any_model: AnyModel, tmp_path: Path) -> None:
    arguments = any_model.family.name, str(any_model.files.folder)
    here = losses_and_answers(arguments[0], str(tmp_path / "here"), arguments[1])
    there = json.loads(run_beside(ON_JAX, arguments[0], str(tmp_path / "jax"), arguments[1], backend="jax"))
    np.testing.assert_allclose(there[0], here[0], rtol=2e-3)
    assert there[1] == here[1] and any(here[1])
