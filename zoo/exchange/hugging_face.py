"""Hugging Face folders: `config.json` and safetensors, read into keras-hub tasks and written from them.

keras-hub 0.32 can read six of these architectures and write two, each in code of its own for either
direction, and looks for nothing that is left over. Here a table is written once and read in both
directions (`zoo.exchange.weights`), for all seven, and each tensor of a folder is accounted for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from pipelines.tokenizers import Lexicon
from zoo.exchange.architecture import Architecture
from zoo.exchange.architectures import ARCHITECTURES, of_model_type
from zoo.exchange.safetensors_files import WEIGHTS, read_tensors, write_tensors
from zoo.exchange.weights import INTO, Weight, check_complete, fill, tensors_of
from zoo.families.llama_model import remember_tying
from zoo.families.weights import initialise

if TYPE_CHECKING:
    import keras_hub
    import numpy.typing as npt

    from zoo.tasks.heads import Head

CONFIG = "config.json"
#: What to do with a head that transformers does not have.
HEAD_FIX = "export it to saved_model or keras"

#: The head of a tagger; the same in all encoders of transformers.
_CLASSIFIER = (
    Weight("head_dense/kernel", "classifier.weight", INTO),
    Weight("head_dense/bias", "classifier.bias"),
)


@dataclass(frozen=True)
class Checkpoint:
    """A model that was read.

    Attributes:
        task: a keras-hub task without preprocessor, float32.
        context: tokens that it can look at; None where its folder does not say.
        fresh: the parts that the folder does not have ("head", "pooler"): their weights are initial ones.
        left_out: tensors that keras-hub has no place for, such as the head of BERT's second objective.
    """

    architecture: Architecture
    task: keras_hub.models.Task
    context: int | None
    fresh: tuple[str, ...]
    left_out: tuple[str, ...]


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a Hugging Face folder.

    Raises:
        DataError: it is missing or no JSON object.
    """
    path = folder / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"unreadable: {reason}", where=str(path), fix="name the whole folder of a model") from None
    if not isinstance(content, dict):
        raise DataError("this is no JSON object", where=str(path), fix="get the whole folder")
    return content


def read_model(folder: Path, *, seed: int = 0) -> Checkpoint:
    """Reads a folder that transformers, or `write_model`, wrote.

    Args:
        seed: of the weights that the folder does not have, and of dropout.

    Raises:
        DataError: a file is missing or damaged; the configuration has a feature that keras-hub does not
            have; a tensor is missing, has another shape, or has no place in the model.
    """
    where = str(folder / CONFIG)
    config = read_config(folder)
    architecture = of_model_type(config.get("model_type"), where=where)
    arguments = architecture.arguments(config, where=where)
    tensors = _named(read_tensors(folder), architecture)
    task = architecture.new_task(arguments)
    remember_tying(task.backbone)
    initialise(task, seed, lambda path, shape: 0.02)  # what the folder has not stays so
    tables = architecture.tables(arguments)
    check_complete(task, (line for table in tables.values() for line in table))
    read: set[str] = set()
    fresh = []
    for name, table in tables.items():
        if name in architecture.optional and not any(line.tensor in tensors for line in table):
            fresh.append(name)
        else:
            read |= fill(task, table, tensors, where=str(folder))
    left_out = _account_for(tensors, read, architecture, arguments, str(folder))
    context = arguments.get("max_sequence_length", config.get(architecture.context_key or ""))
    return Checkpoint(architecture, task, context, tuple(fresh), left_out)


def architecture_of(task: keras_hub.models.Task | Head) -> Architecture:
    """Which architecture a task, or what is under a head, is.

    Raises:
        DataError: none that Hugging Face has, or one with constants that it does not have.
    """
    names = {base.__name__ for base in type(task.backbone).__mro__}
    for architecture in ARCHITECTURES.values():
        if architecture.backbone in names:
            reason = architecture.accepts(task)
            if reason is not None:
                raise DataError(reason, fix="export it to keras")
            return architecture
    raise DataError(f"Hugging Face has no counterpart of {type(task.backbone).__name__}", fix="export it to keras")


def write_model(
    task: keras_hub.models.Task,
    folder: Path,
    *,
    lexicon: Lexicon | None,
    context: int,
    without: Collection[str] = (),
) -> None:
    """Writes config.json and model.safetensors (float32) into an existing folder.

    Args:
        lexicon: of the model's tokenizer, for the ids of special tokens.
        context: tokens that the model can look at.
        without: parts that the model does not have ("head", "pooler"), as `Checkpoint.fresh` names them.

    Raises:
        DataError: transformers has no such model.
    """
    architecture = architecture_of(task)
    remember_tying(task.backbone)
    arguments = {**architecture.defaults, **task.backbone.get_config()}
    config = architecture.config(arguments)
    if architecture.context_key is not None:
        config[architecture.context_key] = context
    if lexicon is not None:
        config |= _special_ids(lexicon, architecture)
    tables = architecture.tables(arguments)
    check_complete(task, (line for table in tables.values() for line in table))
    prefix = architecture.prefix
    if "head" in without:
        prefix, config["architectures"] = "", [architecture.classes[1]]
    tensors = {}
    for name, table in tables.items():
        if name not in without:
            own = table if name == "head" else [replace(line, tensor=prefix + line.tensor) for line in table]
            tensors |= tensors_of(task, own)
    tensors |= _zeros(architecture.zeros(arguments)) | _zeros(architecture.added(arguments), prefix)
    _write(config, tensors, folder)


