"""What the benchmarks of training speed read: made-up tokens, tokens from a file, or documents."""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from race import Batch, KerasBatch, Update

if TYPE_CHECKING:
    from pipelines.tokenizers import Lexicon
    from pipelines.tokens import TokenSplit

MADE_UP_TOKENS = 600_000
_FOLLOWERS = 4


@dataclass(frozen=True)
class Documents:
    """The documents to train on, in the order in which they are packed.

    Attributes:
        texts: of the documents.
        ids: of the same, without special tokens.
        lexicon: of the tokenizer.
        tokenizer: the folder with its files.
    """

    texts: list[str]
    ids: list[list[int]]
    lexicon: Lexicon
    tokenizer: Path


@dataclass(frozen=True)
class Corpus:
    """What is read.

    Attributes:
        documents: None for tokens without borders of documents.
    """

    train: TokenSplit
    validation: TokenSplit
    lexicon: Lexicon
    documents: Documents | None
    description: str


def read_corpus(options: argparse.Namespace, folder: Path) -> Corpus:
    """Reads what the options name. The last tenth is for validation.

    Args:
        folder: an empty one, for the files of the tokenizer.
    """
    from pipelines.tokenizers import made_up_lexicon
    from zoo import families

    if options.texts is not None:
        return _read_documents(options, folder)
    lexicon = made_up_lexicon(families.get(options.family).tokenizer, options.vocabulary)
    if options.tokens is None:
        ids, description = made_up_tokens(lexicon), "text: made up"
    else:
        ids = np.load(options.tokens).astype(np.int32)
        description = f"text: {len(ids):,} tokens"
        if ids.max() >= options.vocabulary:
            raise SystemExit(f"{options.tokens} holds ids of {options.vocabulary} and above")
    cut = len(ids) * 9 // 10
    return Corpus(
        _split("train", [ids[:cut]], lexicon),
        _split("validation", [ids[cut:]], lexicon),
        lexicon,
        None,
        description,
    )


def made_up_tokens(lexicon: Lexicon) -> np.ndarray:
    """A Markov chain over the ordinary tokens, from which there is something to learn: int32 [tokens]."""
    special = len(lexicon.kind.special_tokens)
    if special == 1:  # the end of a text alone, which the made-up text of a decoder has as any other token
        special = 0
    words = len(lexicon) - special
    random = np.random.default_rng(0)
    followers = random.integers(0, words, (words, _FOLLOWERS))
    picks = random.integers(0, _FOLLOWERS, MADE_UP_TOKENS)
    made = np.zeros(len(picks), np.int32)
    for position in range(1, len(picks)):
        made[position] = followers[made[position - 1], picks[position]]
    return made + np.int32(special)


def _read_documents(options: argparse.Namespace, folder: Path) -> Corpus:
    """Documents in a random order, with a tokenizer that is trained on those that are not for validation."""
    from pipelines.tokenizers import KINDS, open_encoder
    from pipelines.tokenizers.store import ALGORITHMS
    from zoo import families

    found = [text for path in options.texts for text in read_texts(path) if text.strip()]
    texts = [found[index] for index in np.random.default_rng(0).permutation(len(found))]
    cut = len(texts) * 9 // 10
    kind = KINDS[families.get(options.family).tokenizer]
    ALGORITHMS[kind.algorithm].train(texts[:cut], options.vocabulary, kind, folder)
    encoder = open_encoder(folder, kind.name)
    ids = encoder.encode(texts)
    framed = [np.array(encoder.frame.document(one), np.int32) for one in ids]
    lengths = [len(one) for one in ids]
    description = (
        f"text: {len(texts):,} documents of {np.median(lengths):.0f} tokens (median), {np.mean(lengths):.0f} (mean);"
        f" {len(encoder.lexicon):,} words"
    )
    return Corpus(
        _split("train", framed[:cut], encoder.lexicon),
        _split("validation", framed[cut:], encoder.lexicon),
        encoder.lexicon,
        Documents(texts[:cut], ids[:cut], encoder.lexicon, folder),
        description,
    )


