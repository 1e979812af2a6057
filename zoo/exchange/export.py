"""`zoo.export`: a model as a folder that other programs open.

The folder has the model's label in its `zoo.json`, so that it can come back with it. There is no verb for the
way in: a model from outside has no data, no run and no gates here, so it is what a training continues from
(`zoo.train(init=FOLDER)`), or is brought into another layout by this verb.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from governance.errors import ConfigError, DataError, did_you_mean
from governance.labels import Label
from pipelines.atomic import atomic_path
from pipelines.tokenizers import load_encoder
from zoo import families
from zoo.exchange.base import OpenedBase, find_base, open_base
from zoo.exchange.heads import export_head
from zoo.tasks.chat import TEMPLATED
from zoo.workspace import Workspace

Target = Literal["hf", "keras", "saved_model"]


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Attributes:
        model: name of what was exported.
        to: "hf", "keras" or "saved_model".
        label: the domains that the model was derived from.
        digest: SHA-256 (hex) over weights and tokenizer.
        fresh: parts that the model does not have: left out at "hf", initial weights at "keras".
    """

    folder: Path
    model: str
    family: str
    to: str
    label: Label
    digest: str
    fresh: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "folder": str(self.folder), "label": self.label.to_list(), "fresh": list(self.fresh)}


def export(
    reference: str,
    folder: str | Path,
    *,
    to: Target,
    family: str | None = None,
    label: str | None = None,
    workspace: Workspace | None = None,
) -> Exported:
    """Writes a model as a folder for other programs. A thing for the workspace's owner: no caller is asked.

    Args:
        reference: "tax_domain.gpt@champion", "tax_domain.gpt/3", or a folder (a keras-hub preset, or of
            Hugging Face's layout).
        folder: must not exist; written to a temporary name and renamed.
        to: "hf" for `transformers.AutoModel.from_pretrained`; "keras" for `from_preset` of keras-hub, or, of a model
            with a head, `keras.models.load_model`; "saved_model" for `tf.saved_model.load`.
        family: of a folder that does not say it.
        label: of a folder that does not say it: domains joined by "+", such as "public".

    Raises:
        ConfigError: an unknown target, or a reference that names nothing.
        RegistryError: there is no such version, or it is quarantined.
        DataError: the folder exists or cannot be written, or the target has no such model.
    """
    if to not in get_args(Target):
        raise ConfigError(
            f'there is no target "{to}"{did_you_mean(to, get_args(Target))}',
            where="to",
            fix=f"use one of {', '.join(get_args(Target))}",
        )
    target = Path(folder).expanduser().absolute()
    if target.exists():
        raise DataError("the folder exists already", where=str(target), fix="choose another one")
    workspace = workspace or Workspace.current()
    base = find_base(reference, workspace=workspace, label=label)
    found = families.get(base.family_name(family))
    if base.about.task is not None:
        head = export_head(base, found, target, to=to, storage=workspace.storage)
        return Exported(target, base.name, found.name, to, head.label, head.digest, ())
    opened = open_base(base, found, storage=workspace.storage, seed=0)
    if to == "keras":
        _to_keras(opened, target)
    else:
        with atomic_path(target) as temporary:
            temporary.mkdir()
            if to == "hf":
                _to_hugging_face(opened, temporary)
            else:
                _to_saved_model(opened, temporary)
            _write_about(opened, temporary)
    return Exported(target, base.name, found.name, to, opened.label, opened.digest, opened.fresh)


def _to_keras(opened: OpenedBase, folder: Path) -> None:
    from zoo.preset import save_preset

    save_preset(
        opened.task,
        opened.tokenizer.folder,
        folder,
        family=opened.family,
        context=opened.context,
        label=opened.label,
        objective=opened.objective,
        controls=opened.controls,
    )


def _to_hugging_face(opened: OpenedBase, folder: Path) -> None:
    from zoo.exchange.chat_template import write_chat_template
    from zoo.exchange.hugging_face import write_model
    from zoo.exchange.tokenizer_files import write_tokenizer

    encoder = load_encoder(opened.tokenizer.folder)
    write_model(opened.task, folder, lexicon=encoder.lexicon, context=opened.context, without=opened.fresh)
    write_tokenizer(opened.tokenizer.folder, folder, context=opened.context)
    if opened.family.shape == "decoder" and opened.objective in TEMPLATED:
        write_chat_template(folder, encoder)


def _to_saved_model(opened: OpenedBase, folder: Path) -> None:
    from zoo.exchange.saved_model import write_saved_model

    write_saved_model(opened.task, folder, family=opened.family)
    shutil.copytree(opened.tokenizer.folder, folder / "tokenizer")


def _write_about(opened: OpenedBase, folder: Path) -> None:
    from zoo.preset import write_about

    write_about(
        folder,
        opened.tokenizer.folder,
        family=opened.family,
        context=opened.context,
        label=opened.label,
        objective=opened.objective,
        controls=opened.controls,
    )
