"""spaCy's named-entity recognizer over many texts at once: the same weights and decisions, several times as fast.

Three things are done differently, none of which changes what is found:

- Tokens, and the layer that embeds each token by itself, are computed once per word and remembered.
- Matrices are multiplied by numpy's BLAS; thinc's own takes about four times as long.
- spaCy takes the words of a text one after the other through its transition system (Begin, In, Last, Unit, Out; Lample
  et al. 2016, arXiv:1603.01360, section 3). Outside of an entity its state is the next word alone, so all of those
  decisions are made at once; only inside of an entity are steps taken, for all open entities together.

`RECEPTIVE` words to each side decide about a word: four convolutions that each see one neighbour. So a text may be cut
anywhere, and what is further from the cut than that stays as it was, unless an entity lies across.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from governance.errors import DetectorError
from governance.pii.convolutions import Convolutions, Floats, Ints

if TYPE_CHECKING:
    from spacy.language import Language

#: Words on each side that the recognizer's decision about a word depends on.
RECEPTIVE = 4
#: Characters of one pass through the network, in which about 4 kB of arrays stand for each word: what fits into a
#: cache of a processor is read faster than memory.
_PASS = 10_000
#: Words that are remembered, at about 0.5 kB each.
_REMEMBERED = 40_000

_CHUNK = re.compile(r"\S+|\s+")


class Entity(NamedTuple):
    """Character offsets, end exclusive, and spaCy's label."""

    start: int
    end: int
    label: str


class _Chunk(NamedTuple):
    """What stands between spaces: where its tokens begin and end, their embeddings (tokens, width), if it is blank."""

    offsets: tuple[tuple[int, int], ...]
    vectors: Floats
    blank: bool


class EntityRecognizer:
    """Finds what `nlp(text).ents` has, of many texts.

    Args:
        nlp: a pipeline whose recognizer has a token-to-vector layer of its own.

    Raises:
        DetectorError: the recognizer is built in another way.
    """

    def __init__(self, nlp: Language) -> None:
        recognizer: Any = nlp.get_pipe("ner")
        model = recognizer.model
        try:
            tokens_to_vectors, _, self._project = model.get_ref("tok2vec").layers
            self._embed, encode = tokens_to_vectors.layers
        except ValueError:
            raise DetectorError(
                "the spaCy model's named-entity recognizer has an unknown form", fix="install en_core_web_sm 3.8"
            ) from None
        for node in model.walk():
            node.ops = _blas()
        self._nlp = nlp
        self._encode = Convolutions(encode)
        self._decode = _Decoder(model, recognizer.moves)
        self._chunks: dict[str, _Chunk] = {}
        self._lock = threading.Lock()  # a vocabulary has one memory zone at a time

    def __call__(self, texts: Sequence[str]) -> Iterator[list[Entity]]:
        """The entities of each text, in order; they depend on that text alone."""
        for first, last in _passes(texts):
            yield from self._read(texts[first:last])

    def _read(self, texts: Sequence[str]) -> list[list[Entity]]:
        pieces = [_pieces(text) for text in texts]
        known = self._learned({piece for of_text in pieces for piece, _ in of_text})
        found: list[list[Entity]] = [[] for _ in texts]
        owners = [(number, start) for number, of_text in enumerate(pieces) for _, start in of_text]
        if not owners:
            return found
        chunks = [known[piece] for of_text in pieces for piece, _ in of_text]
        sizes = np.array([len(chunk.offsets) for chunk in chunks])
        bounds = np.cumsum(sizes)  # of the chunks among all tokens
        lengths = np.cumsum([len(of_text) for of_text in pieces if of_text])
        ends = bounds[lengths - 1]  # of the texts among all tokens
        encoded = self._encode(np.concatenate([chunk.vectors for chunk in chunks]), np.diff(ends, prepend=0))
        tokens = self._project.predict(encoded)
        blank = np.repeat([chunk.blank for chunk in chunks], sizes)
        for first, last, label in self._decode(tokens, ends, blank):
            places = []
            for token in (first, last):
                at = int(np.searchsorted(bounds, token, side="right"))
                offsets = chunks[at].offsets[token - int(bounds[at] - sizes[at])]
                places.append(tuple(owners[at][1] + offset for offset in offsets))
            found[owners[at][0]].append(Entity(places[0][0], places[1][1], label))
        return found

    def _learned(self, pieces: set[str]) -> dict[str, _Chunk]:
        """Tokens and their embeddings of what stands between spaces."""
        with self._lock:
            if len(self._chunks) > _REMEMBERED:
                self._chunks.clear()
            new = sorted(pieces - self._chunks.keys())
            with self._nlp.memory_zone():  # new words are forgotten afterwards
                docs = [self._nlp.make_doc(piece) for piece in new]
                for piece, doc, vectors in zip(new, docs, self._embed.predict(docs) if docs else (), strict=True):
                    offsets = tuple((token.idx, token.idx + len(token.text)) for token in doc)
                    self._chunks[piece] = _Chunk(offsets, vectors, piece.isspace())
            return {piece: self._chunks[piece] for piece in pieces}