def read_texts(path: Path) -> Iterator[str]:
    """The texts of a file: JSON lines with a field "text", or CSV with a column of that name."""
    with path.open(encoding="utf-8", newline="") as lines:
        if path.suffix == ".csv":
            csv.field_size_limit(sys.maxsize)
            yield from (row["text"] for row in csv.DictReader(lines))
        else:
            yield from (json.loads(line)["text"] for line in lines if line.strip())


def _split(name: str, documents: Sequence[np.ndarray], lexicon: Lexicon) -> TokenSplit:
    from pipelines.tokens import TokenSplit

    offsets = np.cumsum([0, *map(len, documents)])
    return TokenSplit(name, np.concatenate(documents), offsets, bytes=0, eos_id=lexicon.frame.end_id)


def objective_of(family: str, lexicon: Lexicon) -> Any:
    from zoo import families, objectives

    return objectives.get(families.get(family).objective, lexicon)


def packed_updates(corpus: Corpus, split: TokenSplit, count: int, options: argparse.Namespace) -> list[Update]:
    """Windows in a fixed random order, and what the family's objective makes of them; again from the beginning, and
    corrupted in another way, when the text is short."""
    from pipelines.stream import Windows, gather_windows, window_count

    objective = objective_of(options.family, corpus.lexicon)
    span = objective.span(options.window)
    windows = window_count(split, span, objective.overlap)
    order = np.random.default_rng(1).permutation(windows)
    updates = []
    for number in range(count):
        place = number * options.batch + np.arange(options.batch)
        index, epoch = order[place % windows], place // windows
        ids = gather_windows(split.ids, index, span, objective.overlap)
        made = objective.examples(Windows(ids, epoch, index, seed=0))
        batch: Batch = {name: np.ascontiguousarray(array) for name, array in made.items()}
        text = ids[:, :span]  # without what is only a target
        tokens = text.size if corpus.documents is None else int((text != split.eos_id).sum())
        updates.append(Update(batch, tokens, batch["inputs"].size))
    return updates


def chosen_documents(documents: int, count: int, batch: int) -> list[np.ndarray]:
    """Numbers of the documents of each update, one a row, in a fixed random order, again and again."""
    order = np.random.default_rng(1).permutation(documents)
    return [order[(number * batch + np.arange(batch)) % documents] for number in range(count)]


def preprocessed_updates(
    make_preprocessor: Callable[[Path, argparse.Namespace], Any],
    documents: Documents,
    count: int,
    options: argparse.Namespace,
) -> list[Update]:
    """What keras-hub's preprocessor of a family makes of documents, one a row.

    In a process of its own, so that this one stays free of TensorFlow's threads.

    Args:
        make_preprocessor: (folder of the tokenizer, options) to the preprocessor; of a module, not a lambda.
    """
    chosen = chosen_documents(len(documents.texts), count, options.batch)
    texts = [documents.texts[index] for rows in chosen for index in rows]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        batches: list[KerasBatch] = pool.submit(
            _preprocess, make_preprocessor, documents.tokenizer, texts, options
        ).result()
    kind, ids = documents.lexicon.kind, documents.lexicon.ids
    frame = [ids[token] for token in (kind.first, kind.start, kind.end) if token is not None]
    updates = []
    for batch in batches:
        read, mask = batch[0]["token_ids"], batch[0]["padding_mask"].astype(bool)
        updates.append(Update(batch, int((mask & ~np.isin(read, frame)).sum()), int(mask.sum())))
    return updates


def _preprocess(
    make_preprocessor: Callable[[Path, argparse.Namespace], Any],
    tokenizer: Path,
    texts: list[str],
    options: argparse.Namespace,
) -> list[KerasBatch]:
    """Within `tf.data`, as the guides of keras-hub have it."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    import tensorflow as tf

    preprocessor = make_preprocessor(tokenizer, options)
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(options.batch).map(preprocessor, tf.data.AUTOTUNE)
    return list(dataset.as_numpy_iterator())
