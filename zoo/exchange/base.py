"""What a training continues from: a registered version, a keras-hub preset folder, a Hugging Face folder.

A base brings its own tokenizer and its label. A registered version has the label of its registration; a
folder has the one that its `zoo.json` says, or what the user says, and without either it is not opened.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from governance.errors import ConfigError, DataError
from governance.labels import Label
from governance.wording import in_words
from pipelines.tokenizers import TokenizerFiles, adopt_tokenizer
from registry import Tracking, model_folder, resolve
from zoo.backend import prepare_backend
from zoo.exchange.about import About, read_about
from zoo.exchange.architectures import FAMILIES, of_family, of_model_type
from zoo.exchange.tokenizer_files import (
    find_tokenizer,
    preset_tokenizer,
    refuse_another,
    unnamed_preset_tokenizer,
)
from zoo.families.base import Family, Size
from zoo.preset import ABOUT
from zoo.workspace import Workspace

if TYPE_CHECKING:
    import keras
    import keras_hub

#: Learning rate of a continued training, as a share of the one from scratch: see docs/exchange.md. BERT
#: was trained with 1e-4 and fine-tuned with 2e-5 to 5e-5 (Devlin et al. 2019, arXiv:1810.04805); warming up
#: to less than the first peak forgets less of what was learned (Ibrahim et al. 2024, arXiv:2403.08763).
LEARNING_RATE_SHARE = 0.2

_REFERENCE = re.compile(r"[^@/\s]+(@[^@/\s]+|/[1-9][0-9]*)")
Layout = Literal["keras", "hf"]


@dataclass(frozen=True)
class Base:
    """A model somewhere, before it is opened.

    Attributes:
        name: for people: "tax_domain.gpt/3", or the folder's name.
        reference: as asked for, so that a retraining can ask again; a folder's absolute path.
        about: content of its zoo.json; says nothing of a model that was not made here.
        label: the domains that it was derived from.
    """

    name: str
    reference: str
    folder: Path
    layout: Layout
    about: About
    label: Label

    def family_name(self, asked: str | None) -> str:
        """The family that it is opened as.

        Args:
            asked: by the user; None takes the one that the base names.

        Raises:
            ConfigError: it is another architecture than that of the family that was asked for, or none was
                asked for and it names none.
        """
        own = self.about.family
        if asked is None:
            if own is None:
                raise ConfigError("the folder does not say its family", where=str(self.folder), fix="give --family")
            return own
        if own is not None and own != asked and (own not in FAMILIES or FAMILIES[own] is not FAMILIES.get(asked)):
            raise ConfigError(f"the base {self.name} is a {own}, not a {asked}", where="init", fix=f"train {own}")
        return asked


@dataclass(frozen=True)
class OpenedBase:
    """A base in memory, float32.

    Attributes:
        context: tokens that it can look at.
        fresh: parts that it does not have and that start anew, such as "head".
        tokenizer: its own, in the workspace's storage.
        digest: SHA-256 (hex) over weights and tokenizer; the same wherever and however the model lies.
    """

    base: Base
    family: Family
    task: keras_hub.models.Task
    context: int
    fresh: tuple[str, ...]
    tokenizer: TokenizerFiles
    digest: str

    @property
    def label(self) -> Label:
        return self.base.label

    @property
    def objective(self) -> str | None:
        """What it was trained on last, if it is known and the model still is of that family."""
        return self.base.about.objective if self.base.about.family == self.family.name else None

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the control codes that it knows, in order."""
        return tuple(self.base.about.controls)

    @property
    def identity(self) -> dict[str, str]:
        """Its parts of a training's fingerprint. With the label: a run of the same weights under a smaller one
        must not be found for a larger one."""
        return {"base": self.digest, "base_label": str(self.label)}

    @property
    def parameters(self) -> int:
        return sum(math.prod(weight.shape) for weight in self.task.weights)

    @property
    def vocabulary_size(self) -> int:
        """Rows of the token table; may be more than the tokenizer has words."""
        return int(self.task.backbone.vocabulary_size)

    @property
    def usual_window(self) -> int:
        """Tokens in a window of a training that does not say how many."""
        return self.family.usual_window(self.task.backbone.hidden_dim)

    def size(self) -> Size:
        """The size of the base, with the learning rate of a continued training."""
        backbone = self.task.backbone
        heads = getattr(backbone, "num_heads", None) or getattr(backbone, "num_query_heads", 0)
        shape = {"layers": backbone.num_layers, "width": backbone.hidden_dim, "heads": heads, "context": self.context}
        sizes = list(self.family.sizes.values())
        nearest = next((size for size in sizes if size.width >= backbone.hidden_dim), sizes[-1])
        found = replace(nearest, name=f"{backbone.num_layers}x{backbone.hidden_dim}", **shape)
        for size in sizes:
            same = all(getattr(size, name) == value for name, value in shape.items())
            if same and self.family.parameters(size, self.vocabulary_size) == self.parameters:
                found = size
        dropout = float(backbone.dropout)
        return replace(found, learning_rate=LEARNING_RATE_SHARE * found.learning_rate, dropout=dropout)


