"""Near duplicates: records whose sets of five words in a row overlap.

    words ─▶ hashes of 5-grams ─▶ MinHash ─▶ bands ─▶ pairs ─▶ clusters ─▶ all but the smallest id leave

MinHash (Broder 1997) by `rensa`; banding as in Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", 3.4. Two
records that share a band are compared by their signatures before they count as duplicates, so a band that two
records share by chance joins nothing. Clusters are connected components, and which record stays follows from the ids
alone: neither the order of the input nor the number of processes has a say.

Words are runs of letters and digits, without regard to case. A script without spaces, such as Chinese, has few words in
this sense, so that little but equal text is found there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WORDS = 5
PERMUTATIONS = 112
_SEED = 1
#: Each place of the signature of a text without words.
_OF_NOTHING = 2**32 - 1
#: Share of the pairs at the threshold that have to share a band.
_RECALL = 0.99
#: Odd, so that each power has an inverse modulo 2 ** 64.
_BASE = 0x9E3779B97F4A7C15


def shingles(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Hashes of each five words in a row; of a text with fewer, one hash of all its words.

    A word's hash is a polynomial of its bytes modulo 2 ** 64, taken from running sums over all texts at once: there is
    no loop over words.

    Returns:
        uint64 [shingles], and uint64 [texts + 1]: where those of each text begin.
    """
    import numpy as np

    data = np.frombuffer("\n".join([text.casefold().replace("\n", " ") for text in texts]).encode(), np.uint8)
    starts, ends = _words(data)
    of_text = np.cumsum(data == 10)
    first_of_text = np.searchsorted(of_text[starts] if len(starts) else starts, np.arange(len(texts) + 1))
    words = _hashed(data, starts, ends)
    counts = np.diff(first_of_text)
    made = np.where(counts == 0, 0, np.maximum(counts - WORDS + 1, 1))
    offsets = np.concatenate([[0], np.cumsum(made)])
    # The place of a shingle's first word: its number within the text, after the text's first word.
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - first_of_text[:-1], made)
    left = np.repeat(first_of_text[1:], made) - place
    return _joined(words, place, left), offsets.astype(np.uint64)


def signatures(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """uint32 [texts, 112]: MinHash signatures. The share of equal places estimates the Jaccard similarity."""
    import numpy as np
    from rensa import RMinHash

    hashes, offsets = shingles(texts)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, _SEED)
    return np.asarray(matrix.to_rows(), np.uint32).reshape(len(texts), PERMUTATIONS)


def rows_of_bands(threshold: float) -> int:
    """Places of the signature in a band: as many as still let a pair at the threshold share one of the bands with a
    probability of 0.99. Longer bands give fewer pairs to look at."""
    found = 1
    for rows in range(1, PERMUTATIONS + 1):
        if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) < _RECALL:
            break
        found = rows
    return found


def clusters(signed: npt.NDArray[np.uint32], threshold: float) -> npt.NDArray[np.int64]:
    """int64 [records]: the number of the first record that each one is a near duplicate of, its own if of none.

    Args:
        signed: uint32 [records, 112], in the order of ids.
        threshold: least share of equal places of two duplicates, 0 to 1.
    """
    import numpy as np

    leaders = np.arange(len(signed))
    has_words = np.flatnonzero((signed != _OF_NOTHING).any(axis=1))
    rows = rows_of_bands(threshold)
    least = math.ceil(threshold * PERMUTATIONS)
    for start in range(0, PERMUTATIONS - rows + 1, rows):
        for members in _sharing(signed[has_words, start : start + rows]):
            _join(has_words[members], signed, least, leaders)
    return np.array([_leader(leaders, record) for record in range(len(leaders))], np.int64)


def _words(data: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each word of UTF-8 bytes begins and ends. Bytes of other than ASCII characters belong to words."""
    import numpy as np

    table = np.zeros(256, bool)
    table[[*range(48, 58), *range(97, 123), *range(128, 256)]] = True
    edges = np.diff(table[data].astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _hashed(
    data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """uint64 [words]: sum of byte * base ** place within the word, mixed."""
    import numpy as np

    powers = np.full(len(data) + 1, _BASE, np.uint64)
    powers[0] = 1
    powers = np.multiply.accumulate(powers)
    inverse = np.full(len(data) + 1, pow(_BASE, -1, 2**64), np.uint64)
    inverse[0] = 1
    inverse = np.multiply.accumulate(inverse)
    sums = np.concatenate([[np.uint64(0)], np.cumsum((data.astype(np.uint64) + np.uint64(1)) * powers[:-1])])
    return _mixed((sums[ends] - sums[starts]) * inverse[starts])


def _joined(
    words: npt.NDArray[np.uint64], place: npt.NDArray[np.int64], left: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    import numpy as np

    total = np.zeros(len(place), np.uint64)
    for number in range(WORDS):
        here = np.minimum(place + number, len(words) - 1)
        value = words[here] * np.uint64(pow(_BASE, number + 1, 2**64))
        total += np.where(number < left, value, np.uint64(0))
    return _mixed(total)


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    import numpy as np

    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def _sharing(band: npt.NDArray[np.uint32]) -> list[npt.NDArray[np.int64]]:
    """The records that have this band in common, two at least, each group in order."""
    import numpy as np

    keys = np.ascontiguousarray(band).view(np.dtype((np.void, band.dtype.itemsize * band.shape[1]))).ravel()
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    borders = np.cumsum(counts)
    return [order[end - count : end] for end, count in zip(borders, counts, strict=True) if count > 1]


def _join(
    members: npt.NDArray[np.int64], signed: npt.NDArray[np.uint32], least: int, leaders: npt.NDArray[np.int64]
) -> None:
    """Joins the members that are alike, breadth first: one that has been reached is not compared with again, so that
    many like each other cost a comparison each."""
    reached: list[int] = []
    while len(members):
        if not reached:
            reached, members = [int(members[0])], members[1:]
        first = reached.pop()
        alike = (signed[members] == signed[first]).sum(axis=1) >= least
        for other in members[alike].tolist():
            a, b = sorted((_leader(leaders, first), _leader(leaders, other)))
            leaders[b] = a
            reached.append(other)
        members = members[~alike]


def _leader(leaders: npt.NDArray[np.int64], record: int) -> int:
    while leaders[record] != record:
        leaders[record] = leaders[leaders[record]]
        record = int(leaders[record])
    return int(record)
