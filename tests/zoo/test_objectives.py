"""Objectives: what is hidden, that it depends on (seed, epoch, window) alone, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import DataError
from pipelines.stream import Windows, gather_joined, stream
from pipelines.tokenizers import Encoder, load_encoder, train_tokenizer
from pipelines.tokens import Tokens, TokenSplit, tokenize
from tests.pipelines.tiny import TinyVersion, letters, tiny_version
from tests.zoo.toy import OBJECTIVES, ToyTokens
from zoo import families
from zoo.fit.evaluate import evaluate
from zoo.objectives import Batch, EntityMaskedLM, MaskedLM
from zoo.objectives.masked import SHARE, choose_words

TOY = OBJECTIVES["roberta"]


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> MaskedLM:
    storage = tmp_path_factory.mktemp("storage")
    files = train_tokenizer(tiny_version(), kind="roberta", vocab_size=400, storage=storage)
    return MaskedLM.of(load_encoder(files.folder).lexicon)


def windows(ids: np.ndarray, *, epoch: int = 0, first: int = 0, seed: int = 0) -> Windows:
    rows = len(ids)
    return Windows(ids.astype(np.int32), np.full(rows, epoch), first + np.arange(rows), seed)


def some_ids(masked: MaskedLM, rows: int, length: int) -> np.ndarray:
    return np.random.default_rng(1).integers(4, len(masked.words.bytes), (rows, length))


def test_a_row_depends_on_seed_epoch_and_number_alone(masked: MaskedLM) -> None:
    ids = some_ids(masked, 6, 63)
    whole = masked.examples(windows(ids))
    part = masked.examples(windows(ids[4:], first=4))
    for name, array in part.items():
        np.testing.assert_array_equal(array, whole[name][4:])
    for other in (windows(ids, epoch=1), windows(ids, seed=1), windows(ids, first=1)):
        assert not np.array_equal(masked.examples(other)["positions"], whole["positions"])


def test_whole_words_are_hidden_and_nothing_else(masked: MaskedLM) -> None:
    ids = some_ids(masked, 40, 127)
    ids[:, ::17] = 2  # ends of documents
    batch = masked.examples(windows(ids))
    whole = np.concatenate([np.full((40, 1), masked.start_id), ids], axis=1)
    assert batch["positions"].shape == (40, round(SHARE * 128))
    starts = masked.words.word_starts(whole)
    for row in range(40):
        count = int(batch["weights"][row].sum())
        chosen = batch["positions"][row, :count]
        assert (np.diff(chosen) > 0).all() and (batch["weights"][row, :count] == 1).all()
        np.testing.assert_array_equal(batch["targets"][row, :count], whole[row, chosen])
        assert not masked.words.is_special(whole[row, chosen]).any()
        hidden = np.isin(np.arange(128), chosen)
        for word in np.split(hidden, np.flatnonzero(starts[row])[1:]):  # a second way to group words
            assert word.all() or not word.any()
        np.testing.assert_array_equal(batch["inputs"][row, ~hidden], whole[row, ~hidden])
    assert batch["weights"].mean() > 0.95


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    files = train_tokenizer(tiny_version(), kind="bert", vocab_size=220, storage=tmp_path_factory.mktemp("storage"))
    return load_encoder(files.folder)


def texts_as_windows(encoder: Encoder, texts: list[str], length: int = 63) -> Windows:
    ids = [token for text in texts for token in encoder.frame.document(encoder.encode([text])[0])]
    rows = len(ids) // length
    return windows(np.array(ids[: rows * length]).reshape(rows, length), epoch=2, first=5, seed=9)


def masked_again(encoder: Encoder, given: Windows) -> list[dict[str, list[int]]]:
    """Whole-word masking a second time, from the tokens' spelling and without arrays."""
    tokens = list(encoder.lexicon.ids)
    ordinary = [index for index, token in enumerate(tokens) if token[0] != "[" or len(token) == 1]
    rows = []
    for row, ids in enumerate(given.ids.tolist()):
        draw = np.random.Generator(
            np.random.Philox(key=[given.seed, int(given.index[row])], counter=[0, 0, 0, int(given.epoch[row])])
        )
        whole = [tokens.index("[CLS]"), *ids]
        words: list[list[int]] = []
        for position, token in enumerate(whole):
            if words and tokens[token].startswith("##"):
                words[-1].append(position)
            else:
                words.append([position])
        words = [word for word in words if whole[word[0]] in ordinary]
        budget, chosen = round(0.15 * len(whole)), []
        for number in draw.permutation(len(words)):
            if len(words[number]) <= budget:
                chosen += words[number]
                budget -= len(words[number])
        chosen.sort()
        fates = draw.random(len(chosen))
        random = draw.integers(0, len(ordinary), len(chosen))
        inputs = list(whole)
        for position, fate, other in zip(chosen, fates, random, strict=True):
            if fate < 0.9:
                inputs[position] = tokens.index("[MASK]") if fate < 0.8 else ordinary[other]
        rows.append({"inputs": inputs, "positions": chosen, "targets": [whole[position] for position in chosen]})
    return rows