def find_base(
    reference: str,
    *,
    workspace: Workspace,
    label: str | None = None,
    allowed: Callable[[Label], object] = lambda label: None,
) -> Base:
    """Finds a base and its label; its weights are not read.

    Args:
        reference: "tax_domain.gpt@champion", "tax_domain.gpt/3", or a folder.
        label: domains joined by "+", such as "public", for a folder that does not say them.
        allowed: called with the label of a registered version before anything of it is fetched; may raise.

    Raises:
        ConfigError: neither a registered version nor a folder, or a folder without label.
        RegistryError: there is no such version, or it is quarantined.
        DataError: the folder is no model.
    """
    folder = Path(reference).expanduser()
    given = None if label is None else _parse_label(label)
    if folder.is_dir():
        folder = folder.absolute()
        about = read_about(folder)
        known = _label_of(about, given, folder)
        return Base(folder.name, str(folder), folder, _layout(folder), about, known)
    if not _REFERENCE.fullmatch(reference):
        raise ConfigError(
            f'"{reference}" is neither a registered version nor a folder',
            where="init",
            fix="write NAME@champion or NAME/3 (see `zoo models`), or the path of a folder",
        )
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    version = resolve(tracking, reference)
    known = version.label if given is None else version.label | given
    allowed(known)
    preset = model_folder(tracking, version)
    return Base(str(version), reference, preset, "keras", read_about(preset), known)


def open_base(base: Base, family: Family, *, storage: Path, seed: int) -> OpenedBase:
    """Reads a base's weights and tokenizer.

    Args:
        storage: the tokenizer gets a folder in there.
        seed: of the weights that the base does not have, and of dropout.

    Raises:
        ConfigError: the base is no model of this family.
        DataError: files are missing or damaged, or weights and tokenizer do not belong together.
    """
    if base.about.task is not None:
        raise ConfigError(
            f"{base.name} has a head for {base.about.task.name}, and a training goes on from a language model alone",
            where="init",
            fix="name the language model that it was tuned from",
        )
    prepare_backend()
    if base.layout == "hf":
        task, context, fresh = _open_hugging_face(base, family, seed)
    else:
        task, context, fresh = _open_preset(base, family, seed)
    nearest = next((s for s in family.sizes.values() if s.width >= task.backbone.hidden_dim), None)
    context = int(base.about.context or context or (nearest.context if nearest else 512))
    positions = getattr(task.backbone, "max_sequence_length", None) or context
    if context > positions:
        raise DataError(
            f"context is {context}, and the model has {positions} positions",
            where=str(base.folder / ABOUT),
            fix="get the folder again, or export the model again",
        )
    tokenizer = base_tokenizer(base, family, storage)
    rows = int(task.backbone.vocabulary_size)
    if tokenizer.vocab_size > rows:
        raise DataError(
            f"model and tokenizer do not belong together: the tokenizer has {tokenizer.vocab_size} words "
            f"({tokenizer.digest[:16]}), the model's table {rows} rows",
            where=str(base.folder),
            fix="name a folder with the tokenizer that the model was trained with",
        )
    digest = model_digest(task, fresh, tokenizer)
    return OpenedBase(base, family, task, context, fresh, tokenizer, digest)


def rebuilt(opened: OpenedBase, *, dropout: float, dtype: str, seed: int) -> keras_hub.models.Task:
    """A task with the base's weights, and with the dropout and the dtype policy of a training."""
    from zoo.families.llama_model import remember_tying
    from zoo.families.weights import set_dropout_seeds

    old = opened.task
    config = {**old.backbone.get_config(), "dropout": dropout, "dtype": dtype}
    backbone = type(old.backbone).from_config(config)
    remember_tying(backbone)
    task = type(old)(backbone, preprocessor=None, name=old.name)
    for weight, value in zip(task.weights, old.weights, strict=True):
        weight.assign(value)
    set_dropout_seeds(task, seed)
    if hasattr(backbone, "pooled_dense"):  # BERT's pooler, which no objective of ours reaches
        backbone.pooled_dense.trainable = False
    return task


