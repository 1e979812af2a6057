"""A training job: everything that is decided before the first update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.errors import ConfigError, did_you_mean
from governance.labels import Label
from pipelines import BuildResult, PipelineSpec, Tokens, build, tokenize
from zoo import families, objectives
from zoo.backend import dtype_policy, keras_backend
from zoo.families.base import Family, Size
from zoo.fit.plan import TrainPlan, check_window
from zoo.identity import Identity, training_identity
from zoo.objectives import Objective
from zoo.screen import Screen
from zoo.teacher import Teacher, find_teacher
from zoo.workspace import Workspace

_CHANGEABLE = frozenset(TrainPlan.model_fields) - {"steps", "seed"}


@dataclass(frozen=True)
class Job:
    """What is trained on what, and the identity that follows."""

    workspace: Workspace
    spec: PipelineSpec
    family: Family
    size: Size
    data: BuildResult
    tokens: Tokens
    plan: TrainPlan
    identity: Identity
    options: Mapping[str, Any]
    teacher: Teacher | None = None

    @property
    def model_name(self) -> str:
        return f"{self.spec.name}.{self.family.name}"

    @property
    def label(self) -> Label:
        """Of the model: joins those of everything that it is made from."""
        made_from = self.spec.label | self.data.version.label | self.tokens.label
        return made_from if self.teacher is None else made_from | self.teacher.version.label

    @property
    def objective(self) -> Objective:
        return objectives.get(self.family.objective, self.tokens.lexicon())

    @property
    def parameters(self) -> int:
        return self.family.parameters(self.size, self.tokens.vocab_size)

    @property
    def flops_per_token(self) -> int:
        """To answer: a third of what training costs (one forward pass)."""
        return self.family.flops_per_token(self.size, self.tokens.vocab_size, self.plan.window) // 3


def prepare(
    family: str,
    *,
    pipeline: str,
    size: str,
    steps: int | None,
    seed: int,
    changes: Mapping[str, Any],
    workspace: Workspace,
    screen: Screen,
    teacher: str | None = None,
) -> Job:
    """Checks everything that can be checked at once, then brings data and tokens up to date.

    Raises:
        ZooError: before any data is read if the request, the policy or a detector is at fault.
    """
    recipe = families.get(family)
    shape = recipe.size(size)
    if isinstance(window := changes.get("window"), int):  # anything else is the plan's to refuse
        check_window(window, shape.context)
    spec = workspace.pipeline(pipeline)
    workspace.policy.check(spec.label, sink=spec.domain, purpose="train")
    _check_changes(changes)
    taught_by = find_teacher(workspace, recipe, shape, pipeline=pipeline, reference=teacher)
    if taught_by is not None:
        workspace.policy.check(taught_by.version.label, sink=spec.domain, purpose="train")
    data = build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, report=screen.progress)
    total = data.version.total_records
    tokens = tokenize(
        data.version,
        kind=recipe.tokenizer,
        vocab_size=spec.tokenizer.vocab_size,
        storage=workspace.storage,
        progress=lambda split, documents: screen.progress(f"tokenize {split}", documents, total),
        entity_spans=recipe.entity_spans,
    )
    if taught_by is not None:
        taught_by.check_tokenizer(recipe.tokenizer, tokens.tokenizer_digest)
    workspace.policy.check(tokens.label, sink=spec.domain, purpose="train")
    plan = TrainPlan.of(
        shape,
        parameters=recipe.non_embedding_parameters(shape, tokens.vocab_size),
        train_tokens=len(tokens.split("train")),
        validation_tokens=len(tokens.split("validation")),
        steps=steps,
        seed=seed,
        **changes,
    )
    plan = plan.model_copy(update={"dtype": dtype_policy(plan.dtype)})
    others = {"spans": tokens.spans_fingerprint, "teacher": taught_by and taught_by.version.model_id}
    identity = training_identity(
        dataset_digest=data.version.digest,
        tokenizer_digest=tokens.tokenizer_digest,
        family=family,
        size=size,
        objective=recipe.objective,
        plan=plan.model_dump(mode="json"),
        policy_digest=workspace.policy.data_digest(spec.domain),
        backend=keras_backend(),
        others={name: value for name, value in others.items() if value is not None},
    )
    options = {"size": size, "steps": steps, "seed": seed, **changes}
    if teacher is not None:
        options["teacher"] = teacher
    return Job(workspace, spec, recipe, shape, data, tokens, plan, identity, options, taught_by)


def _check_changes(changes: Mapping[str, Any]) -> None:
    for name in changes:
        if name not in _CHANGEABLE:
            raise ConfigError(
                f'there is no setting "{name}"{did_you_mean(name, _CHANGEABLE)}',
                fix=f"settings of a training: {', '.join(sorted(_CHANGEABLE))}",
            )
