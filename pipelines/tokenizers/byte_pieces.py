"""SentencePiece's byte pairs with bytes for what has no piece, as Llama 1 and 2 have them (Touvron et al. 2023,
arXiv:2307.09288), with the ids of Hugging Face's tokenizers.

A space is put before a text, and nothing else is changed. The file is a SentencePiece model that keras-hub's
`LlamaTokenizer` and sentencepiece read as well; they give the same ids but for a text that begins with a space, before
which they put another one (as transformers before version 5 did).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.tokenizers.kinds import Kind
from pipelines.tokenizers.pieces import SPACE, PublishedPieceEncoder, read_model
from pipelines.tokenizers.unigram import FILES

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # of SentencePiece's types of pieces
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def open_model(kind: Kind, model: bytes) -> PublishedPieceEncoder:
    """Opens a SentencePiece model.

    Raises:
        RuntimeError: it is none.
    """
    proto = read_model(model)
    return PublishedPieceEncoder(kind, proto, byte_piece_tokenizer(proto))


def open_files(folder: Path, kind: Kind) -> PublishedPieceEncoder:
    """Raises OSError or ValueError for a file that is missing or damaged."""
    try:
        return open_model(kind, (folder / FILES[0]).read_bytes())
    except RuntimeError:
        raise ValueError("it is no SentencePiece model") from None


def byte_piece_tokenizer(proto: Any) -> Tokenizer:
    """The tokenizer of Hugging Face's layout for a SentencePiece model."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    ids = {one.piece: index for index, one in enumerate(proto.pieces)}
    pairs = merges([one.piece for one in proto.pieces if one.type == _NORMAL])
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=pairs, fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, "first", False)
    strip = decoders.Strip(" ", 1, 0)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), strip]
    )
    return tokenizer


def merges(pieces: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs of pieces that make a piece, in the order of the pieces that they make."""
    known = set(pieces)
    cuts = ((piece[:place], piece[place:]) for piece in pieces for place in range(1, len(piece)))
    return [(left, right) for left, right in cuts if left in known and right in known]


def write_model(pieces: Sequence[str], *, unknown: int, control: Collection[str]) -> bytes:
    """A SentencePiece model of Llama 2's kind; the same arguments give the same bytes.

    Args:
        pieces: in the order of their ids, in which they are preferred as well.
        unknown: id of the piece for what has none, of which there is nothing.
        control: pieces that no text becomes.
    """
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when imported
    raw = set(_BYTES)
    for index, piece in enumerate(pieces):
        special = _UNKNOWN if index == unknown else _CONTROL if piece in control else _NORMAL
        kind = _BYTE if piece in raw else special
        proto.pieces.add(piece=piece, score=-float(index) if kind == _NORMAL else 0.0, type=kind)
    ids = {piece: index for index, piece in enumerate(pieces)}
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    trainer.model_type, trainer.vocab_size, trainer.byte_fallback = trainer.BPE, len(pieces), True
    trainer.unk_piece, trainer.unk_id = pieces[unknown], unknown
    trainer.bos_id, trainer.eos_id, trainer.pad_id = ids.get("<s>", -1), ids.get("</s>", -1), -1
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = normalizer.escape_whitespaces = True
    normalizer.remove_extra_whitespaces = False
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def lacks_bytes(pieces: Collection[str]) -> bool:
    """Whether a byte has no piece, so that not every text has ids."""
    return not set(_BYTES) <= set(pieces)
