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

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from typing import TYPE_CHECKING

from pipelines.curate.agreement import Signatures, Waiting

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WORDS = 5
PERMUTATIONS = 112
_SEED = 1
#: Texts of a batch: so many that its arrays stay in the processor's cache, which is half as fast again.
_CHARACTERS_AT_ONCE = 120_000
#: Each place of the signature of a text without words.
_OF_NOTHING = 2**32 - 1
#: Key of a band of a text without words: it shares none.
_NO_BAND = 0
#: Share of the pairs at the threshold that have to share a band.
_RECALL = 0.99
_LEADERS_AT_ONCE = 1 << 16
_NEWLINE = 10
#: Bytes of UTF-8 that belong to words; those of other than ASCII characters do.
_LETTERS = bytes((*range(48, 58), *range(97, 123), *range(128, 256)))
_OTHERS = bytes(set(range(256)) - set(_LETTERS))
_IS_LETTER = bytes(byte in _LETTERS for byte in range(256))
#: Odd, so that each power has an inverse modulo 2 ** 64.
_BASE = 0x9E3779B97F4A7C15


def shingles(texts: Sequence[str], words: int = WORDS) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Hashes of each so many words in a row; of a text with fewer, one hash of all its words.

    A hash is a polynomial, modulo 2 ** 64, of the bytes from the first word to the last with a zero between words. It
    is a difference of two running sums over all texts at once: there is no loop over words.

    Returns:
        uint64 [shingles], and uint64 [texts + 1]: where those of each text begin.
    """
    import numpy as np

    data = "\n".join([text.casefold().replace("\n", " ") for text in texts]).encode()
    starts, ends = _runs(np.frombuffer(data.translate(_IS_LETTER), bool))
    borders = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
    first_of_text = np.searchsorted(starts, np.concatenate([[0], borders, [len(data)]]))
    counts = np.diff(first_of_text)
    made = np.where(counts == 0, 0, np.maximum(counts - words + 1, 1))
    offsets = np.concatenate([[0], np.cumsum(made)])
    first = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - first_of_text[:-1], made)
    last = first + np.repeat(np.minimum(counts, words) - 1, made)
    letters = np.frombuffer(data.translate(None, _OTHERS), np.uint8)
    return _hashes(letters, ends - starts, first, last), offsets.astype(np.uint64)


def signatures(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """uint32 [texts, 112]: MinHash signatures. The share of equal places estimates the Jaccard similarity."""
    import numpy as np

    batches = [_signatures(batch) for batch in some_at_once(texts)]
    return np.concatenate(batches) if batches else np.empty((0, PERMUTATIONS), np.uint32)


def _signatures(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    import numpy as np
    from rensa import RMinHash

    hashes, offsets = shingles(texts)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, _SEED)
    return np.asarray(matrix.to_rows(), np.uint32).reshape(len(texts), PERMUTATIONS)


def some_at_once(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in batches of a size that suits `shingles`."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _CHARACTERS_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def rows_of_bands(threshold: float) -> int:
    """Places of the signature in a band: as many as still let a pair at the threshold share one of the bands with a
    probability of 0.99. Longer bands give fewer pairs to look at."""
    found = 1
    for rows in range(1, PERMUTATIONS + 1):
        if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) < _RECALL:
            break
        found = rows
    return found


def version() -> str:
    """Changes when the same text may get another signature."""
    return f"1/{metadata.version('rensa')}/{WORDS}/{PERMUTATIONS}/{_SEED}"


def clusters(signed: npt.NDArray[np.uint32], threshold: float) -> npt.NDArray[np.int64]:
    """int64 [records]: the number of the first record that each one is a near duplicate of, its own if of none.

    Args:
        signed: uint32 [records, 112], in the order of ids.
        threshold: least share of equal places of two duplicates, 0 to 1.
    """
    import numpy as np

    everybody = np.arange(len(signed))
    return joined(signed, threshold, ((everybody, keys) for keys in band_keys(signed, threshold)))


def band_keys(signed: npt.NDArray[np.uint32], threshold: float) -> list[npt.NDArray[np.uint64]]:
    """uint64 [records] of each band: a hash of its places. Records with the same one are compared."""
    import numpy as np

    rows = rows_of_bands(threshold)
    factors = _powers(1 << rows.bit_length())[0][1 : rows + 1]
    has_words = (signed != _OF_NOTHING).any(axis=1)
    bands = (signed[:, start : start + rows] for start in range(0, PERMUTATIONS - rows + 1, rows))
    keys = (_mixed((band * factors).sum(axis=1, dtype=np.uint64)) for band in bands)
    return [np.where(has_words, of_band, np.uint64(_NO_BAND)) for of_band in keys]


def joined(
    signed: Signatures,
    threshold: float,
    shares: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]],
) -> npt.NDArray[np.int64]:
    """As `clusters`, for signatures that need not be in memory. 8 bytes a record are held, a share, and 112 bytes a
    record of the largest group that shares a band; what time such a group takes, `Waiting` says.

    Args:
        shares: numbers of records, ascending, with their keys of one band; a band may come in several shares as long
            as equal keys come in one. Their order does not matter.
    """
    import numpy as np

    leaders = np.arange(len(signed))
    least = math.ceil(threshold * PERMUTATIONS)
    for numbers, keys in shares:
        for members in _sharing(numbers, keys, leaders):
            _join(members, signed, least, leaders)
    for start in range(0, len(leaders), _LEADERS_AT_ONCE):  # none has a leader behind it
        part = leaders[start : start + _LEADERS_AT_ONCE]
        while (part != (above := leaders[part])).any():
            part[:] = above
    return leaders


def _runs(flags: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each run of true values begins, and where it ends."""
    import numpy as np

    framed = np.concatenate([[False], flags, [False]])
    borders = np.flatnonzero(framed[1:] != framed[:-1])
    return borders[::2], borders[1::2]


