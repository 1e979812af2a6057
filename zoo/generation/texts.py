"""Tokens into text as they come: where a stop string ends it, and how much of it is certain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

#: What a decoder writes for bytes that are no character (yet).
_INCOMPLETE = "\ufffd"


def stop_at(text: str, stops: Sequence[str]) -> int | None:
    """Where an answer ends: before the stop string that is complete first, of those the longest.

    More text never changes the place, so that it does not matter how often one looks.
    """
    found = [(text.find(stop) + len(stop), -len(stop)) for stop in stops if stop in text]
    if not found:
        return None
    end, length = min(found)
    return end + length


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before a stop string, all of it if there is none."""
    return text[: stop_at(text, stops)]


def settled(text: str) -> str:
    """The text without the beginning of a character at its end, which the next token may complete."""
    return text.rstrip(_INCOMPLETE)


def over_at_stops(decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> Callable[[list[int]], bool] | None:
    """Whether a stop string has come in an answer's ids; None if there is none to look for."""
    return (lambda ids: stop_at(settled(decode(ids)), stops) is not None) if stops else None


def pieces(answers: Iterable[list[int]], decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> Iterator[str]:
    """The text of one answer in pieces, none empty, as its ids come.

    Args:
        answers: all ids so far, each time.
    """
    text = TextStream(decode, stops)
    answer: list[int] = []
    for answer in answers:
        if piece := text.push(answer):
            yield piece
    if piece := text.push(answer, last=True):
        yield piece


class TextStream:
    """Gives each part of an answer once it cannot change any more.

    Args:
        decode: ids to text.
        stops: no part of them is ever given.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        self._decode = decode
        self._stops = stops
        self._given = 0

    def push(self, ids: Sequence[int], *, last: bool = False) -> str:
        """The text that is new and certain, given all ids so far; with `last` all that is left."""
        text = self._decode(ids)
        text = cut(text if last else settled(text), self._stops)
        certain = len(text) if last else len(self._certain(text))
        piece = text[self._given : certain]
        self._given = max(self._given, certain)
        return piece

    def _certain(self, text: str) -> str:
        """Without the beginning of a stop string at its end."""
        longest = max((len(stop) - 1 for stop in self._stops), default=0)
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return text[:-size]
        return text
