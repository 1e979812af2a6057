"""Words and marks of any script, however many texts are counted at once."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import word_tokens
from pipelines.word_tokens import COLUMN, WordTokens, count_word_tokens


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" \n\t\u00a0\u2028", 0),
        ("The form is due.", 5),
        ("Don't pay 3.50 (yet)!", 11),
        ("nai\u0308ve na\u00efve", 2),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", 1),  # with vowel signs, which are marks
        ("\u65e5\u672c\u8a9e\u3002", 2),
        ("a_b-c", 3),
        ("<PERSON_3fa2b1c4>", 3),
    ],
)
def test_words_and_marks(text: str, count: int) -> None:
    assert count_word_tokens([text]) == [count]


@given(st.text())
def test_it_is_the_count_that_python_gives_of_letters_without_marks(text: str) -> None:
    plain = "".join(one for one in text if unicodedata.category(one)[0] not in "MCN" or one in "0123456789\n\t")
    assert count_word_tokens([plain]) == [len(re.findall(r"\w+|[^\w\s]", plain))]


@given(st.lists(st.text(max_size=30), max_size=12), st.integers(1, 40))
def test_how_many_are_counted_at_once_says_nothing(texts: list[str], at_once: int) -> None:
    rows: list[dict[str, Any]] = [{} for _ in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_tokens, "_CHARACTERS", at_once)
        filling = WordTokens()
        for row, text in zip(rows, texts, strict=True):
            filling.add(row, text)
        filling.fill()
    assert [row[COLUMN] for row in rows] == [count_word_tokens([text])[0] for text in texts]
