"""Models with heads on disk: a keras-hub preset of the backbone, and the head beside it.

config.json, model.weights.h5       the backbone: `keras_hub.models.Backbone.from_preset(folder)`
tokenizer.json, assets/             its tokenizer
head.npz                            kernel and bias of the projection, plain arrays
zoo.json                            family, context, task, classes, temperature
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from pipelines.tokenizers import Encoder
from zoo.families.base import Family
from zoo.tasks.model import HeadModel

if TYPE_CHECKING:
    from zoo.tasks.heads import Head

_HEAD = "head.npz"


def write_head(model: Head, family: Family, tokenizer_dir: Path, context: int, folder: Path) -> None:
    """Writes all but zoo.json into a folder."""
    import numpy as np
    from keras import ops

    model.backbone.save_to_preset(str(folder))
    family.preprocessor(tokenizer_dir, context).tokenizer.save_to_preset(str(folder))
    arrays = {name: ops.convert_to_numpy(getattr(model.dense, name)) for name in ("kernel", "bias")}
    np.savez(folder / _HEAD, allow_pickle=False, **arrays)


def read_head(folder: Path, about: Mapping[str, Any], family: Family, encoder: Encoder) -> HeadModel:
    """Opens what `write_head` wrote.

    Raises:
        OSError, ValueError, KeyError: a file is missing or damaged.
    """
    import keras_hub
    import numpy as np

    from zoo.tasks.heads import Head

    task = about["task"]
    with np.load(folder / _HEAD, allow_pickle=False) as arrays:
        kernel, bias = arrays["kernel"], arrays["bias"]
    backbone = keras_hub.models.Backbone.from_preset(str(folder))
    if kernel.shape != (backbone.hidden_dim, len(bias)):
        raise DataError("head and backbone do not belong together", where=str(folder / _HEAD))
    model = Head(backbone, len(bias), family=family, pooling=task["pooling"])
    model.dense.kernel.assign(kernel)
    model.dense.bias.assign(bias)
    return HeadModel(
        model,
        encoder,
        family=family,
        name=task["name"],
        classes=tuple(task["classes"]),
        temperature=float(task["temperature"]),
        context=int(about["context"]),
    )
