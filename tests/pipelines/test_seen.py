"""What an earlier build found harmless: a set on disk, that takes no memory to speak of."""

from __future__ import annotations

import random
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.curate import seen as module
from pipelines.curate.seen import nothing_seen, seen

#: Many begin alike, or are the end of one and the beginning of another.
HALVES = st.sampled_from([bytes(8), b"\xff" * 8, b"abcdefgh", b"efghabcd", b"habcdefg"]) | st.binary(
    min_size=8, max_size=8
)
KEYS = st.lists(st.tuples(HALVES, HALVES).map(b"".join), max_size=40)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {"_KEYS_A_BLOCK": 2, "_KEYS_A_READ": 4, "_KEYS_A_SHARE": 5}.items():
        monkeypatch.setattr(module, name, value)
    yield


@settings(max_examples=50, deadline=None)
@given(KEYS, KEYS, KEYS)
def test_it_is_a_set_of_what_the_last_build_noted(first: list[bytes], second: list[bytes], others: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "step" / "keys"
        before: list[bytes] = []
        for noted in (first, second):
            with seen(path, Path(name)) as found:
                for key in first + second + others:
                    assert (key in found) == (key in before)
                for key in noted:
                    found.note(key)
            before = noted
            pairs = np.frombuffer(b"".join(noted), np.uint64).reshape(-1, 2).tolist()
            expected = np.array(sorted(set(map(tuple, pairs))), np.uint64).tobytes()
            assert (path.read_bytes() if path.exists() else b"") == expected, "ascending, each once"
        assert list(Path(name).iterdir()) == ([path.parent] if path.parent.exists() else []), "nothing else is left"


def test_a_file_that_would_stay_the_same_is_not_written_and_a_failure_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    for _ in range(2):
        with seen(path, tmp_path) as found:
            found.note(b"k" * 16)
        number = path.stat().st_ino
    assert path.stat().st_ino == number
    with pytest.raises(KeyError), seen(path, tmp_path) as found:
        found.note(b"o" * 16)
        raise KeyError
    assert path.read_bytes() == b"k" * 16
    nothing = nothing_seen()
    nothing.note(b"k" * 16)
    assert b"k" * 16 not in nothing


def test_memory_does_not_grow_with_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_KEYS_A_BLOCK": 64, "_KEYS_A_READ": 1 << 10, "_KEYS_A_SHARE": 1 << 12}.items():
        monkeypatch.setattr(module, name, value)
    draw, keys = random.Random(1), 60_000
    peaks = []
    for _ in range(2):  # the second one knows what the first one noted
        tracemalloc.start()
        with seen(tmp_path / "keys", tmp_path) as found:
            for _ in range(keys):
                found.note(draw.randbytes(16))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 8 * keys
