"""Tasks: what stands in a batch, losses against a second computation in NumPy, and that each is learned."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import ConfigError, DataError
from pipelines.bucketed import Rows
from pipelines.examples import encode_examples, examples_in_memory
from tests.zoo.tasks.examples import COLOURS, THINGS, ToyTraining, ToyVersion, log_softmax, some_rows, tokenizer
from tests.zoo.toy import toy_plan
from zoo import families, tasks
from zoo.fit.evaluate import evaluate
from zoo.tasks.base import NeedsReference
from zoo.tasks.chat import Template
from zoo.tasks.embed import TEMPERATURE
from zoo.tasks.preference import BETA
from zoo.tasks.tag import runs
from zoo.tasks.training import check_room, default_settings

Array = npt.NDArray[np.float32]


def nats_of(training: ToyTraining, model: Any, batch: Any) -> Array:
    found: Array = np.asarray(training.objective.nats(model, training.family, tensors(batch), False))
    return found


def tensors(batch: Any) -> dict[str, Any]:
    from keras import ops

    return {name: ops.convert_to_tensor(array) for name, array in batch.items()}


@pytest.mark.parametrize(
    ("name", "family", "message"),
    [
        ("clasify", "gpt", 'did you mean "classify"'),
        ("instruct", "roberta", "needs decoder"),
        ("embed", "gpt", "needs encoder"),
    ],
)
def test_wrong_tasks_say_what_there_is(name: str, family: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tasks.get(name, families.get(family))
    assert tasks.names("encoder") == ["classify", "embed", "tag"]


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='record "0" has no part spans'):
        encode_examples(ToyVersion(without="spans"), tokenizer("bpe"), ("text", "spans"), storage=tmp_path)
    assert not list((tmp_path / "examples").glob("*/meta.json"))


@pytest.mark.parametrize("family", ["roberta", "gpt", "lstm"])
def test_classify_is_cross_entropy_of_a_framed_text(family: str) -> None:
    training = ToyTraining.of("classify", family)
    batch = training.objective.batch(training.split(), some_rows(training))
    first, end = batch["inputs"][0, 0], training.setting.encoder.frame.end_id
    lengths = batch["padding_mask"].sum(axis=1)
    assert (batch["inputs"][:, 0] == first).all() and (batch["inputs"][range(6), lengths - 1] == end).all()
    texts = [training.setting.encoder.decode(row[1 : n - 1]) for row, n in zip(batch["inputs"], lengths, strict=True)]
    classes = [training.data.classes[number] for number in batch["targets"]]
    assert all(text.endswith(colour) for text, colour in zip(texts, classes, strict=True))
    model = training.model()
    logits = np.asarray(model({name: batch[name] for name in ("inputs", "padding_mask")}))
    nats = nats_of(training, model, batch)
    np.testing.assert_allclose(nats, -log_softmax(logits)[range(6), batch["targets"]], rtol=1e-4)
    # padding changes nothing
    wider = {name: np.pad(batch[name], ((0, 0), (0, 9))) for name in ("inputs", "padding_mask")}
    np.testing.assert_allclose(np.asarray(model(wider)), logits, atol=1e-5)


def test_a_class_that_training_does_not_have_weighs_nothing() -> None:
    training = ToyTraining.of("classify", "roberta")
    split = training.split()
    labels = np.array(split.labels)
    labels[1] = -1
    batch = training.objective.batch(type(split)(**vars(split) | {"labels": labels}), some_rows(training))
    assert batch["weights"].tolist() == [1, 0, 1, 1, 1, 0]


def test_instruct_counts_the_answer_alone() -> None:
    training = ToyTraining.of("instruct", "gpt")
    batch = training.objective.batch(training.split(), some_rows(training))
    encoder = training.setting.encoder
    for row in range(5):
        counted = batch["weights"][row] > 0
        answer = encoder.decode(batch["targets"][row][counted])
        assert answer.startswith("it is ") and answer.endswith("<|endoftext|>")
        before = encoder.decode(batch["inputs"][row][: int(np.argmax(counted)) + 1])
        assert before.startswith("<|endoftext|>Question: the ") and before.endswith("\n\nAnswer: ")
    assert batch["weights"][5].sum() == 0
    counted = batch["weights"][:, :-1] > 0
    np.testing.assert_array_equal(batch["inputs"][:, 1:][counted], batch["targets"][:, :-1][counted])


def test_headers_are_tokens_where_there_are_some() -> None:
    llama = ToyTraining.of("instruct", "llama").setting.encoder
    template = Template.of(llama)
    ids = llama.lexicon.ids
    assert template.before[:2] == (ids["<|begin_of_text|>"], ids["<|start_header_id|>"])
    assert template.between[0] == ids["<|eot_id|>"] and template.end == ids["<|end_of_text|>"]
    assert "assistant" in llama.decode(template.between)


@given(prompt=st.integers(0, 80), answer=st.integers(0, 80), context=st.integers(20, 90))
def test_what_is_too_long_is_cut_at_the_right_end(prompt: int, answer: int, context: int) -> None:
    template = Template((1, 2, 3), (4, 5), 6)
    kept_prompt, kept_answer = template.kept(prompt, answer, context)
    room = context + 1 - template.around
    assert kept_prompt + kept_answer <= room
    if prompt + answer <= room:
        assert (kept_prompt, kept_answer) == (prompt, answer)
    else:
        assert kept_prompt + kept_answer == room
        assert kept_answer == answer or kept_prompt == min(prompt, room // 2)


def test_examples_that_lose_something_are_counted() -> None:
    cases = (("classify", "gpt", 8), ("instruct", "gpt", 24), ("reward", "gpt", 24), ("embed", "roberta", 8))
    for name, family, context in cases:
        whole, short = ToyTraining.of(name, family), ToyTraining.of(name, family, context=context)
        assert whole.objective.cut(whole.split()) == 0
        assert 0 < short.objective.cut(short.split()) <= len(short.split())
        batch = short.objective.batch(short.split(), some_rows(short))
        assert batch["inputs"].shape[1] == context


def answers_by_hand(model: Any, family: Any, batch: Any) -> Array:
    """Log-probabilities of answers, in NumPy, row by row."""
    logits = np.asarray(family.logits(model, tensors(batch), False))
    found = [
        sum(log_softmax(logits[row])[position, batch["targets"][row, position]] for position in np.flatnonzero(answer))
        for row, answer in enumerate(batch["answer"])
    ]
    return np.array(found)


def test_dpo_is_the_papers_loss() -> None:
    training = ToyTraining.of("preference", "gpt")
    objective: Any = training.objective
    model = training.model()
    split = training.split()
    objective.start(model, training.family, [split])
    batch = objective.batch(split, some_rows(training))
    before = answers_by_hand(model, training.family, batch)
    np.testing.assert_allclose(batch["reference_margin"], before[:6] - before[6:], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(nats_of(training, model, batch), math.log(2), rtol=1e-3)
    for weight in model.trainable_weights:  # the policy leaves its reference
        weight.assign(weight + 0.05 * np.random.default_rng(1).normal(size=weight.shape))
    after = answers_by_hand(model, training.family, batch)
    ratio = (after - before)[:6] - (after - before)[6:]
    expected = -np.log(1 / (1 + np.exp(-BETA * ratio)))
    np.testing.assert_allclose(nats_of(training, model, batch), expected, rtol=2e-3)


def test_a_reward_is_read_at_the_end_of_the_answer() -> None:
    training = ToyTraining.of("reward", "gpt")
    model = training.model()
    batch = training.objective.batch(training.split(), some_rows(training))
    rewards = np.asarray(model({name: batch[name] for name in ("inputs", "padding_mask")}))[:, 0]
    expected = np.log1p(np.exp(-(rewards[:6] - rewards[6:])))
    np.testing.assert_allclose(nats_of(training, model, batch), expected, rtol=1e-4)
    last = batch["padding_mask"].sum(axis=1) - 1
    assert (batch["inputs"][range(12), last] == training.setting.encoder.frame.end_id).all()


def test_pairs_are_told_from_the_others_of_the_batch() -> None:
    training = ToyTraining.of("embed", "roberta")
    model = training.model()
    rows = some_rows(training)
    batch = training.objective.batch(training.split(), rows)
    states = np.asarray(
        model.backbone({"token_ids": batch["inputs"], "padding_mask": batch["padding_mask"]}), np.float64
    )
    mask = batch["padding_mask"][:, :, None]
    vectors = (states * mask).sum(axis=1) / mask.sum(axis=1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = vectors[:6] @ vectors[6:].T / TEMPERATURE
    real = slice(0, 5)  # the sixth row only fills the batch
    there = -log_softmax(similar[real, real]).diagonal()
    back = -log_softmax(similar.T[real, real]).diagonal()
    nats = nats_of(training, model, batch)
    np.testing.assert_allclose(nats[real], 0.5 * (there + back), rtol=1e-3)


LEARNED = [
    ("classify", "roberta", 0.5),
    ("classify", "gpt", 0.5),
    ("embed", "roberta", 0.8),
    ("instruct", "llama", 0.7),
    ("preference", "gpt", 0.5),
    ("reward", "gpt", 0.5),
    ("tag", "roberta", 0.4),
    ("seq2seq", "t5", 0.7),
    ("seq2seq", "bart", 0.7),
]


@pytest.mark.parametrize(("name", "family", "share"), LEARNED)
def test_each_task_is_learned_and_goes_on_after_a_stop(tmp_path: Path, name: str, family: str, share: float) -> None:
    training = ToyTraining.of(name, family)
    first = training.fit(training.model(), tmp_path / "half", steps=60, checkpoint_every=25)
    for newest in sorted((tmp_path / "half").glob("step-*.npz"))[1:]:
        newest.unlink()  # as if it had been killed after step 50
    again = training.fit(training.model(), tmp_path / "half", steps=60, checkpoint_every=25)
    assert again.losses == first.losses
    assert [e.loss for e in again.evaluations] == [e.loss for e in first.evaluations]
    assert first.evaluations[-1].loss < share * first.evaluations[0].loss


def test_tags_stand_at_the_marked_words() -> None:
    training = ToyTraining.of("tag", "roberta")
    assert training.data.types == ("COLOUR", "THING")
    batch = training.objective.batch(training.split(), some_rows(training))
    encoder = training.setting.encoder
    for row in range(5):
        counted = batch["weights"][row] > 0
        found = [
            (encoder.decode(batch["inputs"][row][counted][first:end].tolist()).strip(), training.data.types[kind])
            for first, end, kind in runs(batch["targets"][row][counted])
        ]
        assert [kind for _, kind in found] == ["THING", "COLOUR"]
        assert found[0][0] in THINGS and found[1][0] in COLOURS
    figures = training.objective.figures([(batch, batch["targets"])])
    assert figures == {"span_precision": 1, "span_recall": 1, "span_f1": 1}
    nothing = training.objective.figures([(batch, np.zeros_like(batch["targets"]))])
    assert nothing["span_f1"] == 0


def test_pairs_of_encoder_and_decoder() -> None:
    training = ToyTraining.of("seq2seq", "t5")
    encoder, frame = training.setting.encoder, training.setting.encoder.frame
    batch = training.objective.batch(training.split(), some_rows(training))
    for row in range(5):
        asked = batch["inputs"][row][batch["padding_mask"][row] > 0].tolist()
        answered = batch["targets"][row][batch["weights"][row] > 0].tolist()
        assert asked[-1] == answered[-1] == frame.end_id
        assert encoder.decode(asked[:-1]).startswith("the ") and encoder.decode(answered[:-1]).startswith("it is ")
        assert batch["decoder_inputs"][row, 0] == training.setting.encoder.lexicon.special("decoder_start")
        assert batch["decoder_inputs"][row, 1 : len(answered)].tolist() == answered[:-1]
    assert batch["weights"][5].sum() == 0
    perfect = training.objective.figures([(batch, batch["targets"])])
    assert perfect == {"token_accuracy": 1, "exact_match": 1}
    wrong = batch["targets"].copy()
    wrong[0, 0] += 1
    assert training.objective.figures([(batch, wrong)])["exact_match"] == pytest.approx(4 / 5)


@pytest.mark.parametrize("name", ["preference", "reward"])
def test_both_answers_see_the_same_part_of_a_long_prompt(name: str) -> None:
    training = ToyTraining.of(name, "gpt", context=40)
    encoder = training.setting.encoder
    record = {"prompt": "the car is red " * 9, "chosen": "it is red", "rejected": "it is no red " * 3}
    split = examples_in_memory([record], encoder, ("prompt", "chosen", "rejected"), ())
    rows = Rows(np.arange(1), np.ones(1, np.float32), 40, epoch=0, seed=0)
    if isinstance(training.objective, NeedsReference):
        training.objective.leave_out()
    batch = training.objective.batch(split, rows)
    template = Template.of(encoder)
    starts = []
    for row in batch["inputs"]:
        assert row[0] == template.before[0], "a prompt keeps what stands before it"
        ids = row.tolist()
        between = next(at for at in range(len(ids)) if tuple(ids[at : at + len(template.between)]) == template.between)
        starts.append(ids[:between])
    assert starts[0] == starts[1]


def test_an_answer_that_is_cut_does_not_end() -> None:
    encoder = ToyTraining.of("instruct", "gpt").setting.encoder
    end = encoder.frame.end_id
    records = [{"prompt": "the car", "answer": "it is red"}, {"prompt": "the car", "answer": "it is red " * 9}]
    split = examples_in_memory(records, encoder, ("prompt", "answer"), ())
    rows = Rows(np.arange(2), np.ones(2, np.float32), 40, epoch=0, seed=0)
    batch = ToyTraining.of("instruct", "gpt", context=40).objective.batch(split, rows)
    counted = [batch["targets"][row][batch["weights"][row] > 0] for row in (0, 1)]
    whole = [encoder.encode([record["answer"]])[0] for record in records]
    assert counted[0].tolist() == [*whole[0], end]
    assert counted[1].tolist() == whole[1][: len(counted[1])] and batch["weights"][1, -1] == 1, "all room is used"

    training = ToyTraining.of("seq2seq", "t5", context=16)
    encoder, end = training.setting.encoder, training.setting.encoder.frame.end_id
    split = examples_in_memory(records, encoder, ("prompt", "answer"), ())
    batch = training.objective.batch(split, replace(rows, length=16))
    assert batch["targets"][0][batch["weights"][0] > 0][-1] == end
    assert (batch["weights"][1] == 1).all() and end not in batch["targets"][1]
    assert training.objective.figures([(batch, batch["targets"])])["exact_match"] == 1
    wrong = batch["targets"].copy()
    wrong[1] += 1  # nobody can say whether an answer that is cut is right
    assert training.objective.figures([(batch, wrong)])["exact_match"] == 1


@pytest.mark.parametrize(("timed", "changes"), [(True, {}), (False, {"minutes": 3})])
def test_a_length_in_time_leaves_the_steps_open(timed: bool, changes: dict[str, Any]) -> None:
    data = ToyTraining.of("classify", "gpt").data
    common = {"task": tasks.get("classify", families.get("gpt")), "examples": data, "base_rate": None, "steps": None}
    assert default_settings(**common, timed=timed, changes=changes)[0] is None


@pytest.mark.parametrize(
    ("task", "base_rate", "examples", "changes", "steps", "rate"),
    [
        ("classify", 1e-4, 6400, {}, 600, 2e-4),  # three epochs
        ("classify", None, 6400, {}, 2000, None),  # ten, at the family's rate
        ("classify", 1e-4, 640, {}, 200, 2e-4),  # ten, to reach 200 updates
        ("instruct", 1e-4, 100, {}, 80, 1e-4),  # twenty and no more
        ("classify", 1e-4, 100, {"batch_size": 4, "accumulate": 2}, 200, 2e-4),
        ("preference", 6e-4, 6400, {}, 600, 3e-4),
        ("preference", 6e-4, 6400, {"learning_rate": 1e-3}, 600, 1e-3),
    ],
)
def test_steps_and_rate_follow_from_examples_and_base(
    task: str, base_rate: float | None, examples: int, changes: dict[str, Any], steps: int, rate: float | None
) -> None:
    data: Any = SimpleNamespace(split={"train": range(examples)}.__getitem__)
    found, settings = default_settings(
        tasks.get(task, families.get("gpt")), data, base_rate=base_rate, steps=None, timed=False, changes=changes
    )
    assert (found, settings.get("learning_rate")) == (steps, rate)


@pytest.mark.parametrize(
    ("name", "family"),
    [("classify", "roberta"), ("tag", "roberta"), ("embed", "roberta"), ("instruct", "gpt"), ("preference", "gpt")]
    + [("reward", "gpt"), ("seq2seq", "bart")],
)
def test_a_window_without_room_is_refused_and_the_least_one_works(name: str, family: str) -> None:
    least = ToyTraining.of(name, family).objective.fewest_tokens
    with pytest.raises(ConfigError, match=f"{name} needs a window of at least {least} tokens, not {least - 1}"):
        check_room(ToyTraining.of(name, family, context=least - 1).objective)
    training = ToyTraining.of(name, family, context=least)
    check_room(training.objective)
    if name == "instruct":
        assert training.objective.template.kept(9, 9, least) == (1, 1), "one token of each part"
    if isinstance(training.objective, NeedsReference):
        training.objective.leave_out()
    batch = next(training.objective.stream(training.split(), toy_plan(window=least), 0))
    assert batch["weights"].sum() > 0
    assert 0 < training.objective.tokens(batch, toy_plan()) <= sum(array.size for array in batch.values())


@pytest.mark.parametrize(("name", "family"), [("classify", "gpt"), ("instruct", "gpt"), ("preference", "gpt")])
def test_bits_by_source_are_those_of_its_examples(name: str, family: str) -> None:
    """Each decision costs what its place in the batch says; examples are of both sources in turn."""
    training = ToyTraining.of(name, family)
    objective, split = training.objective, training.split("validation")
    if isinstance(objective, NeedsReference):
        objective.leave_out()
    cost: dict[int, list[float]] = {0: [0, 0], 1: [0, 0]}

    def nats(batch: Any) -> Array:
        weights = batch["weights"]
        return np.asarray(weights * np.arange(weights.size, dtype=np.float32).reshape(weights.shape))

    result = evaluate(nats, objective, split, batch_size=5, window=48, step=0)
    order = objective._order(split, 5, seed=0, shuffle=False)
    for step in range(order.batches):
        rows = order.rows(step)
        batch = objective.batch(split, rows)
        for row, example in enumerate(rows.index):
            alone = np.zeros_like(batch["weights"])
            alone[row] = batch["weights"][row]
            cost[example % 2][0] += float(nats({"weights": alone}).sum())
            cost[example % 2][1] += objective.size(split, {**batch, "weights": alone})[1]
    for number, source in enumerate("ab"):
        assert result.by_source[source] == pytest.approx(cost[number][0] / np.log(2) / cost[number][1])
