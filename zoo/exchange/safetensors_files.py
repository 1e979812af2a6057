"""safetensors: plain arrays with a header. No pickle, so a file from outside is data and never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack")
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a Hugging Face folder: one, or the shards that its index names.

    Raises:
        DataError: there are none, or the index is damaged or names a file elsewhere.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / _INDEX).is_file():
        return [folder / name for name in sorted(set(_index(folder / _INDEX).values()))]
    for name in _PICKLES:
        if (folder / name).exists():
            raise DataError(
                f"there is {name} and no {WEIGHTS}, and a pickle can run code when it is opened",
                where=str(folder),
                fix="where you trust it: AutoModel.from_pretrained(FOLDER).save_pretrained(NEW) writes safetensors",
            )
    raise DataError(f"there is no {WEIGHTS}", where=str(folder), fix="name a folder of Hugging Face's layout")


def read_tensors(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """All tensors of a folder by name; real numbers as float32, whatever they are stored as.

    Raises:
        DataError: a file is missing or damaged, or a tensor's type is none of a weight.
    """
    from safetensors import SafetensorError, deserialize

    tensors: dict[str, npt.NDArray[Any]] = {}
    for path in weight_files(folder):
        try:
            found = deserialize(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise DataError(f"unreadable: {error}", where=str(path), fix="get the file again") from None
        tensors |= {name: _array(name, entry, path) for name, entry in found}
    return tensors


def write_tensors(tensors: Mapping[str, npt.NDArray[np.float32]], path: Path) -> None:
    """Writes one file, names in order: the same tensors give the same bytes."""
    from safetensors.numpy import save

    # transformers asks for the format. `save_file` would make a file that its owner alone can read.
    path.write_bytes(save(dict(sorted(tensors.items())), metadata={"format": "pt"}))


def _index(path: Path) -> dict[str, str]:
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        if not all(isinstance(name, str) and Path(name).name == name for name in files.values()):
            raise ValueError("it names a file that is not beside it")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"unreadable index: {error}", where=str(path), fix="get the file again") from None
    return dict(files)


def _array(name: str, entry: Mapping[str, Any], path: Path) -> npt.NDArray[Any]:
    import numpy as np

    kind, data = entry["dtype"], entry["data"]
    if kind == "BF16":  # the upper half of a float32, which NumPy has no type for
        array = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    elif kind in _TYPES:
        array = np.frombuffer(data, _TYPES[kind])
    else:
        raise DataError(
            f"the tensor {name} is of type {kind}", where=str(path), fix="save it as float32, float16 or bfloat16"
        )
    if array.dtype.kind == "f":
        array = array.astype(np.float32)
    return array.reshape(entry["shape"])
