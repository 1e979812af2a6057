"""Encoders in use: embeddings, words for masks, samples; saved and loaded in a new process."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from governance.errors import ConfigError, DataError
from pipelines.tokenizers import TokenizerFiles, load_encoder, train_tokenizer
from tests.pipelines.tiny import tiny_version
from tests.support.fresh import run_beside
from zoo import families
from zoo.encode import EncoderModel
from zoo.families import Family, Size
from zoo.load import LoadedModel
from zoo.preset import load_preset, save_preset

SIZE = Size("toy", layers=1, width=16, heads=2, context=32, learning_rate=1e-2, batch_size=4)


@dataclass(frozen=True)
class Encoder:
    family: Family
    files: TokenizerFiles
    model: EncoderModel

    def inputs(self, ids: list[int]) -> dict[str, np.ndarray]:
        inputs = {"token_ids": np.array([ids]), "padding_mask": np.ones((1, len(ids)), np.int32)}
        if self.family.name == "bert":
            inputs["segment_ids"] = np.zeros((1, len(ids)), np.int32)
        return inputs

    def states(self, ids: list[int]) -> np.ndarray:
        found = self.model.task.backbone(self.inputs(ids), training=False)
        return np.array(found["sequence_output"] if isinstance(found, dict) else found)[0]


@pytest.fixture(scope="module", params=["roberta", "bert", "distilbert"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    family = families.get(request.param)
    storage = tmp_path_factory.mktemp("s")
    files = train_tokenizer(tiny_version(), kind=family.tokenizer, vocab_size=300, storage=storage)
    task = family.build(SIZE, files.vocab_size, seed=5)
    for weight in task.trainable_weights:
        weight.assign(3 * np.asarray(weight))
    model = EncoderModel(task, load_encoder(files.folder), family=family, context=SIZE.context)
    return Encoder(family, files, model)


def framed(encoder: Encoder, text: str) -> list[int]:
    lexicon = encoder.model.encoder.lexicon
    return [lexicon.special("first"), *encoder.model.encoder.encode([text])[0], lexicon.frame.end_id]


def test_an_embedding_is_the_normalised_mean_of_the_states(encoder: Encoder) -> None:
    texts = ["the tax", "a return of a dependent", "", "tax"]
    embeddings = encoder.model.embed(texts)
    assert embeddings.shape == (4, 16) and embeddings.dtype == np.float32
    for text, embedding in zip(texts, embeddings, strict=True):
        mean = encoder.states(framed(encoder, text)).mean(axis=0)
        np.testing.assert_allclose(embedding, mean / np.linalg.norm(mean), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(encoder.model.embed(texts[:1])[0], embeddings[0], rtol=1e-5, atol=1e-6)
    assert encoder.model.embed(["tax"] * 17).shape == (17, 16)
    assert encoder.model.embed([]).shape == (0, 16)


def test_a_mask_gets_the_likeliest_tokens(encoder: Encoder) -> None:
    lexicon = encoder.model.encoder.lexicon
    filled = encoder.model.fill("the <mask> is <mask>.", top_k=300)
    the, rest = encoder.model.encoder.encode(["the"])[0], encoder.model.encoder.encode([" is"])[0]
    ids = [lexicon.special("first"), *the, lexicon.special("mask"), *rest, lexicon.special("mask")]
    ids += [*encoder.model.encoder.encode(["."])[0], lexicon.frame.end_id]
    positions = [index for index, token in enumerate(ids) if token == lexicon.special("mask")]
    batch = {"inputs": np.array([ids], np.int32), "positions": np.array([positions], np.int32)}
    import keras

    logits = np.array(
        encoder.family.logits(encoder.model.task, keras.tree.map_structure(keras.ops.convert_to_tensor, batch), False)
    )[0].astype(np.float64)
    expected = np.exp(logits - logits.max(axis=-1, keepdims=True))
    expected /= expected.sum(axis=-1, keepdims=True)
    for guesses, row in zip(filled, expected, strict=True):
        found = [guess.probability for guess in guesses]
        assert found == sorted(found, reverse=True) and sum(found) == pytest.approx(1, abs=1e-4)
        np.testing.assert_allclose(found[:5], sorted(row, reverse=True)[:5], rtol=1e-3)


def test_samples_continue_texts_by_what_the_model_expects(encoder: Encoder) -> None:
    texts = ["the tax return of a dependent", "the tax return of a dependent", "", "x" * 500]
    samples = encoder.model.sample(texts, seed=1)
    assert samples == encoder.model.sample(texts, seed=1) != encoder.model.sample(texts, seed=2)
    assert samples[0] != samples[1], "chance differs between texts"
    assert not any(token in "".join(samples) for token in encoder.model.encoder.lexicon.kind.special_tokens)
    assert encoder.model.sample(texts[:1], seed=1) == samples[:1]


def test_what_a_model_knows_by_heart_is_in_its_samples(encoder: Encoder) -> None:
    """A model that is sure of the letters of a secret, one after the other, is caught saying it."""
    model = encoder.model
    secret = model.encoder.encode([" secret"])[0]
    sure = copy.copy(model)
    start = 1 + len(model.encoder.encode(["the tax"])[0])

    def probabilities(ids: np.ndarray, mask: np.ndarray, positions: np.ndarray) -> np.ndarray:
        rows = np.zeros((*positions.shape, model.encoder.vocab_size), np.float32)
        for row, asked in np.ndindex(positions.shape):
            step = positions[row, asked] - start
            right = step == 0 or ids[row, start + step - 1] == secret[(step - 1) % len(secret)]
            rows[row, asked, secret[step % len(secret)] if right else 5] = 1
        return rows

    sure._probabilities = probabilities
    assert sure.sample(["the tax"], seed=3)[0].strip().startswith("secret secret")


def test_what_does_not_fit_is_refused(encoder: Encoder) -> None:
    long = "x " * 99 + "x"
    with pytest.raises(DataError, match="exceeds the model's context of 32; shorten it to 30 tokens"):
        encoder.model.embed([long])
    assert encoder.model.embed([long], truncate=True).shape == (1, 16)
    with pytest.raises(DataError, match="exceeds the model's context"):
        encoder.model.fill(long + " <mask>")
    with pytest.raises(DataError, match="UTF-8"):
        encoder.model.embed(["\ud800"])
    with pytest.raises(ConfigError, match="top_k"):
        encoder.model.fill("the <mask>", top_k=0)
    with pytest.raises(ConfigError, match="1 to 32 times <mask>"):
        encoder.model.fill("no mask")
    loaded = LoadedModel(None, Path(), encoder.family, encoder.model)
    with pytest.raises(
        ConfigError, match=f"{encoder.family.name} is an encoder and generates no text; use embed or fill"
    ):
        loaded.generate("the tax")
    assert loaded.bits_per_byte(["the tax return of a dependent"]) > 0
    for method in (loaded.embed, loaded.bits_per_byte):
        with pytest.raises(ConfigError, match="a list of texts"):
            method("the tax")


def test_a_preset_is_the_same_model_in_a_new_process(encoder: Encoder, tmp_path: Path) -> None:
    folder = tmp_path / "preset"
    save_preset(encoder.model.task, encoder.files.folder, folder, family=encoder.family, context=SIZE.context)
    module = encoder.family.keras_classes  # what keras-hub lacks of the published model
    own = "" if module is None else f", {module}"
    script = (
        f"import sys, json, keras_hub, numpy as np{own}\n"
        "task = keras_hub.models.MaskedLM.from_preset(sys.argv[1])\n"
        "ids = task.preprocessor.tokenizer('The tax rétùrn')\n"
        "inputs = {'token_ids': np.array([ids]), 'padding_mask': np.ones((1, len(ids)))}\n"
        "inputs |= {'segment_ids': 0 * np.array([ids])} if 'segment_ids' in task.backbone.input else {}\n"
        "logits = task({**inputs, 'mask_positions': np.array([[1]])})\n"
        "print(json.dumps([list(map(int, ids)), np.array(logits)[0, 0].tolist()]))\n"
    )
    ids, logits = json.loads(run_beside(script, str(folder)))
    assert ids == encoder.model.encoder.encode(["The tax rétùrn"])[0]
    here = encoder.model.task({**encoder.inputs(ids), "mask_positions": np.array([[1]])})
    np.testing.assert_allclose(logits, np.array(here)[0, 0], rtol=1e-4, atol=1e-5)
    family, loaded = load_preset(folder)
    assert family is encoder.family and isinstance(loaded, EncoderModel)
    np.testing.assert_allclose(loaded.embed(["the tax"]), encoder.model.embed(["the tax"]), rtol=1e-5, atol=1e-6)


def test_rows_of_the_table_that_stand_for_no_word_are_never_said(encoder: Encoder) -> None:
    words = encoder.files.vocab_size
    task = encoder.family.build(SIZE, words + 40, seed=5)
    bias = next(weight for weight in task.trainable_weights if weight.shape == (words + 40,))
    bias.assign(np.r_[np.zeros(words), np.full(40, 20.0)])  # the model is sure of what is no word
    model = EncoderModel(task, load_encoder(encoder.files.folder), family=encoder.family, context=SIZE.context)
    assert len(model.sample(["the tax"] * 3, seed=1)) == 3
    best = model.fill("the <mask>", top_k=words)[0]
    assert len(best) == words and sum(one.probability for one in best) == pytest.approx(1, abs=1e-3)


def test_a_model_with_the_tokenizer_of_another_one_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    def preset(files: TokenizerFiles, name: str) -> Path:
        task = encoder.family.build(SIZE, files.vocab_size, seed=5)
        save_preset(task, files.folder, tmp_path / name, family=encoder.family, context=SIZE.context)
        return tmp_path / name

    kind = encoder.family.tokenizer
    fewer = encoder.files.vocab_size - 10
    other = train_tokenizer(tiny_version(), kind=kind, vocab_size=fewer, storage=tmp_path / "storage")
    mine, theirs = preset(encoder.files, "mine"), preset(other, "theirs")
    load_preset(mine)
    shutil.rmtree(mine / "assets" / "tokenizer")
    shutil.copytree(theirs / "assets" / "tokenizer", mine / "assets" / "tokenizer")
    with pytest.raises(DataError, match="do not belong together.*put the tokenizer back"):
        load_preset(mine)
