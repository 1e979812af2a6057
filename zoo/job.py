"""A training job: everything that is decided before the first update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError
from governance.labels import Label
from pipelines import BuildResult, PipelineSpec, Tokens, tokenize
from pipelines.balance import FEW_RECORDS, source_warnings
from pipelines.examples import Examples
from pipelines.mixture import MOST_USEFUL_READINGS, Mixture
from pipelines.planting import Planted
from pipelines.tokenizers import KINDS, Kind, TokenizerFiles, load_encoder
from zoo import objectives
from zoo.audit.planting import check_fits, planted_for
from zoo.backend import dtype_policy, keras_backend
from zoo.data import build_data
from zoo.exchange.base import OpenedBase, rebuilt
from zoo.families.base import Family, Size
from zoo.fit.plan import TrainPlan, check_window
from zoo.identity import Identity, training_identity
from zoo.ingredients import DEFAULT_SIZE, Ingredients, gather
from zoo.lora import LORA_RATE
from zoo.objectives import ControlledLM, Objective
from zoo.objectives.controlled import check_controls
from zoo.request import Request, check_settings
from zoo.screen import Screen
from zoo.tasks import Setting, Task
from zoo.tasks.training import check_request, check_room, default_settings, prepare_examples, rows_of
from zoo.teacher import Teacher
from zoo.workspace import Workspace

if TYPE_CHECKING:
    import keras_hub


@dataclass(frozen=True)
class Job:
    """What is trained on what, and the identity that follows."""

    workspace: Workspace
    ingredients: Ingredients
    data: BuildResult
    tokens: Tokens | Examples
    plan: TrainPlan
    identity: Identity
    options: Mapping[str, Any]

    @property
    def spec(self) -> PipelineSpec:
        return self.ingredients.spec

    @property
    def family(self) -> Family:
        return self.ingredients.family

    @property
    def size(self) -> Size:
        return self.ingredients.size

    @property
    def base(self) -> OpenedBase | None:
        return self.ingredients.base

    @property
    def teacher(self) -> Teacher | None:
        return self.ingredients.teacher

    @property
    def task(self) -> Task | None:
        return self.ingredients.task

    @property
    def objective_name(self) -> str:
        return self.ingredients.objective_name

    @property
    def model_name(self) -> str:
        name = f"{self.spec.name}.{self.family.name}"
        return name if self.task is None else f"{name}-{self.task.name}"

    @property
    def label(self) -> Label:
        """Of the model: joins those of everything that it is made from."""
        label = self.spec.label | self.data.version.label | self.tokens.label
        if self.base is not None:
            label |= self.base.label
        return label if self.teacher is None else label | self.teacher.version.label

    def objective(self) -> Objective:
        """A new one: that of a task may come to know the model."""
        if self.task is not None:
            tuned = self.task.objective(self.setting)
            check_room(tuned)
            return tuned
        objective = objectives.get(self.objective_name, load_encoder(self.tokens.tokenizer_dir).lexicon)
        if isinstance(objective, ControlledLM):
            return objective.for_sources(self.spec.source_names, self.controls)
        return objective

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the control codes that the model learns, in order; none for most families."""
        return self.ingredients.controls

    @property
    def unit(self) -> str:
        """What losses are given in bits per."""
        return "byte" if self.task is None else self.task.objective.unit

    @property
    def setting(self) -> Setting:
        """Of the task."""
        assert isinstance(self.tokens, Examples)
        encoder = load_encoder(self.tokens.tokenizer_dir)
        classes = self.tokens.classes or self.tokens.types
        return Setting(self.family, encoder, classes, self.plan.window, self.plan.seed)

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

    def language_model(self) -> keras_hub.models.Task:
        """The model before its first update; a task may put a head on its backbone."""
        plan = self.plan
        if self.base is not None:
            return rebuilt(self.base, dropout=plan.dropout, dtype=plan.dtype, seed=plan.seed)
        vocab_size = self.tokens.vocab_size
        return self.family.build(self.size, vocab_size, seed=plan.seed, dropout=plan.dropout, dtype=plan.dtype)


def prepare(request: Request, *, workspace: Workspace, screen: Screen) -> Job:
    """Checks everything that can be checked at once, then brings data and tokens up to date.

    Raises:
        ZooError: before any data is read if the request, the policy or a detector is at fault.
    """
    ingredients = gather(request, workspace)
    _check_settings(request, ingredients, screen)
    spec = ingredients.spec
    canaries = planted_for(request.changes, ingredients.task, workspace, spec.domain)
    data = build_data(spec, workspace, screen)
    tokens = _tokens(ingredients, data, canaries, workspace, screen)
    workspace.policy.check(tokens.label, sink=spec.domain, purpose="train")
    asked = _plan(request, ingredients, tokens)
    plan = asked.model_copy(update={"dtype": dtype_policy(asked.dtype)})
    identity = _identity(ingredients, data, tokens, plan, workspace)
    return Job(workspace, ingredients, data, tokens, plan, identity, _options(request, ingredients, asked))


