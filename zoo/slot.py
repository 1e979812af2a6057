"""The place on disk where one training of a model and size happens, one at a time.

It holds the checkpoints and says whose they are. A stopped training waits here until the same
command continues it; another training of the same model and size is refused meanwhile.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from governance.errors import BusyError, ConfigError, DataError, FingerprintMismatch
from pipelines.atomic import write_json
from zoo.identity import Identity

RESUME = ("auto", "never")


#: What changes without anybody asking for another training: the data and what follows from it, the
#: weights behind an alias that it continues from, the rules, the code and the machine. A stopped training
#: that differs in nothing else is out of date.
_CIRCUMSTANCES = frozenset(
    {"dataset", "tokenizer", "base", "base_label", "plan.steps", "plan.warmup", "plan.evaluate_every"}
    | {"plan.checkpoint_every", "policy", "code", "backend", "plan.dtype", "teacher", "spans", "controls", "sources"}
)


def superseded(error: FingerprintMismatch) -> bool:
    """Whether the stopped training that was in the way is out of date, and no other wish of the user's."""
    return error.differing <= _CIRCUMSTANCES


def check_resume(resume: str) -> None:
    """Raises ConfigError for anything but "auto" and "never"."""
    if resume not in RESUME:
        raise ConfigError(f'resume "{resume}" is neither auto nor never')


@dataclass(frozen=True)
class Slot:
    folder: Path

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def preset(self) -> Path:
        return self.folder / "preset"

    def clear(self) -> None:
        """Removes everything; the identity goes last, so that a kill leaves nothing ownerless."""
        for child in sorted(self.folder.iterdir(), key=lambda path: path.name == "identity.json"):
            if child.is_dir():
                shutil.rmtree(child)
            else:
                child.unlink()


@contextmanager
def training_slot(storage: Path, model: str, size: str, identity: Identity, *, resume: str) -> Iterator[Slot]:
    """Takes the slot of a model and size for this training.

    Args:
        resume: "auto" continues a stopped training with this identity and refuses another's;
            "never" discards what is there.

    Raises:
        BusyError: another process is training this model and size.
        FingerprintMismatch: a stopped training with another fingerprint is there.
    """
    import filelock

    slot = Slot(storage / "training" / model / size)
    try:
        slot.folder.mkdir(parents=True, exist_ok=True)
        (storage / "locks").mkdir(exist_ok=True)
        lock = filelock.FileLock(storage / "locks" / f"train-{model}-{size}.lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise BusyError(f"another process is training {model} at size {size}", fix="wait for it, or end it") from None
    except OSError as error:
        raise DataError(f"cannot write: {error.strerror}", where=str(slot.folder), fix="check permissions") from None
    try:
        _claim(slot, identity, resume)
        yield slot
    finally:
        lock.release()


def is_claimed(storage: Path, model: str, size: str, identity: Identity) -> bool:
    """Whether the slot holds something of this very training, such as what a kill at its end left."""
    owner = storage / "training" / model / size / "identity.json"
    try:
        return owner.exists() and _identity(owner).fingerprint == identity.fingerprint
    except (DataError, OSError):  # of nobody, or another process is clearing it
        return False


def _identity(owner: Path) -> Identity:
    try:
        return Identity(json.loads(owner.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise DataError("unreadable", where=str(owner), fix="start afresh with resume=never") from None


def _claim(slot: Slot, identity: Identity, resume: str) -> None:
    owner = slot.folder / "identity.json"
    if resume == "never":
        slot.clear()
    if owner.exists():
        other = _identity(owner)
        if other.fingerprint != identity.fingerprint:
            mismatch = FingerprintMismatch(
                f"a stopped training with the fingerprint {other.fingerprint[:16]} waits here, and this one has "
                f"{identity.fingerprint[:16]}: {identity.difference(other.parts)}",
                where=str(slot.folder),
                fix="give the same settings to continue it, or --resume never to discard it",
            )
            mismatch.differing = identity.differing(other.parts)
            raise mismatch
    else:
        write_json(owner, dict(identity.parts))
