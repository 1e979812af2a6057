"""What a tokenizer is, whichever algorithm is behind it: a kind, a vocabulary, ids for texts and back."""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from governance.errors import ConfigError

if TYPE_CHECKING:
    from pipelines.tokenizers.words import WordTable

END_OF_TEXT = "<|endoftext|>"

#: What hides a span of text from T5, and stands before it in the answer (Raffel et al. 2020, arXiv:1910.10683).
SENTINELS = tuple(f"<extra_id_{number}>" for number in range(100))

#: What stands before a text of CTRL and says what kind of text it is (Keskar et al. 2019, arXiv:1909.05858).
CONTROLS = tuple(f"<|control_{number}|>" for number in range(64))

AlgorithmName = Literal["bpe", "byte_pieces", "unigram", "wordpiece"]


@dataclass(frozen=True)
class Folding:
    """What a published BERT does with a text before it is cut into words.

    Attributes:
        lowercase: capital letters become small ones.
        strip_accents: accents go.
        cjk_apart: each Chinese character is a word.
    """

    lowercase: bool = True
    strip_accents: bool = True
    cjk_apart: bool = True

    @property
    def suffix(self) -> str:
        """Its part of a kind's name; empty for that of BERT uncased."""
        parts = {"-cased": not self.lowercase, "-accented": not self.strip_accents, "-joined": not self.cjk_apart}
        return "".join(part for part, is_there in parts.items() if is_there)

    def __str__(self) -> str:
        return f"lowercase {self.lowercase}, strip_accents {self.strip_accents}, Chinese apart {self.cjk_apart}"


@dataclass(frozen=True)
class Kind:
    """A kind of tokenizer: an algorithm, and the special tokens that keras-hub's class of it asks for.

    Attributes:
        algorithm: a name in `pipelines.tokenizers.store.ALGORITHMS`.
        end: stands after each document.
        start: stands before each document, if any.
        special_tokens: all of them; they get the first ids.
        published: for a vocabulary that was made elsewhere and works in its own way; none is trained here.
        split: how a text is cut into the pieces that merges stay in, of a published byte-level BPE: a name in
            `pipelines.tokenizers.bpe.SPLITS`. None: our own way.
        folding: of a published BERT. None: our own way.
        first: stands before each input of an encoder, if any.
        pad, mask: fill up an input, and hide a word; where the kind has them.
        cased: whether capital letters come back when ids are decoded.
        decoder_start: the first input of the decoder of a seq2seq model.
        sentinels: hide spans, in this order.
        controls: say what kind of text follows, in this order.
    """

    name: str
    algorithm: AlgorithmName
    end: str
    start: str | None
    special_tokens: tuple[str, ...]
    first: str | None = None
    pad: str | None = None
    mask: str | None = None
    published: bool = False
    split: str | None = None
    folding: Folding | None = None
    cased: bool = True
    decoder_start: str | None = None
    sentinels: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()

    @property
    def keras_differs(self) -> str | None:
        """In what keras-hub's tokenizer of the same files gives other ids; None for those that were trained here."""
        return _KERAS_DIFFERS.get(self.algorithm) if self.published else None


#: Of published kinds, by algorithm.
_KERAS_DIFFERS: dict[AlgorithmName, str] = {
    "byte_pieces": "other ids for a text that begins with a space",
    "unigram": (
        "other ids where two ways to cut are equally likely, for an accent behind a character that is replaced, "
        "and for U+0085"
    ),
    "wordpiece": (
        "other ids for no-break spaces, characters without width, control characters and words of more than 100 "
        "bytes, and for Chinese where the kind's name ends with -joined; where it is lower-cased also for what NFKC "
        "and casefold change, such as U+2026, U+00BD and U+00DF"
    ),
}