def test_whole_words_are_hidden_as_a_second_computation_says(bert: Encoder) -> None:
    given = texts_as_windows(bert, letters(40, 7))
    batch = MaskedLM.of(bert.lexicon).examples(given)
    for row, expected in enumerate(masked_again(bert, given)):
        count = int(batch["weights"][row].sum())
        assert batch["inputs"][row].tolist() == expected["inputs"]
        assert batch["positions"][row, :count].tolist() == expected["positions"]
        assert batch["targets"][row, :count].tolist() == expected["targets"]


def test_unknown_words_are_neither_hidden_nor_counted(bert: Encoder) -> None:
    masked = MaskedLM.of(bert.lexicon)
    unknown = bert.lexicon.ids["[UNK]"]
    ids = texts_as_windows(bert, ["the 漢 tax 字 return"] * 40).ids
    assert (ids == unknown).sum() > 50
    batch = masked.examples(windows(ids))
    assert not (batch["targets"][batch["weights"] > 0] == unknown).any()
    assert masked.words.bytes[unknown] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ask <PERSON_3fa2b1c4> now", ["ask", "<person_3fa2b1c4>", "now"]),
        ("<US_SSN> or <EMAIL_ADDRESS>", ["<us_ssn>", "or", "<email_address>"]),
        ("<PERSON> returns", ["<person>", "returns"]),
        ("2 < 3 and 5 > 4", ["2", "<", "3", "and", "5", ">", "4"]),
        ("<> <_> <a_> <_a>", ["<", ">", "<", "_", ">", "<", "a", "_", ">", "<", "_", "a", ">"]),
        ("<tax <PERSON> due>", ["<", "tax", "<person>", "due", ">"]),
        ("card ****-** (***) *", ["card", "****", "-", "**", "(", "***", ")", "*"]),
        ("cut <PERSON_3fa2", ["cut", "<", "person", "_", "3fa2"]),
    ],
)
def test_placeholders_are_hidden_as_a_whole(bert: Encoder, text: str, expected: list[str]) -> None:
    objective = EntityMaskedLM.of(bert.lexicon)
    ids = np.array([[objective.start_id, *bert.encode([text])[0]]], np.int32)
    starts = objective.starts(ids, windows(ids[:, 1:]))[0]
    units = np.split(ids[0], np.flatnonzero(starts)[1:])
    assert [bert.decode(unit.tolist()) for unit in units[1:]] == expected


def test_entities_are_hidden_as_a_whole(bert: Encoder) -> None:
    objective = EntityMaskedLM.of(bert.lexicon)
    flat = texts_as_windows(bert, letters(60)).ids.reshape(-1)
    spans = np.arange(0, len(flat) - 5, 11)[:, None] + [3, 7]
    split = TokenSplit("train", flat, np.array([0, len(flat)]), 1, bert.frame.end_id, spans=spans)
    entity = np.zeros(len(flat), int)
    for number, (start, end) in enumerate(spans, start=1):
        entity[start:end] = number

    def check(batch: Batch, numbers: np.ndarray) -> None:
        hidden = 0
        for row, number in enumerate(numbers):
            count = int(batch["weights"][row].sum())
            chosen = batch["positions"][row, :count] - 1 + number * 63
            for one in set(entity[chosen]) - {0}:
                assert set(np.flatnonzero(entity == one)) <= set(chosen), "all of an entity or nothing"
                hidden += 1
        assert hidden > 3

    check(next(iter(objective.validation(split, batch_size=8, window=64).batches)), np.arange(8))
    rows = len(flat) // 63
    seen: list[np.ndarray] = []

    class Spy(EntityMaskedLM):
        def examples(self, windows: Windows) -> Batch:
            seen.append(windows.index.copy())
            return super().examples(windows)

    spy = Spy(**vars(objective))
    batch = next(stream(split, spy, batch_size=rows, window=64, seed=3).as_numpy_iterator())
    check(batch, seen[0])


PHRASES = ("the annual report", "a signed statement", "the revenue office")
REPORT = "The clerk sent the annual report with a signed statement to the revenue office and called on day {}."


def fates(tokens: Tokens, joined: np.ndarray | None) -> list[set[bool]]:
    """For each phrase that lies in a window, in three epochs, whether its tokens were hidden: all, none or some."""
    split, encoder = tokens.split("train"), load_encoder(tokens.tokenizer_dir)
    rows = len(split) // 63
    ids = split.ids[: rows * 63].reshape(rows, 63)
    objective = EntityMaskedLM.of(tokens.lexicon())
    found = []
    for epoch in range(3):
        batch = objective.examples(replace(windows(ids, epoch=epoch), joined=joined))
        for row in range(rows):
            chosen = set(batch["positions"][row, : int(batch["weights"][row].sum())].tolist())
            for phrase in encoder.encode(PHRASES):
                for start in range(63 - len(phrase) + 1):
                    if ids[row, start : start + len(phrase)].tolist() == phrase:
                        found.append({place + 1 in chosen for place in range(start, start + len(phrase))})
    return found


