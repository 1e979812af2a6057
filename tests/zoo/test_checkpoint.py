"""Checkpoints: whole or not there, and only for the run that wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from governance.errors import DataError, FingerprintMismatch
from zoo.fit import CheckpointState, Evaluation


def state(step: int, fingerprint: str = "aaa") -> CheckpointState:
    arrays = {"00000:w": np.arange(50, dtype=np.float32) + step, "00001:seed": np.array([1, step], np.uint32)}
    evaluations = [Evaluation(0, 9.0, 3.5), Evaluation(step, 4.1, 1.5), Evaluation(step + 1, 4.2, 1.6)]
    best = {"00000:w": np.full(3, step, np.float32)}
    return CheckpointState(step, fingerprint, arrays, [9.1, 1 / 3], evaluations, 12.5, best_arrays=best)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    state(4).save(tmp_path)
    loaded = CheckpointState.load(tmp_path, "aaa")
    assert loaded is not None
    for name, value in state(4).arrays.items():
        np.testing.assert_array_equal(loaded.arrays.pop(name), value)
    np.testing.assert_array_equal(loaded.best_arrays.pop("00000:w"), np.full(3, 4, np.float32))
    expected = state(4)
    expected.best_arrays = {}
    expected.arrays = {}
    assert loaded == expected
    assert loaded.best == Evaluation(4, 4.1, 1.5)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    (tmp_path / ".step-000000001.77.tmp").write_bytes(b"left by a kill")
    for step in (1, 5, 12, 10_000):
        state(step).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000012.npz", "step-000010000.npz"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_file_is_passed_over(tmp_path: Path, damage: str) -> None:
    state(1).save(tmp_path)
    newest = state(2).save(tmp_path)
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[content.find(np.float32(33.0).tobytes())] ^= 0xFF
    elif damage == "empty":
        content = bytearray()
    else:
        content = bytearray(b"no archive at all")
    newest.write_bytes(bytes(content))
    loaded = CheckpointState.load(tmp_path, "aaa")
    assert loaded is not None
    assert loaded.step == 1


def test_half_written_files_are_not_checkpoints(tmp_path: Path) -> None:
    assert CheckpointState.load(tmp_path / "nowhere", "aaa") is None
    (tmp_path / ".step-000000003.1.tmp").write_bytes(b"half")
    assert CheckpointState.load(tmp_path, "aaa") is None


def test_only_damaged_ones(tmp_path: Path) -> None:
    state(1).save(tmp_path).write_bytes(b"")
    with pytest.raises(DataError, match="all checkpoints are damaged"):
        CheckpointState.load(tmp_path, "aaa")


def test_another_fingerprint_is_refused_and_both_are_shown(tmp_path: Path) -> None:
    state(1, "old-inputs").save(tmp_path)
    with pytest.raises(FingerprintMismatch, match="old-inputs.*new-inputs"):
        CheckpointState.load(tmp_path, "new-inputs")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "step-000000001.npz", meta=np.array([{"step": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError):
        CheckpointState.load(tmp_path, "aaa")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        state(1).save(tmp_path / "file" / "checkpoints")
