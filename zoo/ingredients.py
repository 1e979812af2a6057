"""What a training starts from besides data: family and size, a base, a teacher, a task."""

from __future__ import annotations

from dataclasses import dataclass

from governance.errors import ConfigError
from governance.labels import Label
from pipelines import PipelineSpec
from zoo import families, tasks
from zoo.exchange.base import OpenedBase, find_base, open_base
from zoo.families.base import Family, Size
from zoo.objectives import ControlledLM
from zoo.objectives.controlled import control_names
from zoo.request import Request
from zoo.tasks import Task
from zoo.teacher import Teacher, find_teacher
from zoo.workspace import Workspace

#: Of a training from scratch; a continued one has the size of its base.
DEFAULT_SIZE = "nano"


@dataclass(frozen=True)
class Ingredients:
    """What a training starts from besides data, each allowed to flow into the pipeline's domain.

    Attributes:
        base: what it continues from, if anything.
        teacher: what it learns from beside the text, if anything.
        task: what it is fine-tuned to; None for reading text.
    """

    spec: PipelineSpec
    family: Family
    size: Size
    base: OpenedBase | None
    teacher: Teacher | None
    task: Task | None

    @property
    def objective_name(self) -> str:
        if self.task is not None:
            return self.task.name
        if self.family.teacher is not None and self.teacher is None:  # it was taught before, and reads on alone
            return families.get(self.family.teacher).objective
        return self.family.objective

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the control codes, in order; none where the objective has none."""
        if self.objective_name != ControlledLM.name:
            return ()
        return control_names(() if self.base is None else self.base.controls, self.spec.source_names)


def gather(request: Request, workspace: Workspace) -> Ingredients:
    """What a request names, read or found, after the policy was asked about each.

    Raises:
        ZooError: a family, size, task, base or teacher that does not exist or does not fit, or may not be used.
    """
    family = families.get(request.family)
    task = None if request.task is None else tasks.get(request.task, family)
    spec = workspace.pipeline(request.pipeline)
    workspace.policy.check(spec.label, sink=spec.domain, purpose="train")
    base = _open_base(request, family, spec, workspace)
    size = family.size(request.size or DEFAULT_SIZE) if base is None else base.size()
    if base is not None and request.size not in (None, size.name):
        raise ConfigError(
            f"the base {base.base.name} has the size {size.name}, and {request.size} was asked for",
            where="size",
            fix="leave the size out: it follows from the base",
        )
    teacher = None
    if task is None and base is None:  # what was taught before, or learns a task, needs none
        teacher = find_teacher(workspace, family, size, pipeline=request.pipeline, reference=request.teacher)
    elif request.teacher is not None:
        raise ConfigError("a teacher is for a training from scratch on text", where="teacher", fix="leave it out")
    return Ingredients(spec, family, size, base, teacher, task)


def _open_base(request: Request, family: Family, spec: PipelineSpec, workspace: Workspace) -> OpenedBase | None:
    """What the training continues from, if the policy lets it flow into the pipeline's domain."""
    if request.init is None:
        if request.init_label is not None:
            raise ConfigError("a label of a base is given, and no base", where="init_label", fix="give init as well")
        return None

    def allowed(label: Label) -> None:
        workspace.policy.check(label, sink=spec.domain, purpose="train")

    base = find_base(request.init, workspace=workspace, label=request.init_label, allowed=allowed)
    allowed(base.label)
    base.family_name(family.name)
    return open_base(base, family, storage=workspace.storage, seed=request.seed)