#: `bpe` as GPT-2 has it (keras-hub's `GPT2Tokenizer`), `ctrl` the same with control codes, the others as their
#: namesakes (`Llama3Tokenizer`, `RobertaTokenizer`, `BertTokenizer`, `BartTokenizer`, `T5Tokenizer`). An encoder's
#: first token stands before each input, not before each document.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("bpe", "bpe", END_OF_TEXT, None, (END_OF_TEXT,)),
        Kind("ctrl", "bpe", END_OF_TEXT, None, (END_OF_TEXT, *CONTROLS), controls=CONTROLS),
        Kind(
            "llama3",
            "bpe",
            "<|end_of_text|>",
            "<|begin_of_text|>",
            ("<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        ),
        Kind(
            "roberta",
            "bpe",
            "</s>",
            None,
            ("<s>", "<pad>", "</s>", "<mask>"),
            first="<s>",
            pad="<pad>",
            mask="<mask>",
        ),
        Kind(
            "bart",
            "bpe",
            "</s>",
            None,
            ("<s>", "<pad>", "</s>", "<mask>"),
            first="<s>",
            pad="<pad>",
            mask="<mask>",
            decoder_start="</s>",
        ),
        Kind(
            "t5",
            "unigram",
            "</s>",
            None,
            ("<pad>", "</s>", "<unk>", *SENTINELS),
            pad="<pad>",
            decoder_start="<pad>",
            sentinels=SENTINELS,
        ),
        Kind(
            "bert",
            "wordpiece",
            "[SEP]",
            None,
            ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
            first="[CLS]",
            pad="[PAD]",
            mask="[MASK]",
            cased=False,
        ),
    )
}


def _published(kind: Kind) -> list[Kind]:
    """The same kind for a vocabulary that was made elsewhere, and whose model knows its pieces alone."""
    twin = replace(kind, name=f"{kind.name}-published", published=True)
    if kind.algorithm == "wordpiece":
        foldings = (Folding(*settings) for settings in itertools.product((True, False), repeat=3))
        return [replace(twin, name=twin.name + f.suffix, folding=f, cased=not f.lowercase) for f in foldings]
    if kind.algorithm == "unigram":
        return [twin]
    split = "gpt2" if kind.start is None else "llama3"
    more = ("<unk>",) if kind.first is not None else ()
    return [replace(twin, split=split, special_tokens=(*kind.special_tokens, *more))]


KINDS |= {twin.name: twin for kind in list(KINDS.values()) for twin in _published(kind)}
KINDS["llama2-published"] = Kind(
    "llama2-published", "byte_pieces", "</s>", "<s>", ("<unk>", "<s>", "</s>"), published=True
)


@dataclass(frozen=True)
class Frame:
    """The ids that stand around each document: `end_id` after it, `start_id` before it if there is one."""

    end_id: int
    start_id: int | None

    def document(self, ids: list[int]) -> list[int]:
        """A document's ids with what stands around them."""
        return [*ids, self.end_id] if self.start_id is None else [self.start_id, *ids, self.end_id]

    @property
    def prompt_id(self) -> int:
        """What a text that is to be continued begins with: what the model saw before each document."""
        return self.end_id if self.start_id is None else self.start_id


@dataclass(frozen=True)
class Lexicon:
    """A kind of tokenizer with its vocabulary: all that an objective needs to know of a tokenizer.

    Attributes:
        ids: by token.
    """

    kind: Kind
    ids: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def frame(self) -> Frame:
        return Frame(self.ids[self.kind.end], None if self.kind.start is None else self.ids[self.kind.start])

    def special(self, role: Literal["first", "pad", "mask", "decoder_start"]) -> int:
        """The id of a special token by its role.

        Raises:
            KeyError: the kind has none.
        """
        token: str | None = getattr(self.kind, role)
        if token is None:
            raise KeyError(role)
        return self.ids[token]

    @functools.cached_property
    def words(self) -> WordTable:
        """What the tokens stand for; made on first use."""
        from pipelines.tokenizers.words import WordTable

        return WordTable.of(self)


class Encoder(ABC):
    """Text to ids and back. Text can never become a special token: a record that spells
    `<|endoftext|>` is encoded as ordinary characters, since data does not get to say where it ends."""

    lexicon: Lexicon

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without special tokens."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids; special tokens among them are written out."""

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where each id of `encode([text])[0]` stands: characters [start, end).

        Raises:
            ConfigError: this algorithm does not say.
        """
        raise ConfigError(
            f"a tokenizer of the kind {self.lexicon.kind.name} does not say where its words stand",
            where="tokenizer.kind",
            fix="mark places for a family with another tokenizer: see `zoo families`",
        )

    @property
    def frame(self) -> Frame:
        return self.lexicon.frame

    @property
    def vocab_size(self) -> int:
        return len(self.lexicon)
