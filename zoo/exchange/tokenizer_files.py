"""Tokenizers of Hugging Face's layout, `tokenizer.json` or `vocab.json` with `merges.txt`, in and out.

What cuts a text into pieces before the merges is part of a tokenizer: a model that came with GPT-2's knows
" 2019" as one word, which our own way, digit by digit, would never make. So a vocabulary from elsewhere
becomes a kind of its own (`pipelines.tokenizers.KINDS`), and a way to cut that is not known is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from governance.errors import DataError
from pipelines.tokenizers import KINDS, Encoder, Kind, bpe

_TOKENIZER = "tokenizer.json"
_UNKNOWN = "this tokenizer cannot be read without changing its ids"


@dataclass(frozen=True)
class Found:
    """A tokenizer in a folder.

    Attributes:
        kind: a name in `pipelines.tokenizers.KINDS`.
        write: writes its files as that kind has them, into an empty folder.
    """

    kind: str
    write: Callable[[Path], None]


def find_tokenizer(folder: Path, kind: str) -> Found:
    """Reads the tokenizer of a Hugging Face folder.

    Args:
        kind: of the family that is to use it; the kind that is found has the same special tokens.

    Raises:
        DataError: there is none, it is damaged, or it works in a way that is not known.
    """
    if (folder / _TOKENIZER).is_file():
        content = _json(folder / _TOKENIZER)
        algorithm = str((content.get("model") or {}).get("type", "BPE"))
        if algorithm not in _READERS:
            raise DataError(
                f"the tokenizer's algorithm is {algorithm}",
                where=str(folder / _TOKENIZER),
                fix=f"that can be read: {', '.join(_READERS)}",
            )
        return _READERS[algorithm](content, kind, str(folder / _TOKENIZER))
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _vocabulary_and_merges(folder, kind)
    raise DataError(
        "there is no tokenizer.json, and no vocab.json with merges.txt",
        where=str(folder),
        fix="a model is of no use without its own tokenizer: get its files as well",
    )


def preset_tokenizer(folder: Path, kind: str) -> Found:
    """The tokenizer among the assets of a keras-hub preset, of a kind that is known.

    keras-hub writes the files of a tokenizer anew, with other bytes; here they become those of training again,
    so that the digest is the same.
    """
    rewrite = _REWRITERS.get(KINDS[kind].algorithm, _copy)
    return Found(kind, lambda target: rewrite(folder, target))


def write_tokenizer(encoder: Encoder, folder: Path, *, context: int) -> None:
    """Writes what `AutoTokenizer.from_pretrained` opens; special tokens stand around a text as in training.

    Args:
        context: tokens that the model can look at.

    Raises:
        DataError: the algorithm has no counterpart there.
    """
    kind = encoder.lexicon.kind
    if kind.algorithm not in _WRITERS:
        raise DataError(f"a tokenizer of the algorithm {kind.algorithm} cannot be written", fix="export it to keras")
    _WRITERS[kind.algorithm](encoder, folder)
    roles = {"bos_token": kind.first or kind.start or kind.end, "eos_token": kind.end}
    roles |= {"pad_token": kind.pad, "mask_token": kind.mask}
    config = {name: token for name, token in roles.items() if token is not None}
    config |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _read_bpe(content: Mapping[str, Any], kind: str, where: str) -> Found:
    model = content["model"]
    for name in ("byte_fallback", "continuing_subword_prefix", "end_of_word_suffix", "dropout"):
        if model.get(name):
            raise DataError(f"the tokenizer's {name} is {model[name]!r}", where=where, fix=_UNKNOWN)
    if content.get("normalizer") is not None:
        raise DataError(f"it changes texts first: {content['normalizer'].get('type')}", where=where, fix=_UNKNOWN)
    split = _split(content.get("pre_tokenizer") or {}, where)
    if bool(model.get("ignore_merges")) != (split == "llama3"):
        raise DataError(f"ignore_merges is {model.get('ignore_merges')}", where=where, fix=_UNKNOWN)
    vocabulary = dict(model["vocab"])
    vocabulary |= {token["content"]: token["id"] for token in content.get("added_tokens") or []}
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    return _found(vocabulary, merges, kind, split, where)


def _vocabulary_and_merges(folder: Path, kind: str) -> Found:
    """The files of GPT-2's own tokenizer, which say nothing of how a text is cut: as GPT-2 does it."""
    vocabulary = _json(folder / "vocab.json")
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [line for line in lines if line and not line.startswith("#version")]
    return _found(vocabulary, merges, kind, "gpt2", str(folder / "vocab.json"))


