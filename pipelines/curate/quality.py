"""Quality rules: what a document is measured by, and the bounds outside which it leaves.

Each rule is a measure of the text and an interval; its name is the reason that a drop carries. The sets and their
bounds are those of the papers:

- gopher, gopher_repetition: Rae et al. 2021, arXiv:2112.11446, appendix A.1 and table A1;
- c4: Raffel et al. 2020, arXiv:1910.10683, section 2.2, as far as it concerns whole documents: lines that the paper
  takes out stay, and its list of bad words is not here. A document leaves by `c4_javascript` when fewer than three
  sentences are left outside of the lines that the paper takes out for that word;
- fineweb: Penedo et al. 2024, arXiv:2406.17557, section 3.6.

Words are what white space divides. The stop words are English: for other languages leave `gopher_stop_words` out.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.curate.steps import Judge

_STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_BULLETS = ("•", "‣", "◦", "⁃", "∙", "- ", "* ", "– ", "— ")
_ELLIPSES = ("...", "…")
_TERMINAL = (".", "!", "?", '"', "”", "’", "'", "…", ".)", ";", ":")
_SENTENCE_END = re.compile(r"[.!?][\"”’')\]]*(?=\s|$)")
_SHORT_LINE = 30  # characters


class Document:
    """A text and what the measures share, computed once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def words(self) -> list[str]:
        return self.text.split()

    @functools.cached_property
    def lines(self) -> list[str]:
        """Those that hold something, without the white space around it."""
        return [line for line in map(str.strip, self.text.split("\n")) if line]

    @functools.cached_property
    def paragraphs(self) -> list[str]:
        return [part for part in map(str.strip, re.split(r"\n\s*\n", self.text)) if part]

    @functools.cached_property
    def folded(self) -> list[str]:
        return [word.casefold() for word in self.words]


@dataclass(frozen=True)
class Rule:
    """A document stays when low <= measure <= high.

    Attributes:
        name: the reason of a drop.
        measure: of a document that has a word.
    """

    name: str
    measure: Callable[[Document], float]
    low: float = -math.inf
    high: float = math.inf

    def within(self, low: float | None, high: float | None) -> Rule:
        """The same rule with other bounds; None leaves a side open."""
        return replace(self, low=-math.inf if low is None else low, high=math.inf if high is None else high)


def share(parts: Sequence[str], is_one: Callable[[str], bool]) -> float:
    """How many of the parts are such; 0 of none."""
    return sum(map(is_one, parts)) / len(parts) if parts else 0.0


def sentences_without(document: Document, word: str) -> float:
    """How many sentences end outside of the lines with a word; infinite where no line has it."""
    others = [line for line in document.lines if word not in line.casefold()]
    if len(others) == len(document.lines):
        return math.inf
    return len(_SENTENCE_END.findall("\n".join(others)))


def mean_word_length(document: Document) -> float:
    return sum(map(len, document.words)) / len(document.words)


def hashes_per_word(document: Document) -> float:
    return document.text.count("#") / len(document.words)


def ellipses_per_word(document: Document) -> float:
    return sum(map(document.text.count, _ELLIPSES)) / len(document.words)


def repeated_share(parts: Sequence[str]) -> float:
    """The share of the parts that have stood before."""
    return 1 - len(set(parts)) / len(parts) if parts else 0.0


def repeated_characters(parts: Sequence[str]) -> float:
    """The share of the characters that are in parts that have stood before."""
    total = sum(map(len, parts))
    return 1 - sum(map(len, set(parts))) / total if total else 0.0


def top_ngram_characters(document: Document, n: int) -> float:
    """The share of the characters that are in the most frequent n words in a row; of equally frequent ones, in those
    that have most. An n-gram that stands once repeats nothing."""
    counts = Counter(ngrams(document.folded, n))
    if not counts or (most := max(counts.values())) < 2:
        return 0.0
    longest = max(sum(map(len, words)) for words, count in counts.items() if count == most)
    return most * longest / _characters(document)


