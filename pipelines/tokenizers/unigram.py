"""Unigram language model over pieces (Kudo 2018, arXiv:1804.10959), by SentencePiece (Kudo & Richardson
2018, arXiv:1808.06226), as T5 has it.

Three things are not SentencePiece's defaults, so that any text comes back as it was: nothing is
normalised, what has no piece becomes bytes, and spaces stay spaces. SentencePiece trains on "▁" in
place of spaces, so that a "▁" of the text would come back as one; the trained model is rewritten
with plain spaces, which its readers, keras-hub's among them, take as they are.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from governance.errors import ConfigError
from pipelines.tokenizers.kinds import Encoder, Kind, Lexicon

#: As keras-hub names it among a preset's assets.
FILES = ("vocabulary.spm",)

#: Pieces are learned from so much of the training split, in its order, which is that of hashes of record
#: ids and therefore a fair sample. It is held in memory: 0.5 GB with what SentencePiece makes of it.
MOST_CHARACTERS = 10_000_000

#: Characters outside the commonest that make up this share of the text are bytes, as in T5.
_COVERAGE = 0.9995
#: What SentencePiece keeps for itself; in text they become bytes.
_RESERVED = frozenset("\0\t\u2581\u2585")
#: Longer lines are cut; SentencePiece would leave out what is longer than 4,192 bytes.
_LONGEST_LINE = 1000
_LINE = re.compile(rf"[^\r\n]{{1,{_LONGEST_LINE}}}[\r\n]{{0,8}}|[\r\n]{{1,8}}")
_WORD = re.compile(r"[^\W\d_]+")
#: A place where no piece may reach across, for SentencePiece's trainer.
_BOUNDARY = "\t"
_BYTE = re.compile("<0x([0-9A-F]{2})>")
_BYTES = 256

_SETTINGS = {
    "model_type": "unigram",
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "byte_fallback": True,
    "character_coverage": 1.0,  # rare characters are left out before
    "split_digits": True,
    "hard_vocab_limit": False,
    "num_threads": 4,  # sums of floats depend on it
    "minloglevel": 2,
}
#: Changes with whatever changes the files that the same text gives.
_MAKES = [_SETTINGS, MOST_CHARACTERS, _COVERAGE, _LINE.pattern, _WORD.pattern, _BOUNDARY]
VERSION = hashlib.sha256(json.dumps(_MAKES).encode()).hexdigest()[:8]


class UnigramEncoder(Encoder):
    """Opens a SentencePiece model.

    Raises:
        RuntimeError: it is none.
    """

    def __init__(self, kind: Kind, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor

        self._processor = SentencePieceProcessor(model_proto=model)
        pieces = self._processor.id_to_piece(list(range(self._processor.vocab_size())))
        self.lexicon = Lexicon(kind, {piece: index for index, piece in enumerate(pieces)})
        special = set(kind.special_tokens)
        self._surfaces = [piece.encode() if piece in special else surface(piece) for piece in pieces]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = self._processor.encode(list(texts), out_type=int)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(map(self._surfaces.__getitem__, ids)).decode("utf-8", "replace")


def train(texts: Iterable[str], vocab_size: int, kind: Kind, folder: Path) -> None:
    """Writes the file of a tokenizer; the same texts in the same order give the same bytes.

    At most `MOST_CHARACTERS` of the texts are read.

    Args:
        vocab_size: words at most; all bytes and the special tokens of the kind are among them, and
            fewer come out when the text has too few different words.

    Raises:
        ConfigError: `vocab_size` cannot hold all bytes, the special tokens and one character.
    """
    from sentencepiece import SentencePieceTrainer

    room = vocab_size - _BYTES - len(kind.special_tokens)
    if room < 1:
        raise ConfigError(
            f"a vocabulary of {vocab_size} cannot hold all bytes and the special tokens of {kind.name}",
            where="tokenizer.vocab_size",
            fix=f"use {vocab_size + 1 - room} or more",
        )
    lines = list(_lines(texts))
    alphabet = _alphabet(lines, most=max(1, room // 2))
    model = io.BytesIO()
    pad, end, unknown, *others = kind.special_tokens
    special = {"pad_piece": pad, "eos_piece": end, "unk_piece": unknown, "control_symbols": others}
    settings: dict[str, Any] = _SETTINGS | special | {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    SentencePieceTrainer.train(
        sentence_iterator=_without_others(lines, alphabet), model_writer=model, vocab_size=vocab_size, **settings
    )
    (folder / FILES[0]).write_bytes(_with_plain_spaces(model.getvalue()))


def open_files(folder: Path, kind: Kind) -> Encoder:
    """Raises OSError or ValueError for a file that is missing or damaged."""
    from pipelines.tokenizers.pieces import open_unigram

    model = (folder / FILES[0]).read_bytes()
    try:
        return open_unigram(kind, model) if kind.published else UnigramEncoder(kind, model)
    except RuntimeError:
        raise ValueError("it is no SentencePiece model") from None


def surface(token: str) -> bytes:
    """The bytes of text that an ordinary token stands for; ours have no U+2581, in published ones it is a space."""
    byte = _BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace("\u2581", " ").encode()


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Lines with the breaks that end them, until there are enough characters."""
    left = MOST_CHARACTERS
    for text in texts:
        yield from _LINE.findall(text[:left])
        left -= len(text)
        if left <= 0:
            return


def _alphabet(lines: Sequence[str], most: int) -> frozenset[str]:
    """The commonest characters: all but the last 0.05 % of the text, and not more than `most`."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line)
    for character in _RESERVED:
        counts.pop(character, None)
    wanted, covered = _COVERAGE * counts.total(), 0
    alphabet = []
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]:
        if covered >= wanted:
            break
        alphabet.append(character)
        covered += count
    return frozenset(alphabet)


def _without_others(lines: Iterable[str], alphabet: frozenset[str]) -> Iterator[str]:
    """The lines, cut where a character is not of the alphabet, so that no piece reaches across it.

    Each comes twice, the second time with a boundary after each word. SentencePiece looks for pieces in
    different words, each once however often it stands in the text, and takes what is found in two; so it
    would miss words that are always written in the same way.
    """
    if not alphabet:
        yield " "  # of a text without characters the bytes remain
        return
    run = re.compile(f"[{re.escape(''.join(sorted(alphabet)))}]+")
    for line in lines:
        for part in run.findall(line):
            yield part
            yield _WORD.sub(rf"\g<0>{_BOUNDARY}", part)


def _with_plain_spaces(model: bytes) -> bytes:
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]  # made when imported
    for piece in proto.pieces:
        piece.piece = piece.piece.replace("\u2581", " ")
    proto.normalizer_spec.escape_whitespaces = False
    content: bytes = proto.SerializeToString(deterministic=True)
    return content
