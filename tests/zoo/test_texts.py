"""Text as it comes: no half characters, nothing of a stop string, and together the same as all at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zoo.generation.texts import TextStream, cut, settled, stop_at


def decode(ids: Sequence[int]) -> str:
    return bytes(ids).decode("utf-8", errors="replace")


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("one two", [], "one two"),
        ("one two", ["three"], "one two"),
        ("one two", [" t"], "one"),
        ("one", ["one"], ""),
        ("a.b.c", ["."], "a"),
        ("abcd", ["abcd", "c"], "ab"),  # "c" is complete first
        ("abcd", ["c", "bc"], "a"),  # at the same time: the longest
        ("abc", ["bcd"], "abc"),
    ],
)
def test_an_answer_ends_before_the_stop_that_is_complete_first(text: str, stops: list[str], expected: str) -> None:
    assert cut(text, stops) == expected
    assert (stop_at(text, stops) is None) == (expected == text)


#: Few letters, so that stops occur, and characters of two to four bytes, of which draws cut some.
pieces_of_text = st.lists(st.sampled_from(["a", "b", "c", "é", "€", "😀"]).map(str.encode), max_size=14)
some_bytes = st.lists(st.sampled_from([0x61, 0x62, 0xC3, 0xA9, 0xE2, 0x82, 0xF0, 0x9F]).map(lambda b: bytes([b])))


@given(
    parts=pieces_of_text | some_bytes,
    stops=st.lists(st.text("abcé€\ufffd", min_size=1, max_size=4), max_size=3),
    sizes=st.lists(st.integers(1, 5), min_size=1),
)
@example(parts=["😀".encode()], stops=[], sizes=[1])
@example(parts=[b"aab"], stops=["aaab", "ab"], sizes=[1])
def test_pieces_are_certain_and_complete(parts: list[bytes], stops: list[str], sizes: list[int]) -> None:
    ids = list(b"".join(parts))
    whole = cut(decode(ids), stops)
    stream, given_text, known, turn = TextStream(decode, stops), "", 0, 0
    while known < len(ids) and stop_at(settled(decode(ids[:known])), stops) is None:
        known += sizes[turn % len(sizes)]
        turn += 1
        given_text += stream.push(ids[:known])
        assert whole.startswith(given_text)
    given_text += stream.push(ids[:known], last=True)
    assert given_text == whole


def test_what_is_certain_is_given_at_once() -> None:
    stream = TextStream(decode, ["stop"])
    assert stream.push(b"on") == "on"
    assert stream.push(b"one s") == "e "
    assert stream.push(b"one so") == "so"
    assert stream.push("one so é".encode()[:-1]) == " "