def repeated_ngram_characters(document: Document, n: int) -> float:
    """The share of the characters that are in n words in a row which have stood before; each counts once."""
    before: set[tuple[str, ...]] = set()
    inside: set[int] = set()
    for start, words in enumerate(ngrams(document.folded, n)):
        if words in before:
            inside.update(range(start, start + n))
        before.add(words)
    return sum(len(document.words[place]) for place in inside) / _characters(document)


def ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(n)), strict=False))


def _characters(document: Document) -> int:
    return sum(map(len, document.words))


def _has_letter(word: str) -> bool:
    return any(map(str.isalpha, word))


GOPHER = (
    Rule("gopher_words", lambda d: len(d.words), 50, 100_000),
    Rule("gopher_word_length", mean_word_length, 3, 10),
    Rule("gopher_hashes", hashes_per_word, high=0.1),
    Rule("gopher_ellipses", ellipses_per_word, high=0.1),
    Rule("gopher_bullet_lines", lambda d: share(d.lines, lambda line: line.startswith(_BULLETS)), high=0.9),
    Rule("gopher_ellipsis_lines", lambda d: share(d.lines, lambda line: line.endswith(_ELLIPSES)), high=0.3),
    Rule("gopher_alphabetic_words", lambda d: share(d.words, _has_letter), low=0.8),
    Rule("gopher_stop_words", lambda d: sum(word in _STOP_WORDS for word in set(d.folded)), low=2),
)
GOPHER_REPETITION = (
    Rule("gopher_repeated_lines", lambda d: repeated_share(d.lines), high=0.3),
    Rule("gopher_repeated_paragraphs", lambda d: repeated_share(d.paragraphs), high=0.3),
    Rule("gopher_repeated_line_characters", lambda d: repeated_characters(d.lines), high=0.2),
    Rule("gopher_repeated_paragraph_characters", lambda d: repeated_characters(d.paragraphs), high=0.2),
    *(
        Rule(f"gopher_top_{n}gram", functools.partial(top_ngram_characters, n=n), high=high)
        for n, high in ((2, 0.20), (3, 0.18), (4, 0.16))
    ),
    *(
        Rule(f"gopher_repeated_{n}grams", functools.partial(repeated_ngram_characters, n=n), high=high)
        for n, high in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    ),
)
C4 = (
    Rule("c4_sentences", lambda d: len(_SENTENCE_END.findall(d.text)), low=3),
    Rule("c4_lorem_ipsum", lambda d: d.text.casefold().count("lorem ipsum"), high=0),
    Rule("c4_curly_brackets", lambda d: d.text.count("{"), high=0),
    Rule("c4_javascript", lambda d: sentences_without(d, "javascript"), low=3),
)
FINEWEB = (
    Rule("fineweb_terminal_lines", lambda d: share(d.lines, lambda line: line.endswith(_TERMINAL)), low=0.12),
    Rule("fineweb_short_lines", lambda d: share(d.lines, lambda line: len(line) < _SHORT_LINE), high=0.67),
    Rule("fineweb_repeated_line_characters", lambda d: repeated_characters(d.lines), high=0.1),
)
SETS: Mapping[str, tuple[Rule, ...]] = {
    "gopher": GOPHER,
    "gopher_repetition": GOPHER_REPETITION,
    "c4": C4,
    "fineweb": FINEWEB,
}


def first_broken(text: str, rules: Sequence[Rule]) -> str | None:
    """The name of the first rule that a text breaks; None if it keeps all. A text without a word breaks each."""
    document = Document(text)
    for rule in rules:
        if not document.words or not rule.low <= rule.measure(document) <= rule.high:
            return rule.name
    return None


class Quality(Judge):
    """Drops texts that break a rule; the reason is the rule's name."""

    name = "quality"

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    @property
    def version(self) -> str:
        own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        return f"{own}/{','.join(f'{rule.name}:{rule.low}:{rule.high}' for rule in self._rules)}"

    def reason(self, text: str) -> str | None:
        return first_broken(text, self._rules)
