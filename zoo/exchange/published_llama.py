"""The tokenizers of Llama 1 and 2: `tokenizer.model` or a `tokenizer.json` with bytes for what has no piece, as one
SentencePiece model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from governance.errors import DataError
from pipelines.tokenizers import KINDS
from pipelines.tokenizers.byte_pieces import lacks_bytes, merges, write_model
from pipelines.tokenizers.pieces import SPACE, read_model

PIECES = "tokenizer.model"
KIND = "llama2-published"
_FIX = "this tokenizer cannot be read without changing its ids"
_BPE, _NORMAL, _UNKNOWN, _CONTROL, _BYTE = 2, 1, 2, 3, 6
_SETTINGS = {"add_dummy_prefix": True, "remove_extra_whitespaces": False, "escape_whitespaces": True}
_PREPEND = [
    {"type": "Prepend", "prepend": SPACE},
    {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
]


def model_of_file(path: Path) -> bytes:
    """The model of a `tokenizer.model`.

    Raises:
        DataError: it is none of a Llama's.
    """
    where = str(path)
    try:
        proto = read_model(path.read_bytes())
    except RuntimeError:
        raise DataError("it is no SentencePiece model", where=where, fix="get tokenizer.json as well") from None
    spec = proto.normalizer_spec
    if proto.trainer_spec.model_type != _BPE or spec.precompiled_charsmap:
        raise DataError("a Llama's SentencePiece model is BPE and changes no characters", where=where, fix=_FIX)
    for name, value in _SETTINGS.items():
        if getattr(spec, name) != value:
            raise DataError(f"its {name} is {not value}", where=where, fix=_FIX)
    other = [one.piece for one in proto.pieces if one.type not in (_NORMAL, _UNKNOWN, _CONTROL, _BYTE)]
    if other:
        raise DataError(f"it has pieces of its user, such as {other[0]!r}", where=where, fix=_FIX)
    scores = [one.score for one in proto.pieces if one.type == _NORMAL]
    if scores != sorted(scores, reverse=True):
        raise DataError("its pieces are not in the order of their scores", where=where, fix=_FIX)
    control = {one.piece for one in proto.pieces if one.type == _CONTROL}
    return _checked([one.piece for one in proto.pieces], control, where)


def model_of_json(content: Mapping[str, Any], where: str) -> bytes:
    """The model of a tokenizer.json.

    Raises:
        DataError: it works in another way than a Llama's.
    """
    model, added = content["model"], content.get("added_tokens") or []
    for name in ("continuing_subword_prefix", "end_of_word_suffix", "dropout", "ignore_merges"):
        if model.get(name):
            raise DataError(f"the tokenizer's {name} is {model[name]!r}", where=where, fix=_FIX)
    _check_spaces(content.get("normalizer"), content.get("pre_tokenizer"), where)
    ids = dict(model["vocab"])
    for token in added:
        if not token.get("special"):
            raise DataError(f"it has an added word: {token['content']!r}", where=where, fix=_FIX)
        ids[token["content"]] = token["id"]
    pieces = sorted(ids, key=ids.__getitem__)
    if [ids[piece] for piece in pieces] != list(range(len(pieces))):
        raise DataError("its ids are not 0 to the number of its words", where=where, fix=_FIX)
    control = {token["content"] for token in added} - {"<unk>"}
    _check_merges([_pair(one) for one in model["merges"]], pieces, control, where)
    return _checked(pieces, control, where)


def _checked(pieces: Sequence[str], control: set[str], where: str) -> bytes:
    missing = [token for token in KINDS[KIND].special_tokens if token not in pieces]
    if missing or lacks_bytes(pieces):
        raise DataError(
            f"the tokenizer has no {missing[0] if missing else 'piece for each byte'}",
            where=where,
            fix=f"that of Llama 1 and 2 has {' '.join(KINDS[KIND].special_tokens)} and 256 bytes",
        )
    return write_model(
        pieces, unknown=pieces.index("<unk>"), control=control | set(KINDS[KIND].special_tokens) - {"<unk>"}
    )


def _check_spaces(normalizer: Mapping[str, Any] | None, cut: Mapping[str, Any] | None, where: str) -> None:
    """That a space is put before the text, in one of the two ways to say it."""
    steps = None if normalizer is None else normalizer.get("normalizers")
    before = steps == _PREPEND and cut is None
    scheme = None if cut is None else cut.get("prepend_scheme")
    spaces = normalizer is None and cut is not None and cut.get("type") == "Metaspace"
    if not before and not (spaces and cut and not cut.get("split", True) and scheme in ("first", "always")):
        raise DataError("it changes or cuts texts in another way than Llama 1 and 2 do", where=where, fix=_FIX)


def _check_merges(pairs: list[tuple[str, str]], pieces: Sequence[str], control: set[str], where: str) -> None:
    """That the merges are all that the pieces allow, in their order. (Of several ways to make one piece it does not
    matter, and a way to make a special token is none here.)"""
    special = control | set(KINDS[KIND].special_tokens)
    expected = merges([piece for piece in pieces if piece not in special and not _is_byte(piece)])
    pairs = [pair for pair in pairs if "".join(pair) not in special]
    made = [left + right for left, right in pairs]
    if Counter(pairs) != Counter(expected) or made != [left + right for left, right in expected]:
        raise DataError("its merges are not those of a SentencePiece model", where=where, fix=_FIX)


def _pair(merge: str | Sequence[str]) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _is_byte(piece: str) -> bool:
    return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")
