"""What must survive a kill is one object with one `save`.

A checkpoint is a single .npz file (plain arrays and a JSON text, no pickle). It is written to a
hidden name, forced to the disk and renamed, so that a file with its final name is whole; the zip
format's checksums are verified on reading nevertheless, and a damaged file is passed over.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError, FingerprintMismatch
from pipelines.atomic import sync
from zoo.fit.callbacks import Evaluation

if TYPE_CHECKING:
    import numpy.typing as npt

_NAME = re.compile(r"step-(\d{9})\.npz")
_KEPT = 2


@dataclass
class CheckpointState:
    """All state of a training between two updates.

    Attributes:
        step: the update that comes next.
        fingerprint: of everything that the run stems from.
        arrays: weights, dropout seeds, optimizer variables and moving averages by a unique name.
        losses: training loss of each update before `step`.
        evaluations: made before update `step`, that of `step` itself included.
        elapsed_seconds: wall-clock time of the loop, over all restarts.
        evaluated_seconds: the elapsed seconds when the last evaluation ended.
        timed_steps, timed_tokens, timed_seconds: updates without those that waited for the compiler.
        best_arrays: the weights, or their moving averages, that `best` evaluated; empty before it.
    """

    step: int
    fingerprint: str
    arrays: dict[str, npt.NDArray[Any]]
    losses: list[float] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    elapsed_seconds: float = 0.0
    evaluated_seconds: float = 0.0
    timed_steps: int = 0
    timed_tokens: int = 0
    timed_seconds: float = 0.0
    best_arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def best(self) -> Evaluation | None:
        """The first evaluation with the fewest bits per byte, that of the untrained model left out."""
        return min((e for e in self.evaluations if e.step), key=lambda e: e.bits_per_byte, default=None)

    def save(self, folder: Path) -> Path:
        """Writes `folder/step-<step>.npz` and removes all but the last two.

        Raises:
            DataError: the disk is full or not writable.
        """
        import numpy as np

        meta = {
            "step": self.step,
            "fingerprint": self.fingerprint,
            "evaluations": [asdict(evaluation) for evaluation in self.evaluations],
            "elapsed_seconds": self.elapsed_seconds,
            "evaluated_seconds": self.evaluated_seconds,
            "timed_steps": self.timed_steps,
            "timed_tokens": self.timed_tokens,
            "timed_seconds": self.timed_seconds,
        }
        content: dict[str, Any] = {f"array:{name}": value for name, value in self.arrays.items()}
        content |= {f"best:{name}": value for name, value in self.best_arrays.items()}
        content["losses"] = np.asarray(self.losses, np.float64)
        content["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        path = folder / f"step-{self.step:09d}.npz"
        temporary = folder / f".step-{self.step:09d}.{os.getpid()}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **content)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
            sync(folder)
        except OSError as error:
            with suppress(OSError):  # the disk's error is what matters
                temporary.unlink()
            raise DataError(f"the checkpoint cannot be written: {error.strerror}", where=str(path)) from None
        _remove_old(folder, path)
        return path

    @classmethod
    def load(cls, folder: Path, fingerprint: str) -> CheckpointState | None:
        """Reads the newest whole checkpoint; None when there is none.

        Raises:
            FingerprintMismatch: the checkpoint belongs to another run.
            DataError: there are checkpoints, but all are damaged.
        """
        paths = _checkpoints(folder)
        for path in reversed(paths):
            state = cls._read(path)
            if state is None:
                continue
            if state.fingerprint != fingerprint:
                raise FingerprintMismatch(
                    f"the checkpoint has fingerprint {state.fingerprint}, this run has {fingerprint}",
                    where=str(path),
                    fix="start anew in another folder, or give the run the inputs it had",
                )
            return state
        if paths:
            raise DataError("all checkpoints are damaged", where=str(folder), fix="delete the folder to start anew")
        return None

    @classmethod
    def _read(cls, path: Path) -> CheckpointState | None:
        """None for a file that is not a whole checkpoint."""
        import numpy as np

        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(file["meta"].tobytes())
                return cls(
                    step=int(meta["step"]),
                    fingerprint=str(meta["fingerprint"]),
                    arrays=_with_prefix(file, "array:"),
                    best_arrays=_with_prefix(file, "best:"),
                    losses=file["losses"].tolist(),
                    evaluations=[Evaluation(**one) for one in meta["evaluations"]],
                    elapsed_seconds=float(meta["elapsed_seconds"]),
                    evaluated_seconds=float(meta["evaluated_seconds"]),
                    timed_steps=int(meta["timed_steps"]),
                    timed_tokens=int(meta["timed_tokens"]),
                    timed_seconds=float(meta["timed_seconds"]),
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None


def _with_prefix(file: Any, prefix: str) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)}


def snapshot(named: Sequence[tuple[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    """Copies Keras variables to arrays."""
    from keras import ops

    return {name: ops.convert_to_numpy(variable) for name, variable in _unique(named).items()}


def restore(named: Sequence[tuple[str, Any]], arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Assigns arrays to the variables that they were copied from.

    Raises:
        FingerprintMismatch: names or shapes differ from those of the checkpoint.
    """
    expected = _unique(named)
    if expected.keys() != arrays.keys():
        different = sorted(expected.keys() ^ arrays.keys())
        raise FingerprintMismatch(
            f"model and checkpoint differ in {len(different)} variables, the first is {different[0]}",
            where="checkpoint",
        )
    for name, variable in expected.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise FingerprintMismatch(
                f"{name} has shape {tuple(variable.shape)}, in the checkpoint {arrays[name].shape}",
                where="checkpoint",
            )
        variable.assign(arrays[name])


def _unique(named: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Names made unique by position, without the numbers that Keras counts up in a process.

    The second model of a process has a `seed_generator_7` where the first has a `seed_generator`.
    """
    return {
        f"{index:05d}:{re.sub('_[0-9]+(?=[/_]|$)', '', name)}": variable for index, (name, variable) in enumerate(named)
    }


def _checkpoints(folder: Path) -> list[Path]:
    """Files with a checkpoint's name, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _remove_old(folder: Path, newest: Path) -> None:
    """Keeps two: should the newest turn out to be unreadable, the one before is still there."""
    for path in [p for p in _checkpoints(folder) if p <= newest][:-_KEPT]:
        path.unlink(missing_ok=True)
    for leftover in folder.glob(".step-*.tmp"):
        leftover.unlink(missing_ok=True)