def write_tagger(head: Head, folder: Path, *, lexicon: Lexicon | None, types: Sequence[str]) -> None:
    """Writes an encoder under a head with an output for each tag, as transformers' "ForTokenClassification" has it.

    Args:
        lexicon: of the model's tokenizer, for the ids of special tokens.
        types: of marked places, by number.

    Raises:
        DataError: transformers has no such model.
    """
    architecture = architecture_of(head)
    if architecture.tagger is None:
        raise DataError(f"Hugging Face has no {architecture.name} that decides for each token", fix=HEAD_FIX)
    arguments = {**architecture.defaults, **head.backbone.get_config()}
    tags = ["O", *(f"{part}-{one}" for one in types for part in "BI")]
    config = architecture.config(arguments) | {
        "architectures": [architecture.tagger],
        "id2label": {str(number): tag for number, tag in enumerate(tags)},
        "label2id": {tag: number for number, tag in enumerate(tags)},
    }
    if lexicon is not None:
        config |= _special_ids(lexicon, architecture)
    tables = architecture.tables(arguments)
    check_complete(head.backbone, (line for name, table in tables.items() if name != "head" for line in table))
    table = [replace(line, tensor=architecture.prefix + line.tensor) for line in tables["body"]]
    tensors = tensors_of(head, [*table, *_CLASSIFIER])
    _write(config, tensors | _zeros(architecture.added(arguments), architecture.prefix), folder)


def _write(config: dict[str, Any], tensors: Mapping[str, npt.NDArray[Any]], folder: Path) -> None:
    config["dtype"] = config["torch_dtype"] = "float32"  # its name in transformers 5, and before
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    write_tensors(tensors, folder / WEIGHTS)


def _named(tensors: Mapping[str, npt.NDArray[Any]], architecture: Architecture) -> dict[str, npt.NDArray[Any]]:
    """Names as the tables have them: no prefix, and no names that TensorFlow's checkpoints had."""
    named = {}
    for name, tensor in tensors.items():
        name = name.removeprefix(architecture.prefix)
        name = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", name)
        name = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name)
        if not architecture.is_ignored(name):
            named[name] = tensor
    return named


def _account_for(
    tensors: Mapping[str, npt.NDArray[Any]],
    read: set[str],
    architecture: Architecture,
    arguments: Mapping[str, Any],
    where: str,
) -> tuple[str, ...]:
    """What was not read must be a copy, zero, or known to be left out; gives the last."""
    import numpy as np

    zeros = architecture.zeros(arguments)
    left_out = []
    for name in sorted(set(tensors) - read):
        other = architecture.same.get(name)
        if other is not None and other in tensors:
            if not np.array_equal(tensors[name], tensors[other]):
                raise DataError(
                    f"the tensors {name} and {other} differ, and {architecture.task} has one weight for both",
                    where=where,
                    fix="this model cannot be read without changing its answers",
                )
        elif name in zeros:
            if tensors[name].any():
                raise DataError(
                    f"the tensor {name} is not zero, and keras-hub's {architecture.task} has no place for it",
                    where=where,
                    fix="this model cannot be read without changing its answers",
                )
        elif architecture.is_left_out(name):
            left_out.append(name)
        else:
            raise DataError(
                f"the tensor {name} has no place in {architecture.task}",
                where=where,
                fix=f"name a folder of {' or '.join(architecture.classes)}",
            )
    return tuple(left_out)


def _zeros(shapes: Mapping[str, tuple[int, ...]], prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    import numpy as np

    return {prefix + name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def _special_ids(lexicon: Lexicon, architecture: Architecture) -> dict[str, int]:
    """The ids that transformers' `generate` asks for.

    Raises:
        DataError: the padding has an id that the model's positions do not allow.
    """
    kind = lexicon.kind
    end = lexicon.frame.end_id
    ids = {"eos_token_id": end, "bos_token_id": lexicon.ids.get(kind.first or "", lexicon.frame.prompt_id)}
    if kind.pad is not None:
        ids["pad_token_id"] = lexicon.special("pad")
    for fixed in architecture.fixed:
        if fixed.name in ids and ids[fixed.name] not in fixed.values:
            raise DataError(
                f"the tokenizer's {fixed.name} is {ids[fixed.name]}, and a {architecture.name} has {fixed.values[0]}",
                fix="export it to keras",
            )
    if architecture.decoder_start is not None:
        ids["decoder_start_token_id"] = ids.get("pad_token_id", end) if architecture.decoder_start == "pad" else end
    return ids
