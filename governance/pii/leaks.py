"""Personal data of the training text in what a model writes.

The strings themselves are kept nowhere; a keyed hash stands for each. A string of a model's output
counts as leaked when its hash is among them and

- the detector finds it in the output, and it is not a name of one word alone: single words that the
  model of the detector once took for a name are mostly no names; or
- it has the form of a number or an address (digits, @), wherever it stands in the output.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from governance.pii.detect import Detector
from governance.pii.entities import NER_TYPES
from governance.pii.filter import normalised

_WORD = re.compile(r"\S+")
_LONGEST = 10  # words of a window


@dataclass(frozen=True)
class Leak:
    """Which text, where, and of what type ("NUMBER" when only the form is known). Never the string."""

    text: int
    start: int
    end: int
    type: str


def pii_hash(key: bytes, value: str) -> bytes:
    """16 bytes of keyed BLAKE2b (RFC 7693) over the normalised string."""
    return hashlib.blake2b(normalised(value).encode(), digest_size=16, key=key[:64]).digest()


def leaked(texts: Sequence[str], known: Collection[bytes], key: bytes, *, detector: Detector) -> list[Leak]:
    """Finds strings of the training text's personal data in other texts.

    Args:
        known: hashes of what was replaced in the training text, made with the same key.
    """
    leaks: dict[tuple[int, int, int], Leak] = {}
    for number, (text, findings) in enumerate(zip(texts, detector.find(texts), strict=True)):
        for finding in findings:
            value = text[finding.start : finding.end]
            names_one_word = finding.type in NER_TYPES and len(value.split()) < 2
            if not names_one_word and pii_hash(key, value) in known:
                leaks[number, finding.start, finding.end] = Leak(number, finding.start, finding.end, finding.type)
        for start, end in _numeric_windows(text):
            if (number, start, end) not in leaks and pii_hash(key, text[start:end]) in known:
                leaks[number, start, end] = Leak(number, start, end, "NUMBER")
    return list(leaks.values())


def _numeric_windows(text: str) -> Iterator[tuple[int, int]]:
    """Runs of words with at least four digits or an @, with and without punctuation around them."""
    words = [match.span() for match in _WORD.finditer(text)]
    for first in range(len(words)):
        for last in range(first, min(first + _LONGEST, len(words))):
            start, end = words[first][0], words[last][1]
            value = text[start:end]
            if "@" not in value and sum(character.isdigit() for character in value) < 4:
                continue
            yield start, end
            inner = value.strip(".,;:!?()[]{}\"'")
            if inner and inner != value:
                offset = start + value.index(inner)
                yield offset, offset + len(inner)