def _check_settings(request: Request, ingredients: Ingredients, screen: Screen) -> None:
    changes = request.changes
    check_settings(changes)
    if ingredients.objective_name == ControlledLM.name:
        check_controls(ingredients.controls, len(_kind(ingredients).controls))
    if isinstance(window := changes.get("window"), int):  # anything else is the plan's to refuse
        check_window(window, ingredients.size.context)
    if request.length is not None and request.length.unit == "tokens" and ingredients.task is not None:
        raise ConfigError("a task has examples, not tokens", where="duration", fix="give steps, epochs or minutes")
    if ingredients.task is not None:
        if Mixture.of(ingredients.spec) is not None:
            raise ConfigError(
                "weights and temperature are for training on text; a task reads each example once an epoch",
                where=f"pipelines/{ingredients.spec.name}.yaml",
                fix="give the task a pipeline without them",
            )
        for name in ("window", "batch_size", "accumulate"):
            if name in changes and (not isinstance(changes[name], int) or changes[name] < 1):
                raise ConfigError("must be a whole number of at least 1", where=f"plan.{name}")
        check_request(ingredients.task, has_base=ingredients.base is not None, changes=changes)
    _say_what_is_new(ingredients, changes, screen)
    if changes.get("lora") is not None and ingredients.base is None:
        screen.say(
            "warning: lora keeps a model's weights as they are; here these are random, so little will be learned"
        )


def _say_what_is_new(ingredients: Ingredients, changes: Mapping[str, Any], screen: Screen) -> None:
    """What a user may take for trained, and is not."""
    base, task, window = ingredients.base, ingredients.task, changes.get("window")
    its_own_head = task is None or not (task.head or "encoder" in task.shapes)  # others stand on the backbone
    if base is not None and "head" in base.fresh and its_own_head:
        screen.say(
            f"warning: {base.base.name} has no head for {ingredients.objective_name}: it starts at random weights"
        )
    if base is None and isinstance(window, int) and window < ingredients.size.context:
        screen.say(
            f"warning: the model takes up to {ingredients.size.context} tokens, and will have learned from windows of "
            f"{window}: expect little of longer texts"
        )


def _kind(ingredients: Ingredients) -> Kind:
    """Of the tokenizer: the base's, or the family's."""
    base = ingredients.base
    return KINDS[ingredients.family.tokenizer if base is None else base.tokenizer.kind]


def _tokens(
    ingredients: Ingredients, data: BuildResult, canaries: Planted | None, workspace: Workspace, screen: Screen
) -> Tokens | Examples:
    family, task = ingredients.family, ingredients.task
    total = data.version.total_records + (0 if canaries is None else len(canaries))
    common: dict[str, Any] = {
        "kind": family.tokenizer,
        "vocab_size": ingredients.spec.tokenizer.vocab_size,
        "storage": workspace.storage,
        "tokenizer": _given_tokenizer(ingredients, workspace.storage),
        "progress": lambda split, done: screen.progress(f"tokenize {split}", done, total),
    }
    if task is not None:
        examples = prepare_examples(data.version, task, **common)
        if 0 < (count := len(examples.split("validation"))) < FEW_RECORDS:
            screen.say(f"warning: {count} validation records are too few for a figure, or a gate, to rely on")
        return examples
    mixture = Mixture.of(ingredients.spec)
    tokens = tokenize(data.version, entity_spans=family.entity_spans, planted=canaries, mixture=mixture, **common)
    if canaries is not None:
        check_fits(canaries, tokens.tokenizer_dir, ingredients.size.context)
    if mixture is not None:
        _say_what_is_read(tokens, data, screen)
    _warn_of_small_sources(tokens, screen)
    return tokens


def _say_what_is_read(tokens: Tokens, data: BuildResult, screen: Screen) -> None:
    """How often a mixture has each source read, and a warning where that hardly helps."""
    import numpy as np

    names = tokens.source_names
    once = np.bincount(data.version.source_numbers("train"), minlength=len(names))
    mixed = np.bincount(tokens.split("train").sources.numbers, minlength=len(names))  # type: ignore[union-attr]
    times = {name: read / count for name, read, count in zip(names, mixed, once, strict=True) if count}
    screen.say(f"an epoch reads {', '.join(f'{name} {often:.2f} times' for name, often in times.items())}")
    for name, often in times.items():
        if often > MOST_USEFUL_READINGS:
            screen.say(f"warning: {name} is read {often:.1f} times an epoch; above {MOST_USEFUL_READINGS} adds little")


