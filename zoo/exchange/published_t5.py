"""The tokenizers of published T5s: `spiece.model` or a Unigram `tokenizer.json`, as one SentencePiece model.

`spiece.model` has no sentinels. They are its next words, the last one first, as Hugging Face numbers them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from governance.errors import DataError
from pipelines.tokenizers import KINDS
from pipelines.tokenizers.pieces import SPACE, is_published, read_model, write_model

PIECES = "spiece.model"
_KIND = KINDS["t5-published"]
_FIX = "this tokenizer cannot be read without changing its ids"
#: SentencePiece's types of pieces that a T5 does not have.
_OTHER_TYPES = {4: "user-defined pieces", 5: "unused pieces", 6: "bytes"}
_UNIGRAM = 1


def kind_of_model(path: Path, kind: str) -> str:
    """The kind of a SentencePiece model that is ours or was read before.

    Raises:
        OSError, ValueError: it is missing or damaged.
    """
    try:
        return f"{kind}-published" if is_published(path.read_bytes()) else kind
    except RuntimeError:
        raise ValueError("it is no SentencePiece model") from None


def model_of_file(path: Path) -> bytes:
    """The model of a `spiece.model`, with sentinels.

    Raises:
        DataError: it is none of a T5's.
    """
    where = str(path)
    try:
        proto = read_model(path.read_bytes())
    except RuntimeError:
        raise DataError("it is no SentencePiece model", where=where, fix="get the file again") from None
    if proto.trainer_spec.model_type != _UNIGRAM:
        raise DataError("a T5's SentencePiece model is Unigram, and this is none", where=where, fix=_FIX)
    spec = proto.normalizer_spec
    for name in ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces"):
        if not getattr(spec, name):
            raise DataError(f"its {name} is False", where=where, fix=_FIX)
    for piece in proto.pieces:
        if piece.type in _OTHER_TYPES and piece.piece not in _KIND.sentinels:
            raise DataError(f"it has {_OTHER_TYPES[piece.type]}, such as {piece.piece!r}", where=where, fix=_FIX)
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    pieces += _sentinels(path.parent) if not {piece for piece, _ in pieces} & set(_KIND.sentinels) else []
    control = {piece.piece for piece in proto.pieces if piece.type != _UNIGRAM} | set(_KIND.special_tokens)
    unknown = next(index for index, piece in enumerate(proto.pieces) if piece.type == 2)
    return _checked(pieces, unknown, control, spec.precompiled_charsmap, where)


def model_of_json(content: Mapping[str, Any], where: str) -> bytes:
    """The model of a tokenizer.json.

    Raises:
        DataError: it works in another way than a T5's.
    """
    model, added = content["model"], content.get("added_tokens") or []
    if model.get("byte_fallback"):
        raise DataError("its byte_fallback is True", where=where, fix=_FIX)
    _check_pre_tokenizer(content.get("pre_tokenizer") or {}, where)
    pieces = [(str(piece), float(score)) for piece, score in model["vocab"]]
    known = {piece: index for index, (piece, _) in enumerate(pieces)}
    for token in sorted(added, key=lambda one: one["id"]):
        name = token["content"]
        if not token.get("special") and name not in _KIND.special_tokens:
            raise DataError(f"it has an added word: {name!r}", where=where, fix=_FIX)
        if known.setdefault(name, len(pieces)) != token["id"]:
            raise DataError("its ids are not 0 to the number of its words", where=where, fix=_FIX)
        pieces += [(name, 0.0)] if token["id"] == len(pieces) else []
    control = {token["content"] for token in added} | set(_KIND.special_tokens)
    return _checked(pieces, int(model["unk_id"]), control, _table(content.get("normalizer"), where), where)


def _checked(pieces: list[tuple[str, float]], unknown: int, control: set[str], table: bytes, where: str) -> bytes:
    names = {piece for piece, _ in pieces}
    missing = [token for token in _KIND.special_tokens if token not in names]
    if missing:
        raise DataError(
            f"the tokenizer has no {missing[0]}",
            where=where,
            fix=f"a t5 tokenizer has {' '.join(_KIND.special_tokens[:3])} and {len(_KIND.sentinels)} sentinels",
        )
    if len(names) != len(pieces) or pieces[unknown][0] != "<unk>":
        raise DataError("a word is there twice, or what is unknown is not <unk>", where=where, fix=_FIX)
    return write_model(pieces, unknown=unknown, control=control, table=table)


def _sentinels(folder: Path) -> list[tuple[str, float]]:
    path = folder / "tokenizer_config.json"
    asked = json.loads(path.read_text(encoding="utf-8")).get("extra_ids", 100) if path.is_file() else 100
    if asked != len(_KIND.sentinels):
        raise DataError(f"extra_ids is {asked}, and a t5 here has {len(_KIND.sentinels)}", where=str(path), fix=_FIX)
    return [(token, 0.0) for token in reversed(_KIND.sentinels)]


def _table(normalizer: Mapping[str, Any] | None, where: str) -> bytes:
    """How characters are replaced; that runs of spaces become one and that ends are stripped is done in any case."""
    if normalizer is None:
        return b""
    steps = normalizer["normalizers"] if normalizer["type"] == "Sequence" else [normalizer]
    tables = [base64.b64decode(step["precompiled_charsmap"] or "") for step in steps if step["type"] == "Precompiled"]
    others = [step for step in steps if step["type"] not in ("Precompiled", "Strip") and not _joins_spaces(step)]
    if others or len(tables) > 1:
        raise DataError(f"it changes texts in a way that is not known: {_types(steps)}", where=where, fix=_FIX)
    return tables[0] if tables else b""


def _joins_spaces(step: Mapping[str, Any]) -> bool:
    content = step.get("content")
    return step["type"] == "Replace" and step.get("pattern") == {"Regex": " {2,}"} and content in (" ", SPACE)


def _check_pre_tokenizer(pre_tokenizer: Mapping[str, Any], where: str) -> None:
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    last = steps[-1]
    prefix = last.get("prepend_scheme", "always" if last.get("add_prefix_space", True) else "never")
    known = {"Metaspace": ("always", "first"), "WhitespaceSplit, Metaspace": ("always",)}
    splits = last.get("split", True) and last.get("replacement") == SPACE
    if not splits or prefix not in known.get(_types(steps), ()):
        raise DataError(f"it cuts texts in a way that is not known: {_types(steps)}", where=where, fix=_FIX)


def _types(steps: list[Mapping[str, Any]]) -> str:
    return ", ".join(str(step.get("type")) for step in steps)