def _hashes(
    letters: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint64]:
    """uint64 [shingles].

    Args:
        letters: bytes of all words, one after the other.
        lengths: of the words.
        first, last: numbers of the words with which each shingle begins and ends.
    """
    import numpy as np

    words = np.arange(len(lengths), dtype=np.int32)  # a batch has some MB
    starts = np.concatenate([[0], np.cumsum(lengths)])
    powers, inverse = _powers(1 << (len(letters) + len(words)).bit_length())
    places = np.arange(len(letters), dtype=np.int32) + np.repeat(
        words, lengths
    )  # of the letters, with a zero after each word
    sums = np.zeros(len(letters) + 1, np.uint64)
    np.cumsum((letters.astype(np.uint64) + np.uint64(1)) * powers[places], out=sums[1:])
    return _mixed((sums[starts[last + 1]] - sums[starts[first]]) * inverse[starts[first] + first])


@functools.lru_cache(maxsize=2)
def _powers(count: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """uint64 [count] twice: powers of the base and of its inverse, modulo 2 ** 64."""
    import numpy as np

    def powers_of(base: int) -> npt.NDArray[np.uint64]:
        found = np.full(count, base, np.uint64)
        found[0] = 1
        return np.multiply.accumulate(found)

    return powers_of(_BASE), powers_of(pow(_BASE, -1, 2**64))


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    import numpy as np

    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def _sharing(
    numbers: npt.NDArray[np.int64], keys: npt.NDArray[np.uint64], leaders: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.int64]]:
    """The records that have a key in common, each group in order, but for those that other bands have joined."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    numbers, keys = numbers[order], keys[order]
    above = leaders[numbers]
    while (above != (higher := leaders[above])).any():
        above = higher
    same_key = (keys[1:] == keys[:-1]) & (keys[1:] != _NO_BAND)
    apart = np.flatnonzero(same_key & (above[1:] != above[:-1]))
    borders = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]])
    groups = np.unique(np.searchsorted(borders, apart, side="right"))
    for begin, end in zip(borders[groups - 1].tolist(), borders[groups].tolist(), strict=True):
        yield numbers[begin:end]


def _join(members: npt.NDArray[np.int64], signed: Signatures, least: int, leaders: npt.NDArray[np.int64]) -> None:
    """Joins the members that are alike: one that has been reached is not compared with again."""
    waiting = Waiting(members, signed, least)
    while (first := waiting.next()) is not None:
        reached = [first]
        while reached:
            one = reached.pop()
            for other in waiting.alike(one):
                a, b = sorted((_leader(leaders, one), _leader(leaders, other)))
                leaders[b] = a
                reached.append(other)


def _leader(leaders: npt.NDArray[np.int64], record: int) -> int:
    while leaders[record] != record:
        leaders[record] = leaders[leaders[record]]
        record = int(leaders[record])
    return int(record)
