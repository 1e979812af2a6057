"""Fine-tuning tasks: `get("classify")`."""

from __future__ import annotations

from governance.errors import ConfigError, did_you_mean
from zoo.families.base import Family
from zoo.tasks.base import Setting, Task, TaskObjective
from zoo.tasks.classify import CLASSIFY
from zoo.tasks.embed import EMBED
from zoo.tasks.instruct import INSTRUCT
from zoo.tasks.preference import PREFERENCE, REWARD
from zoo.tasks.seq2seq import SEQ2SEQ
from zoo.tasks.tag import TAG

__all__ = ["Setting", "Task", "TaskObjective", "get", "names"]

_TASKS = {task.name: task for task in (CLASSIFY, EMBED, INSTRUCT, PREFERENCE, REWARD, SEQ2SEQ, TAG)}


def names(shape: str | None = None) -> list[str]:
    """Names of the tasks, sorted; those alone that families of a shape can learn, if one is given."""
    return sorted(name for name, task in _TASKS.items() if shape is None or shape in task.shapes)


def get(name: str, family: Family) -> Task:
    """Looks up a task that a family can learn.

    Raises:
        ConfigError: there is no such task, or it is nothing for this family.
    """
    if name not in _TASKS:
        raise ConfigError(
            f'no task "{name}"{did_you_mean(name, _TASKS)}', where="task", fix=f"use one of {', '.join(names())}"
        )
    task = _TASKS[name]
    if family.shape not in task.shapes:
        raise ConfigError(
            f"{family.name} cannot learn {name}: it is {family.shape}, and {name} needs {' or '.join(task.shapes)}",
            where="task",
            fix=f"tasks of {family.name}: {', '.join(names(family.shape))}",
        )
    return task
