"""A training job: everything that is decided before the first update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, did_you_mean
from governance.labels import Label
from pipelines import BuildResult, PipelineSpec, Tokens, build, tokenize
from zoo import families, objectives
from zoo.backend import dtype_policy, keras_backend
from zoo.exchange.base import OpenedBase, find_base, open_base, rebuilt
from zoo.families.base import Family, Size
from zoo.fit.plan import TrainPlan, check_window
from zoo.identity import Identity, training_identity
from zoo.objectives import Objective
from zoo.screen import Screen
from zoo.workspace import Workspace

if TYPE_CHECKING:
    import keras_hub

#: Of a training from scratch; a continued one has the size of its base.
DEFAULT_SIZE = "nano"

_CHANGEABLE = frozenset(TrainPlan.model_fields) - {"steps", "seed"}


@dataclass(frozen=True)
class Job:
    """What is trained on what, and the identity that follows. `base` is what it continues from, if anything."""

    workspace: Workspace
    spec: PipelineSpec
    family: Family
    size: Size
    data: BuildResult
    tokens: Tokens
    plan: TrainPlan
    identity: Identity
    options: Mapping[str, Any]
    base: OpenedBase | None = None

    @property
    def model_name(self) -> str:
        return f"{self.spec.name}.{self.family.name}"

    @property
    def label(self) -> Label:
        """Of the model: joins those of everything that it is made from."""
        own = self.spec.label | self.data.version.label | self.tokens.label
        return own if self.base is None else own | self.base.label

    @property
    def objective(self) -> Objective:
        return objectives.get(self.family.objective, self.tokens.lexicon())

    @property
    def parameters(self) -> int:
        if self.base is not None:
            return self.base.parameters
        return self.family.parameters(self.size, self.tokens.vocab_size)

    @property
    def flops_per_token(self) -> int:
        """To answer: a third of what training costs (one forward pass)."""
        words = self.tokens.vocab_size if self.base is None else self.base.vocabulary_size
        more = self.parameters - self.family.parameters(self.size, words)  # of a shape that no size of ours has
        return self.family.flops_per_token(self.size, words, self.plan.window) // 3 + 2 * more

    def task(self) -> keras_hub.models.Task:
        """The model before its first update."""
        plan = self.plan
        if self.base is not None:
            return rebuilt(self.base, dropout=plan.dropout, dtype=plan.dtype, seed=plan.seed)
        vocab_size = self.tokens.vocab_size
        return self.family.build(self.size, vocab_size, seed=plan.seed, dropout=plan.dropout, dtype=plan.dtype)


def prepare(
    family: str,
    *,
    pipeline: str,
    size: str | None,
    steps: int | None,
    seed: int,
    changes: Mapping[str, Any],
    workspace: Workspace,
    screen: Screen,
    init: str | None = None,
    init_label: str | None = None,
) -> Job:
    """Checks everything that can be checked at once, then brings data and tokens up to date.

    Raises:
        ZooError: before any data is read if the request, the policy or a detector is at fault.
    """
    recipe = families.get(family)
    spec = workspace.pipeline(pipeline)
    workspace.policy.check(spec.label, sink=spec.domain, purpose="train")
    base = _open_base(recipe, spec, init, init_label, seed, workspace)
    shape = recipe.size(size or DEFAULT_SIZE) if base is None else base.size()
    if base is not None and size not in (None, shape.name):
        raise ConfigError(
            f"the base {base.base.name} has the size {shape.name}, and {size} was asked for",
            where="size",
            fix="leave the size out: it follows from the base",
        )
    if isinstance(window := changes.get("window"), int):  # anything else is the plan's to refuse
        check_window(window, shape.context)
    _check_changes(changes)
    data = build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, report=screen.progress)
    total = data.version.total_records
    tokens = tokenize(
        data.version,
        kind=recipe.tokenizer,
        vocab_size=spec.tokenizer.vocab_size,
        storage=workspace.storage,
        progress=lambda split, documents: screen.progress(f"tokenize {split}", documents, total),
        tokenizer=None if base is None else base.tokenizer,
    )
    workspace.policy.check(tokens.label, sink=spec.domain, purpose="train")
    plan = TrainPlan.of(
        shape,
        parameters=_non_embedding_parameters(recipe, shape, tokens, base),
        train_tokens=len(tokens.split("train")),
        validation_tokens=len(tokens.split("validation")),
        steps=steps,
        seed=seed,
        **changes,
    )
    plan = plan.model_copy(update={"dtype": dtype_policy(plan.dtype)})
    identity = training_identity(
        dataset_digest=data.version.digest,
        tokenizer_digest=tokens.tokenizer_digest,
        family=family,
        size=shape.name,
        objective=recipe.objective,
        plan=plan.model_dump(mode="json"),
        policy_digest=workspace.policy.data_digest(spec.domain),
        backend=keras_backend(),
        base=None if base is None else base.identity,
    )
    options: dict[str, Any] = {"size": size or DEFAULT_SIZE, "steps": steps, "seed": seed, **changes}
    if base is not None:  # asked again at a retraining: an alias may point to another version then
        options |= {"size": size, "init": base.base.reference, "init_label": init_label}
    return Job(workspace, spec, recipe, shape, data, tokens, plan, identity, options, base)


def _open_base(
    recipe: Family, spec: PipelineSpec, init: str | None, init_label: str | None, seed: int, workspace: Workspace
) -> OpenedBase | None:
    """What the training continues from, if the policy lets it flow into the pipeline's domain."""
    if init is None:
        if init_label is not None:
            raise ConfigError("a label of a base is given, and no base", where="init_label", fix="give init as well")
        return None
    base = find_base(init, workspace=workspace, label=init_label)
    workspace.policy.check(base.label, sink=spec.domain, purpose="train")
    base.family_name(recipe.name)
    return open_base(base, recipe, storage=workspace.storage, seed=seed)


def _non_embedding_parameters(recipe: Family, shape: Size, tokens: Tokens, base: OpenedBase | None) -> int:
    if base is None:
        return recipe.non_embedding_parameters(shape, tokens.vocab_size)
    return base.parameters - recipe.embedding_parameters(shape, base.vocabulary_size)


def _check_changes(changes: Mapping[str, Any]) -> None:
    for name in changes:
        if name not in _CHANGEABLE:
            raise ConfigError(
                f'there is no setting "{name}"{did_you_mean(name, _CHANGEABLE)}',
                fix=f"settings of a training: {', '.join(sorted(_CHANGEABLE))}",
            )
