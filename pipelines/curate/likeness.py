"""MinHash signatures that can be compared, and told by nobody without the key.

Each place of a signature is replaced by a keyed hash of its number and its value, SipHash-2-4 (Aumasson & Bernstein
2012): equal places stay equal, so the share of equal places still estimates the Jaccard similarity, but whoever guesses
a text cannot try whether it is the one.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.curate.agreement import Known
from pipelines.curate.near import PERMUTATIONS, signatures

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: At which texts count as near duplicates where the pipeline does not say it.
THRESHOLD = 0.8
_OF_NOTHING = 2**32 - 1
_INITIAL = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def keyed_signatures(texts: Sequence[str], key: bytes) -> npt.NDArray[np.uint32]:
    """uint32 [texts, 112]; that of a text without words is all zero, and is like no other."""
    return keyed(plain_signatures(texts), key)


def plain_signatures(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """The same before a key is used: for comparisons that leave nothing on disk."""
    signed = signatures(texts)
    signed[(signed == _OF_NOTHING).all(axis=1)] = 0
    return signed


def keyed(signed: npt.NDArray[np.uint32], key: bytes) -> npt.NDArray[np.uint32]:
    """Plain signatures under a key of 16 bytes, uint32 [texts, 112]."""
    import numpy as np

    places = np.arange(PERMUTATIONS, dtype=np.uint64) << np.uint64(32)
    hashed = _siphash(places | signed.astype(np.uint64), key).astype(np.uint32)
    hashed[~signed.any(axis=1)] = 0
    return hashed


def known(signed: npt.NDArray[np.uint32], threshold: float) -> Known:
    """Signatures to look for near duplicates of, except those of texts without words.

    Args:
        signed: uint32 [records, 112]; what is compared with them has to be as plain, or under the same key.
        threshold: least share of equal places, 0 to 1.
    """
    return Known(signed[signed.any(axis=1)], math.ceil(threshold * PERMUTATIONS))


def pack(signed: npt.NDArray[np.uint32]) -> list[str]:
    """Base64 of each signature of a text that has words."""
    return [base64.b64encode(row.astype("<u4").tobytes()).decode() for row in signed if row.any()]


def unpack(packed: Iterable[str]) -> npt.NDArray[np.uint32]:
    """uint32 [signatures, 112]."""
    import numpy as np

    content = b"".join(map(base64.b64decode, packed))
    return np.frombuffer(content, "<u4").reshape(-1, PERMUTATIONS)


def _siphash(words: npt.NDArray[np.uint64], key: bytes) -> npt.NDArray[np.uint64]:
    """SipHash-2-4 of messages of 8 bytes, little-endian, each a number of the array."""
    import numpy as np

    halves = np.frombuffer(key, "<u8")
    state = [np.full_like(words, constant) ^ halves[place % 2] for place, constant in enumerate(_INITIAL)]
    for block in (words, np.uint64(8 << 56)):
        state[3] = state[3] ^ block
        _mix(state, 2)
        state[0] = state[0] ^ block
    state[2] = state[2] ^ np.uint64(0xFF)
    _mix(state, 4)
    hashed: npt.NDArray[np.uint64] = state[0] ^ state[1] ^ state[2] ^ state[3]
    return hashed


def _mix(state: list[Any], rounds: int) -> None:
    a, b, c, d = state
    for _ in range(rounds):
        a, c = a + b, c + d
        b, d = _rotated(b, 13) ^ a, _rotated(d, 16) ^ c
        a, c = _rotated(a, 32) + d, c + b
        b, d = _rotated(b, 17) ^ c, _rotated(d, 21) ^ a
        c = _rotated(c, 32)
    state[:] = a, b, c, d


def _rotated(words: npt.NDArray[np.uint64], bits: int) -> npt.NDArray[np.uint64]:
    import numpy as np

    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))