def _found(vocabulary: dict[str, int], merges: list[str], kind: str, split: str | None, where: str) -> Found:
    wanted = KINDS[kind]
    found = next((one for one in KINDS.values() if one.split == split and _is_twin(one, wanted)), None)
    if found is None:
        raise DataError(f"a {kind} tokenizer with the pieces of {split} is not known", where=where, fix=_UNKNOWN)
    missing = [token for token in found.special_tokens if token not in vocabulary]
    if missing:
        raise DataError(
            f"the tokenizer has no {missing[0]}",
            where=where,
            fix=f"a {kind} tokenizer has {' '.join(found.special_tokens)}",
        )
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise DataError("its ids are not 0 to the number of its words", where=where, fix=_UNKNOWN)
    return Found(found.name, lambda folder: bpe.write_files(vocabulary, merges, folder))


def _is_twin(kind: Kind, other: Kind) -> bool:
    """Whether two kinds differ in how they cut a text alone."""
    return replace(kind, name=other.name, split=other.split, special_tokens=other.special_tokens) == other


def published_kind(kind: str) -> str:
    """The kind that a published vocabulary of a family is of; a keras-hub preset does not say it."""
    twins = (k.name for k in KINDS.values() if k.split is not None and _is_twin(k, KINDS[kind]))
    return next(twins, kind)


def _split(pre_tokenizer: Mapping[str, Any], where: str) -> str | None:
    """How pieces are cut, as `Kind.split` names it."""
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    patterns = [step.get("pattern", {}).get("Regex") for step in steps if step.get("type") == "Split"]
    levels = [step for step in steps if step.get("type") == "ByteLevel"]
    if len(levels) == 1 and len(patterns) + 1 == len(steps) and not levels[0].get("add_prefix_space"):
        if levels[0].get("use_regex", True) and not patterns:
            return "gpt2"
        for name, pattern in bpe.SPLITS.items():
            if patterns == [pattern] and not levels[0].get("use_regex", True):
                return name
    raise DataError(
        f"its pre_tokenizer is none that is known: {json.dumps(pre_tokenizer)[:200]}", where=where, fix=_UNKNOWN
    )


def _write_bpe(encoder: Encoder, folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, processors

    assert isinstance(encoder, bpe.BytePairEncoder)
    kind, ids = encoder.lexicon.kind, encoder.lexicon.ids
    tokenizer = Tokenizer.from_str(encoder.tokenizer.to_str())
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in kind.special_tokens])
    before = kind.first or kind.start
    # An encoder's inputs end with the token as well; a decoder's text is open at its end.
    after = kind.end if kind.first is not None else None
    if before is not None:
        around = [token for token in (before, after) if token is not None]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=" ".join([before, "$A", *around[1:]]),
            pair=" ".join([before, "$A", *around[1:], "$B", *around[1:]]),
            special_tokens=[(token, ids[token]) for token in around],
        )
    tokenizer.save(str(folder / _TOKENIZER))


def _copy(folder: Path, target: Path) -> None:
    for file in sorted(folder.iterdir()):
        (target / file.name).write_bytes(file.read_bytes())


def _rewrite_bpe(folder: Path, target: Path) -> None:
    bpe.write_files(*bpe.read_files(folder), target)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("this is no JSON object")
    except (OSError, ValueError) as error:
        raise DataError(f"unreadable: {error}", where=str(path), fix="get the file again") from None
    return content


#: By the algorithm's name in tokenizer.json, and by ours.
_READERS: dict[str, Callable[[Mapping[str, Any], str, str], Found]] = {"BPE": _read_bpe}
_WRITERS: dict[str, Callable[[Encoder, Path], None]] = {"bpe": _write_bpe}
_REWRITERS: dict[str, Callable[[Path, Path], None]] = {"bpe": _rewrite_bpe}
