"""Span corruption and denoising, against the text itself: what was hidden can be put back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.errors import ConfigError
from pipelines.stream import Windows, stream
from pipelines.tokenizers import Encoder, load_encoder, train_tokenizer
from tests.pipelines.tiny import TinyVersion, letters, tiny_version
from tests.zoo.toy import OBJECTIVES, ToyTokens
from zoo import families
from zoo.objectives import Denoising, SpanCorruption
from zoo.objectives.denoising import span_lengths
from zoo.objectives.seq2seq import Corruption, PairFrame, make_batch, nats

both = pytest.mark.parametrize("name", ["t5", "bart"])


def encoder_of(kind: str, folder: Path) -> Encoder:
    return load_encoder(train_tokenizer(tiny_version(), kind=kind, vocab_size=500, storage=folder).folder)


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> SpanCorruption:
    return SpanCorruption.of(encoder_of("t5", tmp_path_factory.mktemp("t5")).lexicon)


@pytest.fixture(scope="module")
def bart_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return encoder_of("bart", tmp_path_factory.mktemp("bart"))


@pytest.fixture(scope="module")
def bart(bart_encoder: Encoder) -> Denoising:
    return Denoising.of(bart_encoder.lexicon)


def some_ids(objective: Corruption, rows: int, length: int, seed: int = 1) -> np.ndarray:
    ordinary = np.flatnonzero(objective.words.bytes)
    ids = ordinary[np.random.default_rng(seed).integers(0, len(ordinary), (rows, length))].astype(np.int32)
    ids[:, 40::60] = objective.frame.end_id  # documents end
    return ids


def windows(ids: np.ndarray, *, epoch: int = 0, first: int = 0, seed: int = 0) -> Windows:
    return Windows(ids.astype(np.int32), np.full(len(ids), epoch), first + np.arange(len(ids)), seed)


def put_back(source: list[int], target: list[int], objective: SpanCorruption) -> list[int]:
    """Reads input and target as a person would: each sentinel stands for what follows it in the target."""
    spans: dict[int, list[int]] = {}
    assert source[-1] == target[-1] == objective.frame.end_id
    for token in target[:-1]:
        if token in objective.sentinels:
            spans[token] = []
            current = spans[token]
        else:
            current.append(token)
    assert tuple(spans) == objective.sentinels[: len(spans)], "in order, and the target begins with the first"
    assert all(spans.values()), "no span is empty"
    text: list[int] = []
    for token in source[:-1]:
        text += spans.pop(token) if token in spans else [token]
    assert not spans
    return text


@settings(max_examples=150, deadline=None)
@given(length=st.integers(1, 300), seed=st.integers(0, 2**63 - 1), number=st.integers(0, 10**9))
@example(length=1, seed=0, number=0)
@example(length=2, seed=0, number=0)
def test_hidden_spans_can_be_put_back(t5: SpanCorruption, length: int, seed: int, number: int) -> None:
    ids = some_ids(t5, 1, length)[0]
    source, target, origins = t5.corrupt(ids, np.random.default_rng([seed, number]))
    assert put_back(source.tolist(), target.tolist(), t5) == ids.tolist()
    is_hidden = ~np.isin(target, t5.sentinels)
    is_hidden[-1] = False  # the end
    assert ids[origins[is_hidden]].tolist() == target[is_hidden].tolist()
    assert origins[~is_hidden].tolist() == [*origins[1:][~is_hidden[:-1]], origins[-2]], "marks belong to their span"
    hidden = max(1, round(0.15 * length))
    spans = max(1, round(hidden / 3))
    assert (len(source), len(target)) == (length - hidden + spans + 1, hidden + spans + 1) == t5.lengths(length)
    is_sentinel = np.isin(source, t5.sentinels)
    assert is_sentinel.sum() == np.isin(target, t5.sentinels).sum() == spans
    assert not (is_sentinel[1:] & is_sentinel[:-1]).any(), "spans do not touch"


def test_each_token_is_hidden_as_often_as_the_others(t5: SpanCorruption) -> None:
    ids = np.tile(np.arange(103, 103 + 100, dtype=np.int32), (4000, 1))
    batch = t5.examples(windows(ids))
    assert (batch["weights"] == 1).all() and (batch["padding_mask"] == 1).all()
    assert {name: (str(array.dtype), array.shape) for name, array in batch.items()} == t5.signature(4000, 91)
    hidden = np.bincount(batch["targets"].ravel(), minlength=203)[103:203] / 4000
    assert hidden.mean() == pytest.approx(0.15)
    np.testing.assert_allclose(hidden[4:-4], 0.155, atol=0.03)
    assert hidden.min() > 0.04, "the first and the last one less often, but not never"
    np.testing.assert_array_equal(batch["decoder_inputs"][:, 1:], batch["targets"][:, :-1])
    assert (batch["decoder_inputs"][:, 0] == t5.frame.pad_id).all()


@pytest.mark.parametrize("window", [3, 4, 8, 32, 91, 256, 512, 2048])
def test_a_window_holds_as_many_tokens_as_fit(t5: SpanCorruption, window: int) -> None:
    tokens = t5.span(window)
    assert max(t5.lengths(tokens)) <= window < max(t5.lengths(tokens + 1))
    assert t5.counts(tokens)[1] <= 100


def test_published_lengths(t5: SpanCorruption) -> None:
    """T5's inputs of 512 tokens come from 568 tokens of text and have targets of 114."""
    assert (t5.span(512), t5.lengths(568)) == (568, (512, 114))


