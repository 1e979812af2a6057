"""Spans of entities and phrases: what is found, which of two wins, and how they lie in the tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pipelines.tokens
from governance.errors import DataError
from governance.pii import Detector, models, phrases
from governance.pii.phrases import Reader, Reading
from pipelines import spans
from pipelines.spans import SpanFinder, Spans, disjoint, find_spans
from pipelines.tokenizers import load_encoder
from pipelines.tokens import Tokens, TokenSplit, tokenize
from tests.pipelines.tiny import TinyVersion, letters

TEXT = (
    "Dear Sir, the annual report of the firm Harper and Boyle Ltd. for <PERSON_3fa2b1c4> arrived on 3 March 2021"
    " from https://example.com/a?b=1 with a claim of 5,000 dollars."
)
PHRASES = {"the annual report", "the firm"}
ENTITIES = {"3 March 2021", "5,000 dollars", "<PERSON_3fa2b1c4>", "https://example.com/a?b=1"}


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.load()


def of(text: str, found: Spans) -> list[str]:
    return [text[start:end] for start, end in found]


def test_entities_and_phrases_are_found_whatever_else_is_in_the_batch(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = find_spans([TEXT], reader)[0]
    assert set(of(TEXT, alone)) >= PHRASES | ENTITIES
    mixed = [*letters(3), "", TEXT, " \n", "x"]
    whole = find_spans(mixed, reader)
    assert whole[4] == alone and whole[3] == whole[5] == whole[6] == []
    long = "\n\n".join([*letters(120), TEXT])  # of several pieces
    assert len(long) > 8000
    found = find_spans([long], reader)
    assert found[0][-len(alone) :] == [(len(long) - len(TEXT) + a, len(long) - len(TEXT) + b) for a, b in alone]
    monkeypatch.setattr(phrases, "_BATCH", 3)
    assert find_spans(mixed, reader) == whole and find_spans([long], reader) == found


def test_each_analyzer_says_what_it_says_elsewhere(reader: Reader) -> None:
    """A parser before the recognizer would part "Young Ltd. Ask"."""
    texts = [TEXT, "Send a copy of the statement from Young Ltd. Ask Mr. Adams for more time.", *letters(4)]
    readings = reader.read(texts)
    detector = Detector.create()
    nlp, _ = models.load(models.find_model())
    for text, reading, findings in zip(texts, readings, detector.find(texts), strict=True):
        assert reading.findings == [(finding.start, finding.end) for finding in findings]
        assert reading.entities == [(entity.start_char, entity.end_char) for entity in nlp(text).ents]
    assert of(TEXT, readings[0].placeholders) == ["<PERSON_3fa2b1c4>"]
    assert {"https://example.com/a?b=1", "3 March 2021"} <= set(of(TEXT, readings[0].findings))
    assert "Young Ltd. Ask" in of(texts[1], readings[1].entities)


def made(text: str, **places: list[str]) -> Reading:
    kinds = ("placeholders", "findings", "entities", "phrases")
    found = {
        kind: [(text.index(part), text.index(part) + len(part)) for part in places.get(kind, [])] for kind in kinds
    }
    return Reading(**found)


def test_which_of_two_that_overlap_wins() -> None:
    text = "the old claim of <PERSON> Sons Ltd. on 3 March 2021, noon, for the old firm Adams Inc"
    reading = made(
        text,
        phrases=["the old claim of <PERSON>", "<PERSON> Sons Ltd.", "2021, noon", "the old firm Adams Inc"],
        entities=["<PERSON> Sons Ltd.", "3 March 2021, noon", "Adams Inc"],
        findings=["3 March 2021"],
        placeholders=["<PERSON>"],
    )
    assert of(text, disjoint(text, reading)) == [
        "the old claim of",
        "<PERSON>",
        "Sons Ltd",
        "3 March 2021",
        "noon",
        "the old firm",
        "Adams Inc",
    ]


def test_the_longer_of_one_kind_wins_then_the_earlier() -> None:
    text = "one two three four five six seven"
    reading = made(text, entities=["one two three", "three four five six", "six seven"])
    assert of(text, disjoint(text, reading)) == ["one two", "three four five six", "seven"]
    reading = made(text, entities=["three four five", "four five six"], findings=["one two three four"])
    assert of(text, disjoint(text, reading)) == ["one two three four", "five", "six"]


def test_an_entity_of_one_word_parts_no_phrase() -> None:
    text = "the first annual report of 5,000 words"
    reading = made(text, entities=["first", "annual", "5,000"], phrases=["the first annual report", "5,000 words"])
    assert of(text, disjoint(text, reading)) == ["the first annual report", "5,000"]


def test_spans_end_with_their_line_and_phrases_have_two_words_to_eight() -> None:
    text = "March 5, 2020\n\nDear client\nmine\nat *** two or"
    reading = made(text, entities=["March 5, 2020\n\nDear"], phrases=["client\nmine\nat *** two or"])
    assert of(text, disjoint(text, reading)) == ["March 5, 2020", "Dear", "two or"]
    text = "a b c d e f g h\nI b c d e f g h i\n$it; follow-up"
    reading = made(text, phrases=["a b c d e f g h\nI b c d e f g h i\n$it", "; follow-up"])
    assert of(text, disjoint(text, reading)) == ["a b c d e f g h", "follow-up"]


places = st.lists(st.tuples(st.integers(0, 24), st.integers(0, 8)).map(lambda p: (p[0], min(24, sum(p)))), max_size=5)


@settings(max_examples=400, deadline=None)
@given(text=st.text("ab .\n*", min_size=24, max_size=24), given=st.tuples(places, places, places, places))
@example(text="ab ab ab ab ab ab ab ab ", given=([], [(3, 5)], [(3, 8)], [(0, 20)]))
def test_each_character_belongs_to_the_first_by_the_rule(text: str, given: tuple[Spans, Spans, Spans, Spans]) -> None:
    found = disjoint(text, Reading(*given))
    assert all(start < end for start, end in found)
    assert all(end <= start for (_, end), (start, _) in zip(found, found[1:], strict=False)), "in order, apart"
    everything = [
        (rank, start - end, start, end)
        for rank, some in enumerate(given)
        for start, end in some
        if rank != 2 or len(re.split(r"[ .\n*]+", text[start:end].strip(" .\n*"))) > 1
    ]
    first = [min((one for one in everything if one[2] <= place < one[3]), default=None) for place in range(24)]
    for start, end in found:
        owner = first[start]
        assert owner is not None and set(first[start:end]) == {owner}, "of one span, which wins at each place"
        assert "\n" not in text[start:end]
        whole = (start, end) == owner[2:] and owner[0] < 3
        assert whole or (text[start].isalnum() and text[end - 1].isalnum())
        outside = [place for place in (start - 1, end) if 0 <= place < 24 and first[place] == owner]
        assert all(not text[place].isalnum() for place in outside), "as much of it as there is"
    covered = {place for start, end in found for place in range(start, end)}
    for place, owner in enumerate(first):
        if owner is not None and owner[0] < 3 and text[place].isalnum():
            assert place in covered, "no entity is lost"


@pytest.mark.slow
def test_neither_batches_nor_processes_change_what_is_found(reader: Reader) -> None:
    texts = [f"{TEXT} {text}" for text in letters(14)]
    expected = find_spans(texts, reader)
    batches = [texts[:5], *([text] for text in texts[5:12]), texts[12:]]
    with SpanFinder(1) as one, SpanFinder(2) as two:
        assert [found for _, some in one.find([texts]) for found in some] == expected
        assert list(two.find(iter(batches[:1]))) == [(texts[:5], expected[:5])], "one batch: in this process"
        parallel = list(two.find(iter(batches)))
        assert [batch for batch, _ in parallel] == batches
        assert [found for _, some in parallel for found in some] == expected


def version() -> TinyVersion:
    train = [f"{TEXT} {text}" for text in letters(30)]
    return TinyVersion({"train": train, "validation": [TEXT, "", TEXT], "test": []})


def tokenized(storage: Path, texts: TinyVersion | None = None, *, entity_spans: bool = True) -> Tokens:
    return tokenize(texts or version(), kind="bert", vocab_size=250, storage=storage, entity_spans=entity_spans)


def test_spans_of_tokens_spell_entities_and_phrases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.tokens, "_BATCH_DOCUMENTS", 7)  # several batches
    tokens = tokenized(tmp_path)
    encoder = load_encoder(tokens.tokenizer_dir)
    train, validation, test = map(tokens.split, ("train", "validation", "test"))
    assert train.spans is not None and validation.spans is not None and test.spans is not None
    spelled = [encoder.decode(train.ids[start:end].tolist()) for start, end in train.spans]
    assert spelled.count("3 march 2021") == 30 <= spelled.count("5,000 dollars")
    assert spelled.count("the annual report") == spelled.count("the firm") == 30
    assert (train.spans[1:, 0] >= train.spans[:-1, 1]).all()
    first = [(start, end) for start, end in validation.spans.tolist() if end < validation.offsets[1]]
    third = [(start, end) for start, end in validation.spans.tolist() if start >= validation.offsets[2]]
    moved = int(validation.offsets[2])
    assert third == [(start + moved, end + moved) for start, end in first] and first
    assert len(test.spans) == 0


def test_they_are_made_only_when_asked_for_and_change_no_id(tmp_path: Path) -> None:
    plain, with_spans = tokenized(tmp_path, entity_spans=False), tokenized(tmp_path)
    assert plain.split("train").spans is None and plain.spans_fingerprint is None
    assert plain.folder != with_spans.folder and plain.tokenizer == with_spans.tokenizer
    assert with_spans.spans_fingerprint is not None
    np.testing.assert_array_equal(plain.split("train").ids, with_spans.split("train").ids)
    again = version()
    assert tokenized(tmp_path, again) == with_spans and again.reads == 0


def test_spans_of_entities_alone_are_not_taken_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before there were phrases, the fingerprint was made in this way."""
    weights = models.verify(models.find_model())
    before = hashlib.sha256(f"1 {metadata.version('spacy')} {weights}".encode()).hexdigest()
    now = tokenized(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(spans, "fingerprint", lambda: before)
        old = tokenized(tmp_path)
    assert old.folder != now.folder and old.spans_fingerprint == before != now.spans_fingerprint


def test_another_parser_gives_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = spans.fingerprint()
    verify = models.verify

    def other_parser(info: models.ModelInfo, files: Sequence[str] = models.WEIGHTS) -> str:
        return verify(info, files) if files == models.WEIGHTS else "other"

    monkeypatch.setattr(models, "verify", other_parser)
    phrases.reader_fingerprint.cache_clear()
    changed = spans.fingerprint()
    monkeypatch.undo()
    phrases.reader_fingerprint.cache_clear()
    assert changed != before == spans.fingerprint()


def test_a_short_file_is_noticed(tmp_path: Path) -> None:
    path = tokenized(tmp_path).folder / "train.spans"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match="damaged"):
        tokenized(tmp_path).split("train")


def test_tokens_go_on_with_the_span_of_the_one_before() -> None:
    spans = np.array([[1, 4], [4, 6], [8, 9], [10, 13]])
    split = TokenSplit("train", np.zeros(14, np.uint16), np.array([0, 14]), 1, 0, spans=spans)
    whole = [False] * 14
    for place in (2, 3, 5, 11, 12):
        whole[place] = True
    for start in range(14):
        for stop in range(start, 17):
            assert split.joined(start, stop).tolist() == (whole + [False] * 3)[start:stop]
