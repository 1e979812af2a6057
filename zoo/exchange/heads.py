"""Models with heads (classify, tag, reward) on their way out. None comes back: a training starts from a language model.

hf           taggers on encoders: a linear layer on each state, which transformers has as well
keras        model.keras (a Keras model of ids and padding mask), tokenizer/
saved_model  the same as a SavedModel, tokenizer/

Each has a zoo.json with what `zoo.json` of the registered version says, and what stands around a text.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import DataError
from governance.labels import Label
from governance.wording import in_words
from pipelines.atomic import atomic_path
from pipelines.tokenizers import Encoder, TokenizerFiles, load_encoder
from zoo.backend import prepare_backend
from zoo.exchange.about import HeadAbout
from zoo.exchange.architectures import FAMILIES
from zoo.exchange.base import Base, base_tokenizer, model_digest
from zoo.families.base import Family
from zoo.families.llama_model import remember_tying
from zoo.tasks.model import HeadModel

_KERAS = "model.keras"


@dataclass(frozen=True)
class OpenedHead:
    """A model with a head in memory, float32.

    Attributes:
        task: what its zoo.json says of the head.
        digest: SHA-256 (hex) over weights and tokenizer.
    """

    base: Base
    family: Family
    model: HeadModel
    task: HeadAbout
    tokenizer: TokenizerFiles
    digest: str

    @property
    def label(self) -> Label:
        return self.base.label


def export_head(base: Base, family: Family, folder: Path, *, to: str, storage: Path) -> OpenedHead:
    """Writes a model with a head as a folder; see the top of this module.

    Args:
        folder: must not exist; written to a temporary name and renamed.
        to: "hf", "keras" or "saved_model".
        storage: the tokenizer gets a folder in there.

    Raises:
        DataError: the target has no such model, or a file is missing or damaged.
    """
    assert base.about.task is not None
    if to == "hf":
        _check_hugging_face(base.about.task, family)
    opened = open_head(base, family, storage=storage)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        _WRITERS[to](opened, temporary)
        _write_about(opened, temporary)
    return opened


def open_head(base: Base, family: Family, *, storage: Path) -> OpenedHead:
    """Reads a base with a head.

    Raises:
        DataError: a file is missing or damaged, parts do not belong together, or it is an exported one.
    """
    from zoo.preset import prepare_classes
    from zoo.tasks.saved import read_head

    task = base.about.task
    assert task is not None
    if base.layout != "keras":
        raise DataError("a model with a head is not read back", where=str(base.folder), fix="name its version")
    prepare_backend()
    tokenizer = base_tokenizer(base, family, storage)
    encoder = load_encoder(tokenizer.folder)
    try:
        prepare_classes(base.folder, family)
        model = read_head(base.folder, base.about.model_dump(), family, encoder)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"this is no {family.name} with a head: {in_words(error)}", where=str(base.folder)) from None
    remember_tying(model.task.backbone)
    if model.task.dense.units != task.outputs:
        raise DataError(
            f"the head has {model.task.dense.units} outputs, and by zoo.json it has {task.outputs}",
            where=str(base.folder),
            fix="get the folder again",
        )
    return OpenedHead(base, family, model, task, tokenizer, model_digest(model.task, (), tokenizer))


def _check_hugging_face(task: HeadAbout, family: Family) -> None:
    """Raises DataError for a head that no class of transformers computes."""
    from zoo.exchange.hugging_face import HEAD_FIX

    if family.name not in FAMILIES:
        raise DataError(f"Hugging Face has no counterpart of {family.name}", where="to", fix=HEAD_FIX)
    theirs = FAMILIES[family.name].classes[1].removesuffix("Model") + "ForSequenceClassification"
    if task.pooling == "mean":
        raise DataError(
            f"transformers' {theirs} decides by the first token's state, and this model by the mean of all",
            where="to",
            fix=HEAD_FIX,
        )
    if task.pooling == "last":
        raise DataError(
            f"transformers' {theirs} has no bias and passes over a last token that is padding as well; this model "
            "reads both",
            where="to",
            fix=HEAD_FIX,
        )


def _to_hugging_face(opened: OpenedHead, folder: Path) -> None:
    from zoo.exchange.hugging_face import write_tagger
    from zoo.exchange.tokenizer_files import write_tokenizer

    model = opened.model
    write_tagger(model.task, folder, lexicon=model.encoder.lexicon, types=model.classes)
    write_tokenizer(opened.tokenizer.folder, folder, context=model.context)


def _to_keras(opened: OpenedHead, folder: Path) -> None:
    """A functional model: Keras' own layers and operations around the backbone, so that no class of ours is needed
    where the backbone is none."""
    import keras

    from zoo.exchange.saved_model import HEAD_INPUTS, head_answers

    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in HEAD_INPUTS}
    outputs = head_answers(opened.model, *inputs.values())
    keras.Model(inputs, outputs, name=opened.task.name).save(folder / _KERAS)
    shutil.copytree(opened.tokenizer.folder, folder / "tokenizer")


def _to_saved_model(opened: OpenedHead, folder: Path) -> None:
    from zoo.exchange.saved_model import write_head_saved_model

    write_head_saved_model(opened.model, folder)
    shutil.copytree(opened.tokenizer.folder, folder / "tokenizer")


def _write_about(opened: OpenedHead, folder: Path) -> None:
    from zoo.preset import write_about

    write_about(
        folder,
        opened.tokenizer.folder,
        family=opened.family,
        context=opened.model.context,
        label=opened.label,
        objective=opened.base.about.objective,
        task=opened.task.model_dump() | {"frame": _frame(opened.task, opened.model.encoder, opened.model)},
    )


def _frame(task: HeadAbout, encoder: Encoder, model: HeadModel) -> dict[str, Any]:
    """What a program without this package needs to make inputs: the ids before a text, after it, between prompt and
    answer of a reward model, and the one that fills up a batch."""
    import numpy as np

    from zoo.tasks.chat import Template
    from zoo.tasks.frames import framed, pad_id

    pad = pad_id(model.setting)
    if task.name == "reward":
        template = Template.of(encoder)
        before, between = list(template.before), list(template.between)
        return {"before": before, "between": between, "after": [template.end], "pad": pad}
    first, end = framed(np.zeros(0, np.int32), model.setting).tolist()
    return {"before": [first], "after": [end], "pad": pad}


_WRITERS: dict[str, Callable[[OpenedHead, Path], None]] = {
    "hf": _to_hugging_face,
    "keras": _to_keras,
    "saved_model": _to_saved_model,
}
