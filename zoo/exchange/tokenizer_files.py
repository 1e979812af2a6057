"""Tokenizers of Hugging Face's layout in and out: `tokenizer.json`, `vocab.json` with `merges.txt`,
`vocab.txt`, `spiece.model`, `tokenizer.model`.

What cuts a text into pieces before the merges is part of a tokenizer: a model that came with GPT-2's knows
" 2019" as one word, which our own way, digit by digit, would never make. So a vocabulary from elsewhere
becomes a kind of its own (`pipelines.tokenizers.KINDS`), and a way to cut that is not known is refused.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from governance.wording import in_words
from pipelines.tokenizers import KINDS, Encoder, Folding, Kind, Lexicon, bpe, load_encoder
from pipelines.tokenizers.byte_pieces import byte_piece_tokenizer
from pipelines.tokenizers.pieces import read_model, unigram_tokenizer
from pipelines.tokenizers.store import ALGORITHMS
from zoo.exchange import published_bert, published_llama, published_t5
from zoo.exchange.chat_template import without_cut

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_TOKENIZER = "tokenizer.json"
#: SentencePiece's own file, as keras-hub names it.
_PIECES = "vocabulary.spm"
_UNKNOWN_WORD = "[UNK]"
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


def find_tokenizer(folder: Path, kind: str, *, own: str | None = None) -> Found:
    """Reads the tokenizer of a Hugging Face folder.

    Args:
        kind: of the family that is to use it; the kind that is found has the same special tokens.
        own: the kind that the folder's zoo.json says, of a model that was exported here: Hugging Face's files
            cannot say all of it.

    Raises:
        DataError: there is none, it is damaged, or it works in a way that is not known.
    """
    try:
        return _find(folder, kind, own)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        reason = in_words(error, detail=True, expected=("model", "vocab", "merges", "content", "id"))
        raise DataError(f"the tokenizer is damaged: {reason}", where=str(folder), fix="get its files again") from None


def _find(folder: Path, kind: str, own: str | None) -> Found:
    if (folder / _PIECES).is_file() and KINDS[kind].algorithm == "unigram":
        return preset_tokenizer(folder, published_t5.kind_of_model(folder / _PIECES, kind))
    if (folder / _PIECES).is_file() and kind == "llama3":
        return preset_tokenizer(folder, published_llama.KIND)
    if (folder / _TOKENIZER).is_file():
        content = json.loads((folder / _TOKENIZER).read_text(encoding="utf-8"))
        return _READERS[_algorithm(content, str(folder / _TOKENIZER))](content, kind, folder, own)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _vocabulary_and_merges(folder, kind)
    if (folder / published_t5.PIECES).is_file() and KINDS[kind].algorithm == "unigram":
        return _pieces(published_t5.model_of_file(folder / published_t5.PIECES), f"{kind}-published")
    if (folder / published_llama.PIECES).is_file() and kind == "llama3":
        return _pieces(published_llama.model_of_file(folder / published_llama.PIECES), published_llama.KIND)
    if (folder / "vocab.txt").is_file():
        _require(kind, "wordpiece", "WordPiece", str(folder / "vocab.txt"))
        tokens = (folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        found = published_bert.kind_of_vocabulary(folder, kind)
        return _wordpiece({token: index for index, token in enumerate(tokens)}, found, str(folder / "vocab.txt"))
    raise DataError(
        "there is no tokenizer.json, no vocab.json with merges.txt, no vocab.txt, and no spiece.model of a T5 "
        "or tokenizer.model of a Llama",
        where=str(folder),
        fix="a model is of no use without its own tokenizer: get its files as well",
    )


def _algorithm(content: Mapping[str, Any], where: str) -> str:
    model = content["model"]
    algorithm = str(model.get("type") or ("WordPiece" if "max_input_chars_per_word" in model else "BPE"))
    if algorithm not in _READERS:
        raise DataError(
            f"the tokenizer's algorithm is {algorithm}", where=where, fix=f"that can be read: {', '.join(_READERS)}"
        )
    return algorithm


def preset_tokenizer(folder: Path, kind: str) -> Found:
    """The tokenizer among the assets of a keras-hub preset, of a kind that is known.

    keras-hub writes the files of a tokenizer anew, with other bytes; here they become those of training again,
    so that the digest is the same.
    """
    if KINDS[kind].algorithm == "bpe":
        return Found(kind, lambda target: bpe.write_files(*bpe.read_files(folder), target))
    return Found(kind, lambda target: _copy(folder, target, ALGORITHMS[KINDS[kind].algorithm].files))


def refuse_another(digest: str, expected: str | None, folder: Path) -> None:
    """Raises DataError when the tokenizer in a model's folder is not the one that the model was trained with.

    Args:
        digest: of the files that are there, SHA-256 (hex).
        expected: what the model says; None if it does not say it.
    """
    if expected is not None and expected != digest:
        raise DataError(
            f"model and tokenizer do not belong together: the tokenizer's digest is {digest[:16]}, and the "
            f"model was trained with {expected[:16]}",
            where=str(folder),
            fix="put the tokenizer back that the model was trained with",
        )


def unnamed_preset_tokenizer(preset: Path, kind: str) -> Found:
    """The same of a preset that does not say its kind: it was not made here.

    Args:
        kind: of the family that is to use it.

    Raises:
        DataError: it is damaged, or works in a way that is not known.
    """
    folder, algorithm = preset / "assets" / "tokenizer", KINDS[kind].algorithm
    if algorithm == "bpe":
        twins = (one.name for one in KINDS.values() if one.published and _is_twin(one, KINDS[kind]))
        return preset_tokenizer(folder, next(twins, kind))
    try:
        if algorithm == "wordpiece":
            return preset_tokenizer(folder, published_bert.kind_of_preset(preset, kind))
        found = published_t5.kind_of_model(folder / _PIECES, kind)
        if found == kind:
            return preset_tokenizer(folder, kind)
        return _pieces(published_t5.model_of_file(folder / _PIECES), found)
    except (OSError, ValueError) as error:
        raise DataError(
            f"the tokenizer is damaged: {in_words(error, detail=True)}", where=str(preset), fix="get its files again"
        ) from None


def write_tokenizer(source: Path, folder: Path, *, context: int) -> None:
    """Writes what `AutoTokenizer.from_pretrained` opens; special tokens stand around a text as in training.

    Args:
        source: folder of a tokenizer of ours.
        context: tokens that the model can look at.

    Raises:
        DataError: the algorithm has no counterpart there.
    """
    encoder = load_encoder(source)
    kind = encoder.lexicon.kind
    if kind.algorithm not in _WRITERS:
        raise DataError(f"a tokenizer of the algorithm {kind.algorithm} cannot be written", fix="export it to keras")
    tokenizer = _WRITERS[kind.algorithm](encoder, source)
    _set_special_tokens(tokenizer, encoder.lexicon)
    tokenizer.save(str(folder / _TOKENIZER))
    if _PIECES in ALGORITHMS[kind.algorithm].files:
        shutil.copyfile(source / _PIECES, folder / _PIECES)
    roles = {"bos_token": kind.first or kind.start or kind.end, "eos_token": kind.end}
    roles |= {"pad_token": kind.pad, "mask_token": kind.mask}
    config: dict[str, Any] = {name: token for name, token in roles.items() if token is not None}
    if kind.folding is not None:  # transformers goes by this where it takes the folder for a BERT's
        config |= {"do_lower_case": kind.folding.lowercase, "strip_accents": kind.folding.strip_accents}
        config |= {"tokenize_chinese_chars": kind.folding.cjk_apart}
    config |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _read_bpe(content: Mapping[str, Any], kind: str, folder: Path, own: str | None) -> Found:
    model, where = content["model"], str(folder / _TOKENIZER)
    if model.get("byte_fallback") and kind == "llama3":
        return _pieces(published_llama.model_of_json(content, where), published_llama.KIND)
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
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [line for line in lines if line and not line.startswith("#version")]
    return _found(vocabulary, merges, kind, "gpt2", str(folder / "vocab.json"))


def _found(vocabulary: dict[str, int], merges: list[str], kind: str, split: str | None, where: str) -> Found:
    wanted = KINDS[kind]
    found = next((one for one in KINDS.values() if one.split == split and _is_twin(one, wanted)), None)
    if found is None:
        raise DataError(f"a {kind} tokenizer with the pieces of {split} is not known", where=where, fix=_UNKNOWN)
    _check_vocabulary(vocabulary, found, where)
    return Found(found.name, lambda folder: bpe.write_files(vocabulary, merges, folder))


def _check_vocabulary(vocabulary: Mapping[str, int], kind: Kind, where: str) -> None:
    missing = [token for token in kind.special_tokens if token not in vocabulary]
    if missing:
        raise DataError(
            f"the tokenizer has no {missing[0]}",
            where=where,
            fix=f"a {kind.name} tokenizer has {' '.join(kind.special_tokens[:8])}",
        )
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise DataError("its ids are not 0 to the number of its words", where=where, fix=_UNKNOWN)


def _read_wordpiece(content: Mapping[str, Any], kind: str, folder: Path, own: str | None) -> Found:
    where = str(folder / _TOKENIZER)
    _require(kind, "wordpiece", "WordPiece", where)
    found = kind if own == kind else published_bert.kind_of_json(content, folder, kind)
    vocabulary = dict(content["model"]["vocab"])
    vocabulary |= {token["content"]: token["id"] for token in content.get("added_tokens") or []}
    return _wordpiece(vocabulary, found, where)


def _read_unigram(content: Mapping[str, Any], kind: str, folder: Path, own: str | None) -> Found:
    where = str(folder / _TOKENIZER)
    _require(kind, "unigram", "Unigram", where)
    return _pieces(published_t5.model_of_json(content, where), f"{kind}-published")


def _require(kind: str, algorithm: str, name: str, where: str) -> None:
    if KINDS[kind].algorithm != algorithm:
        raise DataError(f"a {kind} tokenizer is no {name}", where=where, fix="name a folder of this family")


def _pieces(model: bytes, kind: str) -> Found:
    return Found(kind, lambda folder: (folder / _PIECES).write_bytes(model))


def _wordpiece(vocabulary: dict[str, int], kind: str, where: str) -> Found:
    _check_vocabulary(vocabulary, KINDS[kind], where)
    text = "".join(f"{token}\n" for token in sorted(vocabulary, key=vocabulary.__getitem__))

    def write(folder: Path) -> None:
        (folder / "vocabulary.txt").write_text(text, encoding="utf-8", newline="\n")

    return Found(kind, write)


def _is_twin(kind: Kind, other: Kind) -> bool:
    """Whether two kinds differ in how they cut a text alone."""
    same = {name: getattr(other, name) for name in ("name", "published", "split", "special_tokens")}
    return replace(kind, **same) == other


def _split(pre_tokenizer: Mapping[str, Any], where: str) -> str | None:
    """How pieces are cut, as `Kind.split` names it."""
    steps = without_cut(pre_tokenizer.get("pretokenizers", [pre_tokenizer]))
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


def _write_bpe(encoder: Encoder, source: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    assert isinstance(encoder, bpe.BytePairEncoder)
    return Tokenizer.from_str(encoder.tokenizer.to_str())


def _write_wordpiece(encoder: Encoder, source: Path) -> Tokenizer:
    """BERT's way to fold and cut; our own kind differs from it in white space and signs that are rare."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(
        models.WordPiece(dict(encoder.lexicon.ids), unk_token=_UNKNOWN_WORD, max_input_chars_per_word=100)
    )
    folding = encoder.lexicon.kind.folding or Folding()
    tokenizer.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=folding.cjk_apart, strip_accents=folding.strip_accents, lowercase=folding.lowercase
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _write_unigram(encoder: Encoder, source: Path) -> Tokenizer:
    """The pieces with their scores. transformers reads this; what it is read back from is SentencePiece's own file."""
    from sentencepiece import SentencePieceProcessor
    from tokenizers import Tokenizer, decoders, models

    if encoder.lexicon.kind.published:
        return unigram_tokenizer(read_model((source / _PIECES).read_bytes()), special_in_text=True)
    processor = SentencePieceProcessor(model_file=str(source / _PIECES))
    numbers = list(range(processor.vocab_size()))
    pieces = list(zip(processor.id_to_piece(numbers), processor.get_score(numbers), strict=True))
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=processor.unk_id(), byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def _write_byte_pieces(encoder: Encoder, source: Path) -> Tokenizer:
    return byte_piece_tokenizer(read_model((source / _PIECES).read_bytes()))