def follow(noisy: list[int], text: list[int], mask: int) -> bool:
    """Whether a text follows from a noisy one when each mask stands for any tokens."""
    reach = {0}
    for token in noisy:
        if token == mask:
            reach = set(range(min(reach), len(text) + 1))
        else:
            reach = {place + 1 for place in reach if place < len(text) and text[place] == token}
        if not reach:
            return False
    return len(text) in reach


@settings(max_examples=150, deadline=None)
@given(length=st.integers(1, 200), seed=st.integers(0, 10**6))
@example(length=1, seed=0)
@example(length=2, seed=0)
@example(length=3, seed=3)
def test_noise_hides_a_share_and_the_target_is_the_text(bart: Denoising, length: int, seed: int) -> None:
    ids = some_ids(bart, 1, length)[0]
    source, target, origins = bart.corrupt(ids, np.random.default_rng(seed))
    first = bart.frame.first_id
    assert target.tolist() == [first, *ids] and source[0] == first
    assert origins.tolist() == [0, *range(length)]
    shuffled = ids[bart.sentence_order(ids, np.random.default_rng(seed))]
    is_mask = source == bart.mask_id
    assert length - (~is_mask).sum() + 1 == max(1, round(0.3 * length))
    assert follow(source[1:].tolist(), shuffled.tolist(), bart.mask_id)
    assert all(mine <= most for mine, most in zip((len(source), len(target)), bart.lengths(length), strict=True))
    assert not (is_mask[1:] & is_mask[:-1]).any(), "spans do not touch"


def test_spans_are_as_long_as_poisson_says() -> None:
    draw = np.random.default_rng(0)
    rows = [span_lengths(76, 39, draw) for _ in range(3000)]
    assert {int(row.sum()) for row in rows} == {76}
    lengths = np.concatenate([row[:-1] for row in rows])  # the last one is what was left
    expected = np.exp(-3) * np.array([1, 3, 9 / 2, 27 / 6, 81 / 24, 243 / 120])
    np.testing.assert_allclose(np.bincount(lengths)[:6] / len(lengths), expected, atol=0.015)
    assert max(map(len, rows)) < 39, "the limit is for shapes"


def test_sentences_of_a_document_change_places_and_nothing_else(bart: Denoising, bart_encoder: Encoder) -> None:
    documents = ["The tax is due. Say so! Is it? No. 5.5 is", "One return.", "A spouse. A dependent.\n\nA section"]
    parts = [
        ["The tax is due.", " Say so!", " Is it?", " No.", " 5.5 is"],
        ["One return."],
        ["A spouse.", " A dependent.", "\n\nA section"],
    ]
    end = bart.frame.end_id
    ids = np.array([token for ids in bart_encoder.encode(documents) for token in [*ids, end]][:-1], np.int32)
    orders = set()
    for seed in range(60):
        order = bart.sentence_order(ids, np.random.default_rng(seed))
        assert sorted(order) == list(range(len(ids)))
        texts = bart_encoder.decode(ids[order]).split("</s>")
        for text, expected in zip(texts, parts, strict=True):
            rest = text
            for part in sorted(expected, key=text.index):
                assert rest.startswith(part)
                rest = rest.removeprefix(part)
            assert not rest
        orders.add(texts[0])
    assert len(orders) > 30


@both
def test_a_pair_depends_on_seed_epoch_and_number_alone(name: str, request: pytest.FixtureRequest) -> None:
    objective: Corruption = request.getfixturevalue(name)
    ids = some_ids(objective, 6, 63)
    whole = objective.examples(windows(ids))
    part = objective.examples(windows(ids[4:], first=4))
    for key, array in part.items():
        np.testing.assert_array_equal(array, whole[key][4:])
    for other in (windows(ids, epoch=1), windows(ids, seed=1), windows(ids, first=1)):
        assert not np.array_equal(objective.examples(other)["inputs"], whole["inputs"])


