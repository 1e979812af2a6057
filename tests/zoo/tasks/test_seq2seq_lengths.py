"""Lengths of encoder and decoder in a fine-tuning of seq2seq: few pairs of them, and little padding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipelines.bucketed import Rows, bucket_lengths
from pipelines.examples import examples_in_memory
from tests.zoo.tasks.examples import ToyTraining
from zoo.tasks.seq2seq import halved, thinned


def test_encoder_and_decoder_have_lengths_of_their_own() -> None:
    training = ToyTraining.of("seq2seq", "t5", context=256)
    records = [{"prompt": "the car is red " * 12, "answer": "it is red"}]
    split = examples_in_memory(records, training.setting.encoder, ("prompt", "answer"), ())
    length = training.objective.buckets(int(training.objective.lengths(split)[0]))[-1]
    batch = training.objective.batch(split, Rows(np.arange(1), np.ones(1, np.float32), length, epoch=0, seed=0))
    assert batch["inputs"].shape == (1, length) == (1, 64) and batch["targets"].shape == (1, 16)
    assert training.objective.tokens(batch, None) == batch["padding_mask"].sum() + (batch["weights"] > 0).sum()
    assert [halved(256, needed) for needed in (200, 129, 128, 1)] == [256, 256, 128, 128]
    assert [halved(192, 1), halved(128, 1), halved(126, 1), halved(16, 1)] == [96, 64, 126, 16]


@pytest.mark.parametrize(("longest", "context"), [(10, 256), (64, 256), (130, 256), (190, 256), (256, 256), (200, 200)])
def test_the_longest_buckets_are_close_together(longest: int, context: int) -> None:
    fine = bucket_lengths(longest, context)
    buckets = thinned(fine)
    assert buckets[-3:] == fine[-3:]
    assert all(2 * shorter >= longer for shorter, longer in itertools.pairwise([16, *buckets]))


@pytest.mark.parametrize("longest", [60, 200, 250])
def test_few_pairs_of_lengths_are_compiled_and_little_is_padding(longest: int) -> None:
    training = ToyTraining.of("seq2seq", "t5", context=256)
    draw = np.random.default_rng(longest)
    words = np.exp(draw.uniform(0, np.log(longest), (2000, 2))).astype(int)
    records = [{"prompt": "car " * prompt, "answer": "car " * answer} for prompt, answer in words]
    split = examples_in_memory(records, training.setting.encoder, ("prompt", "answer"), ())
    needed = sum(int(split.parts[part].lengths.sum()) + len(split) for part in ("prompt", "answer"))  # with their ends
    for batch_size, shapes, padded in ((2, 12, 2.0), (32, 6, 2.2)):
        order = training.objective._order(split, batch_size, seed=0)
        batches = [training.objective.batch(split, order.rows(step)) for step in range(order.batches)]
        assert len({(batch["inputs"].shape, batch["targets"].shape) for batch in batches}) <= shapes
        assert sum(batch["inputs"].size + batch["targets"].size for batch in batches) < padded * needed


def test_short_answers_need_short_decoders() -> None:
    training = ToyTraining.of("seq2seq", "t5", context=256)
    records = [{"prompt": "car " * prompt, "answer": "red"} for prompt in (2, 200)]
    split = examples_in_memory(records, training.setting.encoder, ("prompt", "answer"), ())
    rows = Rows(np.arange(2), np.ones(2, np.float32), 256, epoch=0, seed=0)
    batch = training.objective.batch(split, rows)
    assert (batch["inputs"].shape, batch["targets"].shape) == ((2, 256), (2, 16))