def _set_special_tokens(tokenizer: Tokenizer, lexicon: Lexicon) -> None:
    """Around a text what stands around it in training; text that spells one becomes one, as usual there."""
    from tokenizers import AddedToken, processors

    kind = lexicon.kind
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in kind.special_tokens])
    before = kind.first or kind.start
    # An encoder's inputs end with the token as well; a decoder's text is open at its end.
    after = kind.end if kind.first is not None or kind.decoder_start is not None else None
    around = [token for token in (before, after) if token is not None]
    if around:
        ends = [] if after is None else [after]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=" ".join([*around[: len(around) - len(ends)], "$A", *ends]),
            pair=" ".join([*around[: len(around) - len(ends)], "$A", *ends, "$B:1", *(f"{one}:1" for one in ends)]),
            special_tokens=[(token, lexicon.ids[token]) for token in around],
        )


def _copy(folder: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        shutil.copyfile(folder / name, target / name)


#: By the algorithm's name in tokenizer.json, and by ours. What writes gets an open tokenizer and its folder.
_READERS: dict[str, Callable[[Mapping[str, Any], str, Path, str | None], Found]] = {
    "BPE": _read_bpe,
    "Unigram": _read_unigram,
    "WordPiece": _read_wordpiece,
}
_WRITERS: dict[str, Callable[[Encoder, Path], Tokenizer]] = {
    "bpe": _write_bpe,
    "byte_pieces": _write_byte_pieces,
    "wordpiece": _write_wordpiece,
    "unigram": _write_unigram,
}
