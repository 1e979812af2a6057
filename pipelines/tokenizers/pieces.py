"""SentencePiece's unigram model as published T5s have it (Raffel et al. 2020, arXiv:1910.10683), with the ids of
Hugging Face's tokenizers.

It differs from our own way (`pipelines.tokenizers.unigram`): a text is normalised by the model's own table, white
space is one space, a space is put before the text, and what has no piece is unknown. The sentinels are its last words.
The file is a SentencePiece model that keras-hub and sentencepiece read as well. They give the same ids but for three
things, in which Hugging Face's tokenizers are followed: which of two equally likely ways to cut is taken, an accent
behind a character that the table replaces, and U+0085, which ends a word.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.tokenizers.kinds import Encoder, Kind, Lexicon
from pipelines.tokenizers.unigram import surface

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPACE = "\u2581"  # how a piece writes a space
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3  # of SentencePiece's types of pieces


class PublishedPieceEncoder(Encoder):
    """Reads texts with the pieces of a SentencePiece model, in Hugging Face's way.

    Args:
        proto: of `read_model`.
        tokenizer: of its pieces, by their numbers.
    """

    def __init__(self, kind: Kind, proto: Any, tokenizer: Tokenizer) -> None:
        self.lexicon = Lexicon(kind, {one.piece: index for index, one in enumerate(proto.pieces)})
        self.tokenizer = tokenizer
        special = set(kind.special_tokens)
        self._surfaces = [one.piece.encode() if one.piece in special else surface(one.piece) for one in proto.pieces]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """The space that was put before the text goes again."""
        return b"".join(map(self._surfaces.__getitem__, ids)).decode("utf-8", "replace").removeprefix(" ")


def open_unigram(kind: Kind, model: bytes) -> PublishedPieceEncoder:
    """Opens a SentencePiece model.

    Raises:
        RuntimeError: it is none.
    """
    proto = read_model(model)
    return PublishedPieceEncoder(kind, proto, unigram_tokenizer(proto))


def unigram_tokenizer(proto: Any, *, special_in_text: bool = False) -> Tokenizer:
    """The tokenizer of Hugging Face's layout for a SentencePiece model.

    Args:
        special_in_text: the pieces that are no text have their names, so that text can become one.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    # A piece with a space is never found, since words have none.
    pieces = [
        (one.piece if special_in_text or one.type == _NORMAL else f" {index}", one.score)
        for index, one in enumerate(proto.pieces)
    ]
    unknown = next(index for index, one in enumerate(proto.pieces) if one.type == _UNKNOWN)
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
    table = proto.normalizer_spec.precompiled_charsmap
    if table:
        tokenizer.normalizer = normalizers.Precompiled(table)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(SPACE, "always", True)]
    )
    tokenizer.decoder = decoders.Metaspace(SPACE, "always", True)
    return tokenizer


def read_model(model: bytes) -> Any:
    """The content of a SentencePiece model, a protobuf message.

    Raises:
        RuntimeError: it is none.
    """
    from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

    SentencePieceProcessor(model_proto=model)
    return sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]  # made when imported


def is_published(model: bytes) -> bool:
    """Whether a SentencePiece model was not made here: ours have spaces that are spaces.

    Raises:
        RuntimeError: it is none.
    """
    return bool(read_model(model).normalizer_spec.escape_whitespaces)


def write_model(pieces: Sequence[tuple[str, float]], *, unknown: int, control: Collection[str], table: bytes) -> bytes:
    """A SentencePiece model of T5's kind; the same arguments give the same bytes.

    Args:
        pieces: with their scores, in the order of their ids.
        unknown: id of the piece for what has none.
        control: pieces that no text becomes.
        table: how characters are replaced, as SentencePiece compiles it; may be empty.
    """
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    for index, (piece, score) in enumerate(pieces):
        kind = _UNKNOWN if index == unknown else _CONTROL if piece in control else _NORMAL
        proto.pieces.add(piece=piece, score=score, type=kind)
    ids = {piece: index for index, (piece, _) in enumerate(pieces)}
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    trainer.model_type, trainer.vocab_size = trainer.UNIGRAM, len(pieces)
    trainer.unk_piece, trainer.unk_id = pieces[unknown][0], unknown
    trainer.pad_piece, trainer.pad_id = "<pad>", ids.get("<pad>", -1)
    trainer.eos_piece, trainer.eos_id, trainer.bos_id = "</s>", ids.get("</s>", -1), -1
    normalizer.precompiled_charsmap = table
    normalizer.add_dummy_prefix = normalizer.remove_extra_whitespaces = normalizer.escape_whitespaces = True
    content: bytes = proto.SerializeToString(deterministic=True)
    return content
