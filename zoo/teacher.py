"""The teacher of a distillation: a registered version of another family, which is not trained itself.

What it was made from flows into its student, so its label joins the student's and the policy is asked.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, RegistryError
from pipelines.tokenizers import TokenizerFiles, adopt_tokenizer
from registry import ModelVersion, Tracking, model_folder, resolve
from zoo import tasks
from zoo.exchange.tokenizer_files import preset_tokenizer
from zoo.families.base import Family, Size
from zoo.workspace import Workspace

if TYPE_CHECKING:
    from zoo.objectives import Objective


@dataclass(frozen=True)
class Teacher:
    """A version and the folder of its preset."""

    version: ModelVersion
    folder: Path

    def tokenizer(self, kind: str, storage: Path) -> TokenizerFiles:
        """Its tokenizer in the workspace's storage: a student reads with the same words, also text that came later."""
        found = preset_tokenizer(self.folder / "assets" / "tokenizer", kind)
        origin = hashlib.sha256(str(self.version).encode()).hexdigest()
        return adopt_tokenizer(found.write, kind=found.kind, label=self.version.label, origin=origin, storage=storage)


def find_teacher(
    workspace: Workspace, family: Family, size: Size, *, pipeline: str, reference: str | None
) -> Teacher | None:
    """The teacher that a family learns from; None for a family that learns from none.

    Args:
        family, size: of the student.
        pipeline: of the student: the teacher is its champion, unless
        reference: names another version, as in `support_domain.bert/3`.

    Raises:
        ConfigError: there is no teacher, it is of another family or shape, or the student's family has none.
        PolicyRefused: the teacher must not flow into the pipeline's domain; asked before anything of it is read.
        RegistryError: the version that was named does not exist or is quarantined.
    """
    if family.teacher is None:
        if reference is not None:
            raise ConfigError(f"{family.name} learns from no teacher", where="teacher", fix="leave it out")
        return None
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    try:
        version = resolve(tracking, reference or f"{pipeline}.{family.teacher}@champion")
    except RegistryError as error:
        if reference is not None:
            raise
        raise ConfigError(
            f"{family.name} learns from a {family.teacher}, and this pipeline has none yet: {error.what}",
            where="teacher",
            fix=f"train it first: zoo train {family.teacher} --pipeline {pipeline} --size {size.name}",
        ) from None
    workspace.policy.check(version.label, sink=workspace.pipeline(pipeline).domain, purpose="train")
    if version.family != family.teacher:
        what = f"{family.name} learns from a {family.teacher}, and {version} is a {version.family}"
        raise ConfigError(what, where="teacher")
    if version.objective in tasks.names():
        what = f"{version} was fine-tuned to {version.objective}, and a teacher is asked for hidden words"
        raise ConfigError(what, where="teacher", fix=f"name a {family.teacher} that reads text")
    teacher = Teacher(version, model_folder(tracking, version))
    _check_shape(teacher, size)
    return teacher


def _check_shape(teacher: Teacher, size: Size) -> None:
    config = json.loads((teacher.folder / "config.json").read_text(encoding="utf-8"))["config"]
    theirs = {
        "layers": -(-config["num_layers"] // 2),
        "width": config["hidden_dim"],
        "heads": config["num_heads"],
        "context": config["max_sequence_length"],
    }
    for name, value in theirs.items():
        if getattr(size, name) != value:
            raise ConfigError(
                f'a student of {teacher.version} has {name} {value}, and the size "{size.name}" {getattr(size, name)}',
                where="size",
                fix="use the size of the teacher",
            )


def learn_from(teacher: Teacher, task: Any, family: Family, objective: Objective) -> Objective:
    """Gives a new student its initial weights, and its objective the teacher."""
    from zoo.load import open_folder

    loaded = open_folder(teacher.folder)
    assert family.start_from is not None
    family.start_from(task, loaded.text_model.task)
    return replace(objective, teacher=(loaded.text_model.task, loaded.family))  # type: ignore[type-var]
