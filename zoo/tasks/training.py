"""A fine-tuning as a training job sees it: which examples, which settings, which figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError
from pipelines.examples import Examples, encode_examples
from pipelines.tokenizers import TokenizerFiles, train_tokenizer
from pipelines.versions import DatasetVersion
from zoo.tasks.base import NeedsReference, Task, TaskObjective

if TYPE_CHECKING:
    import keras

    from zoo.families.base import Family

#: A default fine-tuning goes over its examples so often: "2, 3 or 4" for BERT (Devlin et al. 2019, A.3); from
#: scratch there is more to learn.
_EPOCHS, _EPOCHS_FROM_SCRATCH = 3, 10
#: Over few examples it goes more often, until so many updates: three epochs of them leave a new head where it was
#: (Mosbach et al. 2021, arXiv:2006.04884, who advise 20 epochs; Zhang et al. 2021, arXiv:2006.05987).
_ENOUGH_STEPS, _MOST_EPOCHS = 200, 20
_BATCH_SIZE = 32
_MEASURED_AT_ONCE = 16


def prepare_examples(
    version: DatasetVersion,
    task: Task,
    *,
    kind: str,
    vocab_size: int,
    tokenizer: TokenizerFiles | None,
    storage: Path,
    progress: Callable[[str, int], None],
) -> Examples:
    """The examples of a task, encoded with the base's tokenizer, or with one of this version's text.

    Raises:
        DataError: the version is not what its digest says, or a record lacks a part.
    """
    version.verify()
    if tokenizer is None:
        tokenizer = train_tokenizer(version, kind=kind, vocab_size=vocab_size, storage=storage)
    return encode_examples(version, tokenizer, task.parts, storage=storage, progress=progress)


def check_request(task: Task, *, has_base: bool, changes: Mapping[str, Any]) -> None:
    """Raises ConfigError for what this task cannot be trained with; before any data is read."""
    if task.from_base and not has_base:
        raise ConfigError(
            f"{task.name} tunes a model that can answer already",
            where="init",
            fix="give the version to continue from: --init NAME@champion",
        )
    if not task.splittable and changes.get("accumulate", 1) != 1:
        raise ConfigError(
            f"a batch of {task.name} is one comparison and cannot be cut into micro-batches",
            where="accumulate",
            fix="use a smaller batch_size",
        )


def default_settings(
    task: Task,
    examples: Examples,
    *,
    base_rate: float | None,
    steps: int | None,
    timed: bool,
    changes: Mapping[str, Any],
) -> tuple[int | None, dict[str, Any]]:
    """The number of steps and the settings of a fine-tuning: what was asked for, and this task's defaults.

    Args:
        base_rate: learning rate at which the base would go on reading text; None from scratch.
        timed: whether the length of the training is given in another way than by steps or by a setting.
    """
    settings: dict[str, Any] = {"batch_size": _BATCH_SIZE, "weight_decay": 0.01, **changes}
    if base_rate is not None:
        settings.setdefault("learning_rate", task.rate_share * base_rate)
    if steps is None and not timed and changes.get("minutes") is None:
        epoch = max(1, -(-len(examples.split("train")) // rows_of(settings)))
        least = epoch * (_EPOCHS_FROM_SCRATCH if base_rate is None else _EPOCHS)
        steps = max(least, min(_ENOUGH_STEPS, _MOST_EPOCHS * epoch))
    return steps, settings


def rows_of(settings: Mapping[str, Any]) -> int:
    """Examples that an update reads."""
    return int(settings["batch_size"]) * int(settings.get("accumulate", 1))


def check_room(objective: TaskObjective) -> None:
    """Raises ConfigError for a window that has no room for anything between what stands around the parts."""
    least, window = objective.fewest_tokens, objective.setting.context
    if window < least:
        raise ConfigError(
            f"{objective.name} needs a window of at least {least} tokens, not {window}",
            where="plan.window",
            fix="leave it out, or use a larger one",
        )


def what_is_cut(objective: Any, examples: Any) -> str | None:
    """What to say when examples of the training split do not fit into the window; None if all do."""
    if not isinstance(objective, TaskObjective):
        return None
    split = examples.split("train")
    count = objective.cut(split)
    context = objective.setting.context
    if count == 0:
        return None
    return f"warning: {count:,} of {len(split):,} examples are longer than {context} tokens and lose a part"


def begin(objective: Any, model: keras.Model, family: Family, examples: Any) -> dict[str, float]:
    """Shows the model to a task before its first update. Gives the figures of a model that others are compared
    with: what it would have answered."""
    if not isinstance(objective, NeedsReference):
        return {}
    splits = [examples.split(name) for name in ("train", "validation", "test")]
    objective.start(model, family, [split for split in splits if len(split)])
    return {f"base_{name}": value for name, value in after(objective, model, family, examples).items()}


def after(objective: Any, model: keras.Model, family: Family, examples: Any) -> dict[str, float]:
    """What people ask of a tuned model, such as accuracy: of the validation split, and as `test_accuracy` of the
    test split. Nothing of a model that read text: its losses say it all."""
    if not isinstance(objective, TaskObjective):
        return {}
    found = objective.measure(model, family, examples.split("validation"), batch_size=_MEASURED_AT_ONCE)
    test = examples.split("test")
    if len(test):
        of_test = objective.measure(model, family, test, batch_size=_MEASURED_AT_ONCE, validation=found)
        found |= {f"test_{name}": value for name, value in of_test.items() if name != "temperature"}
    return found


def what_was_not_learned(figures: Mapping[str, float], learning_rate: float) -> str | None:
    """What to say when a tuned model is no better than what takes no learning; None if it is."""
    unlearned = {
        "accuracy": figures.get("most_frequent_class", 0.0),
        "span_f1": 0.0,
        "chosen_over_rejected": figures.get("base_chosen_over_rejected", 0.5),
    }
    for name, least in unlearned.items():
        if name in figures and figures[name] <= least:
            return (
                f"warning: {name.replace('_', ' ')} {figures[name]:.3f} is no better than {least:.3f}, which takes no "
                f"learning: train for more steps, or with a learning rate above {learning_rate:.2g}"
            )
    return None