def _passes(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    first = size = 0
    for number, text in enumerate(texts):
        size += len(text)
        if size >= _PASS:
            yield first, number + 1
            first, size = number + 1, 0
    if first < len(texts):
        yield first, len(texts)


def _pieces(text: str) -> list[tuple[str, int]]:
    """What spaCy's tokenizer looks at by itself, with its start: a space after a word belongs to that word."""
    pieces = []
    for match in _CHUNK.finditer(text):
        piece, start = match[0], match.start()
        if piece == " " and start:
            continue
        if start and piece[0] == " ":
            piece, start = piece[1:], start + 1
        pieces.append((piece, start))
    return pieces


class _Decoder:
    """The transition system's greedy decisions over encoded tokens."""

    def __init__(self, model: Any, moves: Any) -> None:
        lower, upper = model.get_ref("lower"), model.get_ref("upper")
        self._weights = lower.get_param("W")  # (3 places, hidden, pieces, width)
        self._bias = lower.get_param("b")
        self._pad = lower.get_param("pad")[0]
        self._upper = upper.get_param("W")
        self._upper_bias = upper.get_param("b")
        names = [moves.get_class_name(number) for number in range(moves.n_moves)]
        self._labels = [name.partition("-")[2] for name in names]
        self._out = names.index("O")
        self._begins = np.array([name.startswith("B-") for name in names])
        outside = [name == "O" or name[:2] in ("B-", "U-") and len(name) > 2 for name in names]
        self._invalid = ~np.array(outside)
        place = {name: number for number, name in enumerate(names)}
        self._goes_on = np.array([place.get(f"I-{label}", 0) for label in self._labels])
        self._ends = np.array([place.get(f"L-{label}", 0) for label in self._labels])

    def __call__(self, tokens: Floats, text_ends: Ints, blank: Any) -> Iterator[tuple[int, int, str]]:
        """Yields (first token, last token, label) of each entity, in order.

        Args:
            tokens: (tokens, width) of all texts, one after the other.
            text_ends: after the last token of each text.
            blank: which tokens are white space, where no entity begins.
        """
        last = np.zeros(len(tokens), bool)
        last[text_ends - 1] = True
        chosen = self._outside(tokens, last, blank)
        begins = np.flatnonzero(self._begins[chosen])
        ends = dict(zip(begins.tolist(), self._last_tokens(tokens, begins, chosen[begins], last).tolist(), strict=True))
        free = 0
        for first in np.flatnonzero(chosen != self._out).tolist():
            if first >= free:
                end = ends.get(first, first)
                yield first, end, self._labels[chosen[first]]
                free = end + 1

    def _outside(self, tokens: Floats, last: Any, blank: Any) -> Ints:
        """The move at each token if no entity is open there."""
        summed = self._placed(tokens, 0) + (self._pad[1] + self._pad[2] + self._bias)
        scores = _maxout(summed) @ self._upper.T + self._upper_bias
        scores[:, self._invalid] = -float("inf")
        scores[last[:, None] & self._begins] = -float("inf")
        chosen: Ints = scores.argmax(axis=1)
        chosen[blank] = self._out
        return chosen

    def _last_tokens(self, tokens: Floats, begins: Ints, moves: Ints, last: Any) -> Ints:
        """The last token of the entities that begin at `begins`, all of which are followed at the same time."""
        ends = begins + 1
        first = self._placed(tokens[begins], 1)
        open_ = np.arange(len(begins))
        while len(open_):
            at = ends[open_]
            summed = self._placed(tokens[at], 0) + first[open_] + self._placed(tokens[at - 1], 2) + self._bias
            hidden = _maxout(summed)
            on, end = self._goes_on[moves[open_]], self._ends[moves[open_]]
            going = (hidden * self._upper[on]).sum(axis=1) + self._upper_bias[on]
            ending = (hidden * self._upper[end]).sum(axis=1) + self._upper_bias[end]
            open_ = open_[(going >= ending) & ~last[at]]
            ends[open_] += 1
        return ends

    def _placed(self, tokens: Floats, place: int) -> Floats:
        """What tokens add to the hidden layer in one place of the state: next, first and last of the entity."""
        weights = self._weights[place]
        result: Floats = (tokens @ weights.reshape(-1, weights.shape[-1]).T).reshape(-1, *weights.shape[:-1])
        return result


def _maxout(pieces: Floats) -> Floats:
    """The greatest of the last axis; taken piece by piece, which is quicker for two."""
    return functools.reduce(np.maximum, np.moveaxis(pieces, -1, 0))


def _blas() -> Any:
    """thinc's operations on numpy arrays, with numpy's matrix multiplication."""
    from thinc.api import NumpyOps

    class BlasOps(NumpyOps):  # type: ignore[misc, unused-ignore]
        def gemm(self, x: Any, y: Any, out: Any = None, trans1: bool = False, trans2: bool = False) -> Any:
            return np.dot(x.T if trans1 else x, y.T if trans2 else y, out=out)

    return BlasOps()