def test_whole_phrases_are_hidden_together(tmp_path: Path) -> None:
    texts = TinyVersion({"train": [REPORT.format(number) for number in range(40)], "validation": [], "test": []})
    tokens = tokenize(texts, kind="bert", vocab_size=250, storage=tmp_path, entity_spans=True)
    split = tokens.split("train")
    joined = gather_joined(split, np.arange(len(split) // 63), 63, 0)
    given = fates(tokens, joined)
    assert len(given) > 200
    assert {True, False} not in given, "all of a phrase or nothing"
    assert given.count({True}) > 20
    assert fates(tokens, None).count({True, False}) > 20, "without spans their words are hidden one by one"


def test_most_are_masked_some_replaced_some_left(masked: MaskedLM) -> None:
    ids = some_ids(masked, 400, 127)
    batch = masked.examples(windows(ids))
    counted = batch["weights"] > 0
    seen = np.take_along_axis(batch["inputs"], batch["positions"], axis=1)[counted]
    targets = batch["targets"][counted]
    assert (seen == masked.mask_id).mean() == pytest.approx(0.8, abs=0.01)
    assert (seen == targets).mean() == pytest.approx(0.1, abs=0.01)
    replaced = seen[(seen != masked.mask_id) & (seen != targets)]
    assert len(set(replaced.tolist())) > 200 and not masked.words.is_special(replaced).any()


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=30), most=st.integers(1, 20), seed=st.integers(0, 9))
def test_words_are_taken_until_none_fits(lengths: list[int], most: int, seed: int) -> None:
    starts = np.zeros(sum(lengths), bool)
    starts[np.cumsum([0, *lengths[:-1]])] = True
    chosen = choose_words(starts, np.ones_like(starts), most, np.random.default_rng(seed))
    assert len(chosen) <= most
    hidden = np.isin(np.arange(len(starts)), chosen)
    words = np.split(hidden, np.flatnonzero(starts)[1:])
    assert all(word.all() or not word.any() for word in words)
    left = [len(word) for word in words if not word.any()]
    assert all(length > most - len(chosen) for length in left), "another word would have fitted"


@pytest.mark.parametrize("size", [1, 30, 31, 62, 200])
def test_validation_hides_the_same_words_each_time_and_counts_their_bytes(size: int) -> None:
    split = ToyTokens(validation=size).split("validation")
    first, second = (TOY.validation(split, batch_size=2, window=32) for _ in range(2))
    one, other = list(first.batches), list(second.batches)
    for left, right in zip(one, other, strict=True):
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])
    weights = np.concatenate([batch["weights"] for batch in one])
    assert first.tokens == second.tokens == weights.sum()
    assert first.bytes == 3 * first.tokens
    inputs, mask = (np.concatenate([batch[name] for batch in one]) for name in ("inputs", "padding_mask"))
    assert mask.sum() == size + len(inputs), "each token once, and a start in each window"
    assert inputs.shape[0] == 2 * -(-size // 62)
    for hidden, real in zip(weights.sum(axis=1), mask.sum(axis=1), strict=True):
        assert hidden <= max(1, round(SHARE * real)), "no more than the share, also of a short rest"


def test_a_split_without_a_word_cannot_be_measured(masked: MaskedLM) -> None:
    split = TokenSplit("validation", np.full(5, 2, np.uint16), np.array([0, 5]), 5, 2)
    with pytest.raises(DataError, match='nothing to predict in the split "validation"'):
        evaluate(lambda batch: np.zeros(1), masked, split, batch_size=1, window=8, step=0)


def test_a_restart_hides_the_same_words() -> None:
    options = {"batch_size": 3, "window": 16, "seed": 4}
    split = ToyTokens(train=200).split("train")
    whole = list(stream(split, TOY, **options).take(9).as_numpy_iterator())
    tail = list(stream(split, TOY, **options, start_step=6).take(3).as_numpy_iterator())
    for left, right in zip(whole[6:], tail, strict=True):
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])


def test_targets_stand_where_the_model_is_asked() -> None:
    """A model that knows the text loses nothing; one that is off by a position loses much."""
    ids = np.arange(62).reshape(2, 31) % 37
    batch = dict(TOY.examples(windows(ids)))
    text = np.concatenate([np.full((2, 1), 37), ids], axis=1)

    def nats(text: np.ndarray) -> float:
        known = np.take_along_axis(text, batch["positions"], axis=1)
        knowing = replace(families.get("roberta"), logits=lambda task, batch, training: 50.0 * np.eye(40)[known])
        return float((np.asarray(TOY.nats(None, knowing, batch, training=False)) * batch["weights"]).sum())

    assert nats(text) < 1e-3
    assert nats(np.roll(text, 1, axis=1)) > 100