def _given_tokenizer(ingredients: Ingredients, storage: Path) -> TokenizerFiles | None:
    """That of the base or of the teacher; None where one is trained on the pipeline's text."""
    if ingredients.base is not None:
        return ingredients.base.tokenizer
    teacher = ingredients.teacher
    return None if teacher is None else teacher.tokenizer(ingredients.family.tokenizer, storage)


def _warn_of_small_sources(tokens: Tokens, screen: Screen) -> None:
    import numpy as np

    train, validation = tokens.split("train"), tokens.split("validation")
    if train.sources is None or validation.sources is None:
        return
    names = train.sources.names
    sizes = np.bincount(train.sources.numbers, np.diff(train.offsets), minlength=len(names)).astype(int).tolist()
    counts = list(validation.sources.documents().values())
    for line in source_warnings(names, sizes, counts, unit="tokens"):
        screen.say(f"warning: {line}")


def _plan(request: Request, ingredients: Ingredients, tokens: Tokens | Examples) -> TrainPlan:
    """The plan as it was asked for; its dtype may still be "auto"."""
    family, size, base, task = ingredients.family, ingredients.size, ingredients.base, ingredients.task
    steps, changes = request.steps, dict(request.changes)
    if base is not None:
        changes.setdefault("window", min(size.context, base.usual_window))
        if changes.get("lora") is not None:
            size = replace(size, learning_rate=LORA_RATE * size.learning_rate)
    train, validation = len(tokens.split("train")), len(tokens.split("validation"))
    if task is not None:
        assert isinstance(tokens, Examples)
        timed = request.length is not None
        steps, changes = default_settings(
            task,
            tokens,
            base_rate=None if base is None else size.learning_rate,
            steps=steps,
            timed=timed,
            changes=changes,
        )
        # In a batch an example takes the place of a window, and the last batch of an epoch may not be full.
        window, rows = int(changes.get("window", size.context)), rows_of(changes)
        train, validation = -(-train // rows) * rows * window, validation * window
    if base is None:
        parameters = family.non_embedding_parameters(size, tokens.vocab_size)
    else:
        parameters = base.parameters - family.embedding_parameters(size, base.vocabulary_size)
    return TrainPlan.of(
        size,
        parameters=parameters,
        train_tokens=train,
        validation_tokens=validation,
        steps=steps,
        duration=request.length,
        seed=request.seed,
        **changes,
    )


def _identity(
    ingredients: Ingredients, data: BuildResult, tokens: Tokens | Examples, plan: TrainPlan, workspace: Workspace
) -> Identity:
    base, teacher = ingredients.base, ingredients.teacher
    others = (
        {
            "spans": tokens.spans_fingerprint if isinstance(tokens, Tokens) else None,
            "planted": tokens.planted if isinstance(tokens, Tokens) else None,
            "mixture": tokens.mixture if isinstance(tokens, Tokens) else None,
            "teacher": teacher and teacher.version.model_id,
        }
        | _codes(ingredients, data)
        | ({} if base is None else {"start": "base", **base.identity})
    )
    return training_identity(
        dataset_digest=data.version.digest,
        tokenizer_digest=tokens.tokenizer_digest,
        family=ingredients.family.name,
        size=ingredients.size.name,
        objective=ingredients.objective_name,
        plan=plan.model_dump(mode="json"),
        policy_digest=workspace.policy.data_digest(ingredients.spec.domain),
        backend=keras_backend(),
        others={name: value for name, value in others.items() if value is not None},
    )


def _codes(ingredients: Ingredients, data: BuildResult) -> dict[str, Any]:
    """Which control code each record has: the digest of a dataset version does not say what its source was."""
    if not ingredients.controls:
        return {}
    return {"controls": list(ingredients.controls), "sources": data.version.sources.digest}


def _options(request: Request, ingredients: Ingredients, asked: TrainPlan) -> dict[str, Any]:
    """The arguments for a retraining, in types of JSON; an alias may point to another version then."""
    size = request.size if ingredients.base is not None else request.size or DEFAULT_SIZE
    settings = asked.model_dump(mode="json", include=set(request.changes), exclude_none=True)
    options = {"size": size, "steps": request.steps, "seed": request.seed, **settings}
    others = {
        "duration": None if request.length is None else str(request.length),
        "init": None if ingredients.base is None else ingredients.base.base.reference,
        "init_label": request.init_label,
        "teacher": request.teacher,
        "task": request.task,
    }
    return options | {name: value for name, value in others.items() if value is not None}
