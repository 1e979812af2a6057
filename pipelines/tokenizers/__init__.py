"""Tokenizers: trained on the training split of one dataset version and on nothing else.

A kind (`KINDS`) is an algorithm with the special tokens that keras-hub's class of the same name asks
for. `train_tokenizer` makes the files of a kind, `load_encoder` opens them.
"""

from pipelines.tokenizers.kinds import END_OF_TEXT, KINDS, Encoder, Folding, Frame, Kind, Lexicon
from pipelines.tokenizers.store import (
    Texts,
    TokenizerFiles,
    adopt_tokenizer,
    files_digest,
    folder_made_once,
    load_encoder,
    made_up_lexicon,
    open_encoder,
    open_tokenizer,
    train_tokenizer,
)
from pipelines.tokenizers.words import WordTable, ending_with

__all__ = [
    "END_OF_TEXT",
    "KINDS",
    "Encoder",
    "Folding",
    "Frame",
    "Kind",
    "Lexicon",
    "Texts",
    "TokenizerFiles",
    "WordTable",
    "adopt_tokenizer",
    "files_digest",
    "ending_with",
    "folder_made_once",
    "load_encoder",
    "made_up_lexicon",
    "open_encoder",
    "open_tokenizer",
    "train_tokenizer",
]
