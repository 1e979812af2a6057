"""The likelihood of a canary's code under a toy of each shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from governance import ConfigError
from governance.leakage import canary, planted_codes
from pipelines.tokenizers import load_encoder, train_tokenizer
from tests.pipelines.tiny import tiny_version
from tests.zoo.toy import TOYS
from zoo import families
from zoo.audit.likelihood import canary_nats
from zoo.encode import EncoderModel
from zoo.families import Family
from zoo.generate import TextModel
from zoo.load import LoadedModel
from zoo.seq2seq import Seq2SeqModel

pytestmark = pytest.mark.slow  # a compiler for each family

CODES = planted_codes(b"k" * 32, 40)


def toy(family: Family, folder: Path, context: int = 96) -> LoadedModel:
    """An untrained model."""
    files = train_tokenizer(tiny_version(), kind=family.tokenizer, vocab_size=400, storage=folder)
    encoder = load_encoder(files.folder)
    task = family.build(replace(TOYS[family.name], context=96), files.vocab_size, seed=1)
    if family.shape == "encoder":
        return LoadedModel(None, folder, family, EncoderModel(task, encoder, family=family, context=context))
    if family.shape == "seq2seq":
        objective = family.objective
        return LoadedModel(None, folder, family, Seq2SeqModel(task, encoder, context=context, objective=objective))
    return LoadedModel(None, folder, family, TextModel(task, encoder, context=context))


@pytest.mark.parametrize("name", ["gpt", "llama", "bert", "t5", "bart"])
def test_each_shape_has_one_that_no_neighbour_changes(name: str, tmp_path: Path) -> None:
    model = toy(families.get(name), tmp_path)
    nats, again = np.split(canary_nats(model, CODES + CODES[::-1]), 2)  # in more than one batch
    assert np.isfinite(nats).all() and (nats > 0).all()
    assert len(set(np.round(nats, 3))) > 30, "codes differ"
    np.testing.assert_allclose(again[::-1], nats, rtol=1e-4)


def test_that_of_a_decoder_is_the_loss_of_the_tokens_of_the_code(tmp_path: Path) -> None:
    import keras

    model = toy(families.get("gpt"), tmp_path)
    text_model = model.text_model
    assert isinstance(text_model, TextModel)
    ids, other = text_model.encoder.encode([canary(CODES[0]), canary(CODES[1])])
    first = next(place for place, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b)
    inputs = np.array([[text_model.eos_id, *ids[:-1]]], np.int32)
    logits = model.family.logits(text_model.task, {"inputs": keras.ops.convert_to_tensor(inputs)}, False)
    losses = keras.ops.sparse_categorical_crossentropy(np.array([ids], np.int32), logits, from_logits=True)[0]
    end = len(ids) - len(text_model.encoder.encode(["."])[0])
    found = canary_nats(model, CODES[:2])[0]
    assert found == pytest.approx(float(keras.ops.sum(losses[first:end])), rel=1e-4)


def test_a_canary_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not fit into the model's context of 8"):
        canary_nats(toy(families.get("gpt"), tmp_path, context=8), CODES)
