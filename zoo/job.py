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
from zoo.fit.duration import Duration
from zoo.fit.plan import TrainPlan, check_window
from zoo.identity import Identity, training_identity
from zoo.objectives import Objective
from zoo.screen import Screen
from zoo.workspace import Workspace

#: Bits per byte of fewer validation records than this depend on which ones they happen to be.
_FEW_RECORDS = 20
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

    @property
    def model_name(self) -> str:
        return f"{self.spec.name}.{self.family.name}"

    @property
    def label(self) -> Label:
        """Of the model: joins those of everything that it is made from."""
        return self.spec.label | self.data.version.label | self.tokens.label

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
    duration: Duration | str | None,
    seed: int,
    changes: Mapping[str, Any],
    workspace: Workspace,
    screen: Screen,
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
    check_settings(changes)
    length = None if duration is None else Duration.parse(duration)
    if length is not None and steps is not None:
        raise ConfigError("steps and duration are both given", where="duration", fix="leave one of them out")
    if changes.get("lora") is not None:
        screen.say("warning: lora keeps all weights as they are; here these are random, so little will be learned")
    data = build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, report=screen.progress)
    total = data.version.total_records
    tokens = tokenize(
        data.version,
        kind=recipe.tokenizer,
        vocab_size=spec.tokenizer.vocab_size,
        storage=workspace.storage,
        progress=lambda split, documents: screen.progress(f"tokenize {split}", documents, total),
    )
    workspace.policy.check(tokens.label, sink=spec.domain, purpose="train")
    _warn_of_small_sources(tokens, screen)
    asked = TrainPlan.of(
        shape,
        parameters=recipe.non_embedding_parameters(shape, tokens.vocab_size),
        train_tokens=len(tokens.split("train")),
        validation_tokens=len(tokens.split("validation")),
        steps=steps,
        duration=length,
        seed=seed,
        **changes,
    )
    plan = asked.model_copy(update={"dtype": dtype_policy(asked.dtype)})
    identity = training_identity(
        dataset_digest=data.version.digest,
        tokenizer_digest=tokens.tokenizer_digest,
        family=family,
        size=size,
        objective=recipe.objective,
        plan=plan.model_dump(mode="json"),
        policy_digest=workspace.policy.data_digest(spec.domain),
        backend=keras_backend(),
    )
    options = {"size": size, "steps": steps, "seed": seed, **_plain(asked, changes)}
    options |= {} if length is None else {"duration": str(length)}
    return Job(workspace, spec, recipe, shape, data, tokens, plan, identity, options)


def _plain(asked: TrainPlan, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as the plan read them, in types of JSON: a retraining gives them again."""
    return asked.model_dump(mode="json", include=set(changes), exclude_none=True)


def _warn_of_small_sources(tokens: Tokens, screen: Screen) -> None:
    sources = tokens.split("validation").sources
    for name, count in ({} if sources is None else sources.documents()).items():
        if count < _FEW_RECORDS:
            screen.say(f"warning: the source {name} has {count} validation records, too few for a figure to rely on")


def check_settings(changes: Mapping[str, Any]) -> None:
    """Raises ConfigError for a name that is no setting of a training."""
    for name in changes:
        if name not in _CHANGEABLE:
            raise ConfigError(
                f'there is no setting "{name}"{did_you_mean(name, _CHANGEABLE)}',
                fix=f"settings of a training: {', '.join(sorted(_CHANGEABLE))}",
            )
