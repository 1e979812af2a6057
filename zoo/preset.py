"""Saved models: keras-hub presets, and beside their files what keras-hub does not ask for."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from governance.labels import Label
from governance.wording import in_words
from pipelines.atomic import atomic_path
from pipelines.tokenizers import KINDS, open_encoder, open_tokenizer
from pipelines.tokenizers.store import preset_files_digest
from zoo import families
from zoo.encode import EncoderModel
from zoo.exchange.tokenizer_files import refuse_another
from zoo.families.base import Family
from zoo.families.llama_model import remember_tying
from zoo.generate import TextModel
from zoo.lora import ADAPTER_FILE, Adapter
from zoo.seq2seq import Seq2SeqModel
from zoo.tasks.chat import TEMPLATED, Template
from zoo.tasks.model import HeadModel
from zoo.tasks.saved import read_head, write_head

if TYPE_CHECKING:
    import keras_hub

    from zoo.tasks.heads import Head

ABOUT = "zoo.json"
_OWN_CLASSES = ("zoo.families.encoder_models",)
#: keras-hub's base class of the tasks of a shape.
_TASKS = {"encoder": "MaskedLM", "decoder": "CausalLM", "seq2seq": "Seq2SeqLM"}


def save_preset(
    task: keras_hub.models.Task,
    tokenizer_dir: Path,
    folder: Path,
    *,
    family: Family,
    context: int,
    label: Label | None = None,
    adapter: Adapter | None = None,
    objective: str | None = None,
    controls: Sequence[str] = (),
) -> None:
    """Writes a keras-hub preset: `keras_hub.models.CausalLM.from_preset(folder)`, or `MaskedLM` of an
    encoder and `Seq2SeqLM` of a seq2seq model, loads it without us.

    (Of `lstm`, which keras-hub does not have, after `import zoo.families.lstm_model`.)

    Args:
        task: its preprocessor is set while it is saved.
        tokenizer_dir: holds the files of a tokenizer of the family's kind.
        context: tokens that the model can look at.
        adapter: what was merged into the task, kept beside it.
        folder: must not exist; written to a temporary name and renamed.
        label: the domains that the model was derived from; joined to the tokenizer's.
        objective: what the task was trained on last, if not the family's; see `zoo.asking`.
        controls: names of the control codes that it knows, in order.

    Raises:
        DataError: the folder exists, or the disk is full or not writable.
    """
    if folder.exists():
        raise DataError("the folder exists already", where=str(folder), fix="choose another one")
    about = {"family": family, "context": context, "label": label, "objective": objective, "controls": controls}
    with atomic_path(folder) as temporary:
        remember_tying(task.backbone)
        task.preprocessor = family.preprocessor(tokenizer_dir, context)
        try:
            task.save_to_preset(str(temporary))
        finally:
            task.preprocessor = None
        if adapter is not None:
            adapter.save(temporary / ADAPTER_FILE)
        write_about(temporary, tokenizer_dir, **about, in_keras=True)


def save_head_preset(
    model: Head,
    tokenizer_dir: Path,
    folder: Path,
    *,
    task: Mapping[str, Any],
    family: Family,
    context: int,
    label: Label,
    objective: str,
    adapter: Adapter | None = None,
) -> None:
    """Writes a model with a head; see `zoo.tasks.saved` for the files.

    Args:
        task: its name, classes, pooling and temperature.
        adapter: what was merged into the model, kept beside it.

    Raises:
        DataError: the folder exists, or the disk is full or not writable.
    """
    if folder.exists():
        raise DataError("the folder exists already", where=str(folder), fix="choose another one")
    with atomic_path(folder) as temporary:
        write_head(model, family, tokenizer_dir, context, temporary)
        if adapter is not None:
            adapter.save(temporary / ADAPTER_FILE)
        write_about(
            temporary,
            tokenizer_dir,
            family=family,
            context=context,
            label=label,
            objective=objective,
            task=task,
            in_keras=True,
        )


def write_about(
    folder: Path,
    tokenizer_dir: Path,
    *,
    family: Family,
    context: int,
    label: Label | None = None,
    objective: str | None = None,
    controls: Sequence[str] = (),
    task: Mapping[str, Any] | None = None,
    in_keras: bool = False,
) -> None:
    """Writes beside a model what its own files do not say: family, context, tokenizer, and the label, which
    goes wherever the model goes.

    Args:
        in_keras: the folder is a keras-hub preset; says in what its tokenizer's ids differ from the model's.
    """
    tokenizer = open_tokenizer(tokenizer_dir)
    joined = tokenizer.label if label is None else tokenizer.label | label
    about = {
        "family": family.name,
        "tokenizer": tokenizer.kind,
        "tokenizer_digest": tokenizer.digest,
        "context": context,
        "objective": objective or family.objective,
        "label": joined.to_list(),
    }
    differs = KINDS[tokenizer.kind].keras_differs if in_keras else None
    about |= {"keras_hub_tokenizer": differs} if differs else {}
    about |= {"controls": list(controls)} if controls else {}
    about |= {} if task is None else {"task": dict(task)}
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def load_preset(folder: Path) -> tuple[Family, TextModel | EncoderModel | Seq2SeqModel | HeadModel]:
    """Opens what `save_preset` or `save_head_preset` wrote, in this or in a new process.

    Raises:
        DataError: the folder is no such preset, or its tokenizer is not the one that it was trained with.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        family = families.get(about["family"])
        context = int(about["context"])
        objective = str(about.get("objective", family.objective))  # the first presets do not name it
        digest = preset_files_digest(folder / "assets" / "tokenizer", KINDS[about["tokenizer"]])
        refuse_another(digest, about.get("tokenizer_digest"), folder)
        encoder = open_encoder(folder / "assets" / "tokenizer", about["tokenizer"])
        codes = map(encoder.lexicon.ids.__getitem__, encoder.lexicon.kind.controls)
        controls = dict(zip(about.get("controls", ()), codes, strict=False))
        if "task" in about:
            prepare_classes(folder, family)
            return family, read_head(folder, about, family, encoder)
        task = load_task(folder, family)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = in_words(error, expected=("family", "context", "tokenizer"))
        raise DataError(f"this is no saved model: {reason}", where=str(folder), fix="register it again") from None
    if family.shape == "encoder":
        return family, EncoderModel(task, encoder, family=family, context=context)
    if family.shape == "seq2seq":
        return family, Seq2SeqModel(task, encoder, context=context, objective=objective)
    template = Template.of(encoder) if objective in TEMPLATED else None
    return family, TextModel(task, encoder, context=context, template=template, controls=controls)


def load_task(folder: Path, family: Family) -> keras_hub.models.Task:
    """The task of a keras-hub preset, without preprocessor.

    Raises:
        OSError, ValueError, KeyError: the folder is no preset of the family's shape.
    """
    import keras_hub

    prepare_classes(folder, family)
    task = getattr(keras_hub.models, _TASKS[family.shape]).from_preset(str(folder), preprocessor=None)
    remember_tying(task.backbone)
    return task


def prepare_classes(folder: Path, family: Family) -> None:
    """Makes the Keras classes of a preset known. Where keras-hub has no class for a model its configuration names a
    module of ours; no other is imported.

    Raises:
        OSError, ValueError: config.json is missing or damaged.
    """
    family.prepare()
    module = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("module")
    if module in _OWN_CLASSES:
        importlib.import_module(module)