@both
def test_a_restart_makes_the_same_pairs(name: str) -> None:
    options = {"batch_size": 3, "window": 16, "seed": 4}
    split = ToyTokens(train=200).split("train")
    whole = list(stream(split, OBJECTIVES[name], **options).take(9).as_numpy_iterator())
    tail = list(stream(split, OBJECTIVES[name], **options, start_step=6).take(3).as_numpy_iterator())
    for left, right in zip(whole[6:], tail, strict=True):
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])


@both
@pytest.mark.parametrize("size", [1, 2, 30, 31, 62, 200])
def test_validation_goes_over_each_token_once(name: str, size: int) -> None:
    objective = OBJECTIVES[name]
    split = ToyTokens(validation=size).split("validation")
    first, second = (objective.validation(split, batch_size=2, window=32) for _ in range(2))
    batches = list(first.batches)
    for left, right in zip(batches, second.batches, strict=True):
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])
        assert {key: array.shape for key, array in left.items()} == {
            key: shape for key, (_, shape) in objective.signature(2, 32).items()
        }
    weights, targets, inputs, mask = (
        np.concatenate([batch[key] for batch in batches]) for key in ("weights", "targets", "inputs", "padding_mask")
    )
    assert first.tokens == weights.sum()
    words = targets[(weights > 0) & (targets < 37)]
    assert first.bytes == 3 * len(words)
    if name == "bart":
        np.testing.assert_array_equal(words, split.ids)
    else:  # what is not predicted is seen
        seen = inputs[(mask > 0) & (inputs < 37)]
        np.testing.assert_array_equal(np.sort([*words, *seen]), np.sort(split.ids))
        assert len(words) == pytest.approx(0.15 * size, abs=1 + 0.02 * size)


@both
@pytest.mark.parametrize("window", [1, 2])
def test_a_window_that_is_too_small(name: str, window: int) -> None:
    if (name, window) == ("bart", 2):
        assert OBJECTIVES[name].span(window) == 1
    else:
        with pytest.raises(ConfigError, match=r"plan\.window"):
            OBJECTIVES[name].span(window)


@both
def test_targets_stand_where_the_model_is_asked(name: str) -> None:
    """A model that knows the targets loses nothing; one that is off by a position loses much."""
    objective = OBJECTIVES[name]
    ids = np.arange(62).reshape(2, 31) * 5 % 37
    batch = objective.examples(windows(ids))

    def lost(known: np.ndarray) -> float:
        knowing = replace(families.get(name), logits=lambda task, batch, training: 50.0 * np.eye(45)[known])
        return float((np.asarray(nats(None, knowing, batch, training=False)) * batch["weights"]).sum())

    assert lost(batch["targets"]) < 1e-3
    assert lost(np.roll(batch["targets"], 1, axis=1)) > 100
    assert lost(batch["decoder_inputs"]) > 100, "the decoder does not see what it is asked for"


def test_pairs_of_a_person_become_a_batch(bart_encoder: Encoder) -> None:
    frame = PairFrame.of(bart_encoder.lexicon)
    pairs = [(frame.text([7, 8]), frame.text([9])), (frame.text([7]), frame.text([5, 6]))]
    batch = make_batch(pairs, pad_id=frame.pad_id, start_id=frame.start_id, lengths=(5, 6))
    assert batch["inputs"].tolist() == [[0, 7, 8, 2, 1], [0, 7, 2, 1, 1]]
    assert batch["padding_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]
    assert batch["decoder_inputs"].tolist() == [[2, 0, 9, 1, 1, 1], [2, 0, 5, 6, 1, 1]]
    assert batch["targets"].tolist() == [[0, 9, 2, 1, 1, 1], [0, 5, 6, 2, 1, 1]]
    assert batch["weights"].tolist() == [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]]
    assert frame.decoder_prompt == [2, 0]


def test_documents_with_sentences_are_shuffled_in_training(tmp_path: Path) -> None:
    """The stops are found in a tokenizer's own words."""
    encoder = load_encoder(
        train_tokenizer(TinyVersion({"train": letters(60)}), kind="bart", vocab_size=300, storage=tmp_path).folder
    )
    stops = Denoising.of(encoder.lexicon).stops
    assert {token for token, index in encoder.lexicon.ids.items() if stops[index]} >= {".", "!", "?"}
    assert not stops[encoder.encode(["a"])[0]].any() and not stops[:4].any()