def _open_hugging_face(base: Base, family: Family, seed: int) -> tuple[Any, int | None, tuple[str, ...]]:
    from zoo.exchange.hugging_face import CONFIG, read_config, read_model

    found = of_model_type(read_config(base.folder).get("model_type"), where=str(base.folder / CONFIG))
    wanted = of_family(family.name)
    if found is not wanted:
        raise ConfigError(
            f"the folder holds a {found.name}, and a {family.name} is a {wanted.name}", where=str(base.folder)
        )
    checkpoint = read_model(base.folder, seed=seed)
    return checkpoint.task, checkpoint.context, checkpoint.fresh


def _open_preset(base: Base, family: Family, seed: int) -> tuple[Any, int | None, tuple[str, ...]]:
    from zoo.families.weights import initialise
    from zoo.preset import load_task

    config = _config(base.folder)
    wanted = FAMILIES[family.name].backbone if family.name in FAMILIES else None
    if wanted is not None and config.get("class_name") != wanted:
        raise ConfigError(
            f"the folder holds a {config.get('class_name')}, and a {family.name} is a {wanted}", where=str(base.folder)
        )
    try:
        task = load_task(base.folder, family)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"this is no preset of a {family.name}: {in_words(error)}", where=str(base.folder)) from None
    fresh: tuple[str, ...] = ()
    if task.has_task_weights() and not (base.folder / "task.weights.h5").is_file():
        from keras import ops

        kept = [ops.convert_to_numpy(weight) for weight in task.backbone.weights]
        initialise(task, seed, lambda path, shape: 0.02)
        for weight, value in zip(task.backbone.weights, kept, strict=True):
            weight.assign(value)
        fresh = ("head",)
    return task, getattr(task.backbone, "max_sequence_length", None), fresh


def base_tokenizer(base: Base, family: Family, storage: Path) -> TokenizerFiles:
    """The base's tokenizer in the workspace's storage; one that was swapped is refused."""
    origin = hashlib.sha256(base.name.encode()).hexdigest()
    own = base.about.tokenizer
    if base.layout == "hf":
        found = find_tokenizer(base.folder, family.tokenizer, own=own)
    elif own is not None:
        found = preset_tokenizer(base.folder / "assets" / "tokenizer", own)
    else:
        found = unnamed_preset_tokenizer(base.folder, family.tokenizer)
    tokenizer = adopt_tokenizer(found.write, kind=found.kind, label=base.label, origin=origin, storage=storage)
    refuse_another(tokenizer.digest, base.about.tokenizer_digest, base.folder)
    return tokenizer


def model_digest(model: keras.Model, fresh: tuple[str, ...], tokenizer: TokenizerFiles) -> str:
    """SHA-256 (hex) over the weights of a task or of a head, and its tokenizer.

    Args:
        fresh: parts that are left out.
    """
    import numpy as np
    from keras import ops

    from zoo.exchange.weights import named_weights

    total = hashlib.sha256()
    config = {
        name: float(value) if isinstance(value, int) else value  # 10000 and 10000.0 are one setting
        for name, value in model.backbone.get_config().items()
        if name not in ("name", "trainable", "dtype", "dropout")
    }
    total.update(json.dumps(config, sort_keys=True, default=str).encode())
    whole = model.backbone if "head" in fresh else model
    for path, weight in sorted(named_weights(whole).items()):
        if "pooler" in fresh and path.startswith("pooled_dense/"):
            continue
        value = np.ascontiguousarray(ops.convert_to_numpy(weight), np.float32)
        total.update(f"{path} {value.shape}".encode())
        total.update(hashlib.sha256(value).digest())
    total.update(tokenizer.digest.encode())
    return total.hexdigest()


def _layout(folder: Path) -> Layout:
    config = _config(folder)
    if "model_type" in config:
        return "hf"
    if "registered_name" in config:
        return "keras"
    raise DataError(
        "config.json is neither Hugging Face's nor a keras-hub preset's", where=str(folder), fix="name a model's folder"
    )


def _config(folder: Path) -> dict[str, Any]:
    from zoo.exchange.hugging_face import read_config

    return read_config(folder)


def _label_of(about: About, given: Label | None, folder: Path) -> Label:
    """What zoo.json says, joined with what the user says."""
    known = None if about.label is None else Label.from_list(about.label)
    if known is not None and given is not None:
        return known | given
    label = known or given
    if label is None:
        raise ConfigError(
            "nothing says which domains this model was derived from",
            where=str(folder),
            fix='say it: --init-label public (in Python init_label="public"), or domains joined by +',
        )
    return label


def _parse_label(text: str) -> Label:
    domains = text.split("+")
    if not all(re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", domain) for domain in domains):
        raise ConfigError(
            f'"{text}" is no label', where="init_label", fix="domains joined by +, such as public or tax+public"
        )
    return Label.from_list(domains)
