"""The tokenizers of published BERTs: `vocab.txt` or a WordPiece `tokenizer.json`, and what they do with capitals,
accents and Chinese. `vocab.txt` does not say it; `tokenizer_config.json` does, and transformers goes by that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from governance.errors import DataError
from pipelines.tokenizers import KINDS, Folding
from pipelines.tokenizers.bert import LONGEST
from pipelines.tokenizers.wordpiece import REST, UNKNOWN

_CONFIG = "tokenizer_config.json"
_FIX = "this tokenizer cannot be read without changing its ids"
#: Classes of transformers that take tokenizer.json as it is.
_GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")
#: What the model of a tokenizer.json must say where it says something, and what it is when it says nothing.
_MODEL = {"unk_token": UNKNOWN, "continuing_subword_prefix": REST, "max_input_chars_per_word": LONGEST}
_BOTH = "set do_lower_case, strip_accents and tokenize_chinese_chars there to what the model was trained with"


def kind_of_json(content: Mapping[str, Any], folder: Path, kind: str) -> str:
    """The published kind of a folder with tokenizer.json.

    Raises:
        DataError: it cuts in another way than BERT, or its files contradict each other.
    """
    where = str(folder / "tokenizer.json")
    normalizer, pre_tokenizer = content.get("normalizer") or {}, content.get("pre_tokenizer") or {}
    if (normalizer.get("type"), pre_tokenizer.get("type")) != ("BertNormalizer", "BertPreTokenizer"):
        raise DataError("it cuts or changes texts in another way than BERT does", where=where, fix=_FIX)
    if not normalizer.get("clean_text", True):
        raise DataError("its normalizer has clean_text False", where=where, fix=_FIX)
    for name, value in _MODEL.items():
        if content["model"].get(name, value) != value:
            raise DataError(f"its {name} is {content['model'][name]!r} and not {value!r}", where=where, fix=_FIX)
    for token in content.get("added_tokens") or []:
        if not token.get("special") and token["content"] not in KINDS[kind].special_tokens:
            raise DataError(f"it has an added word: {token['content']!r}", where=where, fix=_FIX)
    lowercase = bool(normalizer.get("lowercase", True))
    found = _folding(lowercase, normalizer.get("strip_accents"), normalizer.get("handle_chinese_chars", True))
    config = _config(folder)
    if config.get("tokenizer_class") not in _GENERIC and _of_config(config) != found:
        raise DataError(
            f"tokenizer.json says {found}, and transformers goes by tokenizer_config.json: {_of_config(config)}",
            where=str(folder / _CONFIG),
            fix=_BOTH,
        )
    return _named(kind, found)


def kind_of_vocabulary(folder: Path, kind: str) -> str:
    """The published kind of a folder with vocab.txt alone.

    Raises:
        DataError: tokenizer_config.json says that texts are cut in another way than BERT does.
    """
    config = _config(folder)
    if not config.get("do_basic_tokenize", True) or config.get("never_split"):
        raise DataError(
            "it has do_basic_tokenize False or words that are never split", where=str(folder / _CONFIG), fix=_FIX
        )
    return _named(kind, _of_config(config))


def kind_of_preset(folder: Path, kind: str) -> str:
    """The kind of a keras-hub preset that does not say it: ours where keras-hub's tokenizer is set as ours is,
    otherwise that of the published model that the preset must have been made from."""
    path = folder / "tokenizer.json"
    config = json.loads(path.read_text(encoding="utf-8")).get("config", {}) if path.is_file() else {}
    lowercase, strip_accents = config.get("lowercase", True), config.get("strip_accents", True)
    if lowercase and strip_accents:
        return kind
    return _named(kind, Folding(bool(lowercase), bool(strip_accents)))


def _config(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _of_config(config: Mapping[str, Any]) -> Folding:
    """With the values that transformers takes where nothing is said."""
    lowercase = bool(config.get("do_lower_case", True))
    return _folding(lowercase, config.get("strip_accents"), config.get("tokenize_chinese_chars", True))


def _folding(lowercase: bool, strip_accents: bool | None, cjk_apart: bool) -> Folding:
    """Accents go with capitals where nothing else is said, as in the authors' code."""
    return Folding(lowercase, lowercase if strip_accents is None else bool(strip_accents), bool(cjk_apart))


def _named(kind: str, folding: Folding) -> str:
    return f"{kind}-published{folding.suffix}"
