"""Figures of tasks: what is counted, what is missed, and what is said of both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.bucketed import Rows
from pipelines.examples import examples_in_memory
from pipelines.parts import Span, write_spans
from tests.zoo.tasks.examples import ToyTraining, log_softmax, some_rows
from zoo.tasks.classify import calibration_error, temperature
from zoo.tasks.tag import runs
from zoo.tasks.training import what_is_cut, what_was_not_learned


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(0.2, 8), seed=st.integers(0, 99))
def test_the_temperature_is_the_best_one(scale: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    logits = (draw.normal(size=(80, 4)) * scale).astype(np.float32)
    noisy = logits / scale * 2 + draw.gumbel(size=(80, 4))
    labels = noisy.argmax(axis=1).astype(np.int32)
    found = temperature(logits, labels)

    def loss(value: float) -> float:
        return -float(log_softmax(logits / value)[range(80), labels].mean())

    others = np.geomspace(0.05, 20, 400)
    assert loss(found) <= min(map(loss, others)) + 1e-5


def test_figures_of_a_classifier() -> None:
    training = ToyTraining.of("classify", "roberta")
    logits = np.array([[2.0, 0, 0, 0], [0, 3, 0, 0], [0, 3, 0, 0], [9, 0, 0, 0]], np.float32)
    batch = {"labels": np.array([0, 1, 2, -2], np.int32)}  # the last row only fills the batch
    figures = training.objective.figures([(batch, logits)])
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["most_frequent_class"] == pytest.approx(1 / 3)
    assert figures["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    certain = np.eye(4)[[0, 1, 1]]
    assert calibration_error(certain, np.array([0, 1, 2])) == pytest.approx(1 / 3)


def test_measures_are_of_the_model_and_of_real_rows_alone() -> None:
    for name, family, figure in (
        ("embed", "roberta", "found_first"),
        ("reward", "gpt", "chosen_over_rejected"),
        ("instruct", "gpt", "token_accuracy"),
    ):
        training = ToyTraining.of(name, family)
        measure = training.objective.measure
        model, split = training.model(), training.split("validation")
        by_seven, by_eight = (measure(model, training.family, split, batch_size=size)[figure] for size in (7, 8))
        assert by_seven == pytest.approx(by_eight) and 0 <= by_seven <= 1


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([0, 1, 2, 0], [(1, 3, 0)]),
        ([1, 1, 2], [(0, 1, 0), (1, 3, 0)]),
        ([2, 2, 4], [(0, 2, 0), (2, 3, 1)]),
        ([3, 2, 0], [(0, 1, 1), (1, 2, 0)]),
        ([], []),
    ],
)
def test_runs_of_tags(tags: list[int], expected: list[tuple[int, int, int]]) -> None:
    assert list(runs(tags)) == expected


def test_a_class_that_training_does_not_have_is_missed_not_left_out() -> None:
    training = ToyTraining.of("classify", "roberta")
    split = training.split()
    labels = np.array(split.labels)
    labels[1] = -1
    batch = training.objective.batch(type(split)(**vars(split) | {"labels": labels}), some_rows(training))
    right = np.full((6, 4), -5, np.float32)
    right[np.arange(6), batch["targets"]] = 5
    figures = training.objective.figures([(batch, right)])
    assert figures["accuracy"] == pytest.approx(4 / 5), "five rows count, one of them has a class nobody can say"
    assert figures["macro_f1"] < 1


def test_a_test_split_is_calibrated_by_the_validation() -> None:
    training = ToyTraining.of("classify", "roberta")
    batch = training.objective.batch(training.split(), some_rows(training))
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    own = training.objective.figures([(batch, logits)])
    given = training.objective.figures([(batch, logits)], {"temperature": 3.0})
    assert given["temperature"] == 3.0 != own["temperature"]
    labels = batch["labels"][:5]
    expected = np.exp(log_softmax(logits[:5] / 3.0))
    assert given["calibration_error"] == pytest.approx(calibration_error(expected, labels), abs=1e-6)


@pytest.mark.parametrize(
    ("context", "spans", "recall"),
    [
        (48, [Span(4, 7, "THING"), Span(8, 16, "COLOUR")], 1.0),  # a space within
        (48, [Span(4, 7, "THING"), Span(8, 16, "PLACE")], 0.5),  # a type that training does not have
        (6, [Span(4, 7, "THING"), Span(24, 27, "COLOUR")], 0.5),  # cut off
    ],
)
def test_places_that_cannot_be_found_are_missed(context: int, spans: list[Span], recall: float) -> None:
    training = ToyTraining.of("tag", "roberta", context=context)
    text = "the car number 1 and is red"
    record = {"text": text, "spans": write_spans(spans)}
    split = examples_in_memory([record] * 2, training.setting.encoder, ("text", "spans"), training.setting.classes)
    length = min(context, int(training.objective.lengths(split).max()))
    rows = Rows(np.arange(2), np.array([1, 0], np.float32), length, epoch=0, seed=0)
    batch = training.objective.batch(split, rows)
    figures = training.objective.figures([(batch, np.maximum(batch["gold"], 0))])
    assert figures["span_recall"] == recall and figures["span_precision"] == 1.0
    assert (batch["weights"][batch["gold"] < 0] == 0).all() and batch["targets"].min() == 0


def test_what_a_model_does_not_know_costs_a_guess() -> None:
    training = ToyTraining.of("tag", "roberta")
    known = [{"text": "the car is red", "spans": write_spans([Span(4, 7, "THING")])}]
    unknown = [{"text": "the car is red", "spans": write_spans([Span(4, 7, "PLACE")])}]
    encoder, classes = training.setting.encoder, training.setting.classes
    tokens = [examples_in_memory(some, encoder, ("text", "spans"), classes).tags for some in (known, unknown)]
    assert [int((one < 0).sum()) for one in tokens] == [0, int((tokens[0] > 0).sum())]  # type: ignore[operator]


def test_what_does_not_fit_is_said() -> None:
    short, long = (ToyTraining.of("classify", "roberta", context=context) for context in (8, 48))
    said = what_is_cut(short.objective, short.data)
    assert said is not None and "of 120 examples are longer than 8 tokens and lose a part" in said
    assert what_is_cut(long.objective, long.data) is None and what_is_cut(object(), long.data) is None


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"accuracy": 0.4, "most_frequent_class": 0.4}, "accuracy 0.400 is no better than 0.400"),
        ({"accuracy": 0.41, "most_frequent_class": 0.4}, None),
        ({"span_f1": 0.0}, "span f1 0.000 is no better"),
        ({"span_f1": 0.01}, None),
        ({"chosen_over_rejected": 0.5}, "a learning rate above 0.001"),
        ({"chosen_over_rejected": 0.48, "base_chosen_over_rejected": 0.4}, None),
        ({}, None),
    ],
)
def test_what_was_not_learned_is_said(figures: dict[str, float], words: str | None) -> None:
    said = what_was_not_learned(figures, 1e-3)
    assert said is None if words is None else words in str(said)
