"""Saved models: keras-hub presets, and beside their files what keras-hub does not ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from governance.errors import DataError
from pipelines.atomic import atomic_path
from pipelines.tokenizers import open_encoder
from zoo import families
from zoo.encode import EncoderModel
from zoo.families.base import Family
from zoo.generate import TextModel
from zoo.seq2seq import Seq2SeqModel

if TYPE_CHECKING:
    import keras_hub

_ABOUT = "zoo.json"
#: keras-hub's base class of the tasks of a shape.
_TASKS = {"encoder": "MaskedLM", "decoder": "CausalLM", "seq2seq": "Seq2SeqLM"}


def save_preset(
    task: keras_hub.models.Task,
    tokenizer_dir: Path,
    folder: Path,
    *,
    family: Family,
    context: int,
    objective: str | None = None,
) -> None:
    """Writes a keras-hub preset: `keras_hub.models.CausalLM.from_preset(folder)`, or `MaskedLM` of an
    encoder and `Seq2SeqLM` of a seq2seq model, loads it without us.

    (Of `lstm`, which keras-hub does not have, after `import zoo.families.lstm_model`.)

    Args:
        task: its preprocessor is set while it is saved.
        tokenizer_dir: holds the files of a tokenizer of the family's kind.
        context: tokens that the model can look at.
        folder: must not exist; written to a temporary name and renamed.
        objective: what the task was trained on last, if not the family's; see `zoo.asking`.

    Raises:
        DataError: the folder exists, or the disk is full or not writable.
    """
    if folder.exists():
        raise DataError("the folder exists already", where=str(folder), fix="choose another one")
    with atomic_path(folder) as temporary:
        task.preprocessor = family.preprocessor(tokenizer_dir, context)
        try:
            task.save_to_preset(str(temporary))
        finally:
            task.preprocessor = None
        about = {
            "family": family.name,
            "tokenizer": family.tokenizer,
            "context": context,
            "objective": objective or family.objective,
        }
        (temporary / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


def load_preset(folder: Path) -> tuple[Family, TextModel | EncoderModel | Seq2SeqModel]:
    """Opens what `save_preset` wrote, in this or in a new process.

    Raises:
        DataError: the folder is no such preset.
    """
    import keras_hub

    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        family = families.get(about["family"])
        family.prepare()
        context = int(about["context"])
        objective = str(about.get("objective", family.objective))  # the first presets do not name it
        encoder = open_encoder(folder / "assets" / "tokenizer", about["tokenizer"])
        task = getattr(keras_hub.models, _TASKS[family.shape]).from_preset(str(folder), preprocessor=None)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"this is no saved model: {type(error).__name__}", where=str(folder), fix="register it again"
        ) from None
    if family.shape == "encoder":
        return family, EncoderModel(task, encoder, family=family, context=context)
    if family.shape == "seq2seq":
        return family, Seq2SeqModel(task, encoder, context=context, objective=objective)
    return family, TextModel(task, encoder, context=context)
