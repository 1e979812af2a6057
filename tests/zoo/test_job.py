"""What is said before a training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import pytest

from zoo import families, tasks
from zoo.job import _say_what_is_new
from zoo.screen import Screen


@pytest.mark.parametrize(
    ("family", "task", "warned"),
    [("bert", None, True), ("bert", "classify", False), ("bert", "embed", False), ("gpt", "instruct", True)],
)
def test_a_head_that_starts_anew_is_said_where_it_is_used(family: str, task: str | None, warned: bool) -> None:
    class Heard(Screen):
        lines: ClassVar[list[str]] = []

        def say(self, line: str) -> None:
            self.lines.append(line)

    Heard.lines.clear()
    found = families.get(family)
    base = SimpleNamespace(fresh=("head",), base=SimpleNamespace(name="minilm"))
    ingredients = SimpleNamespace(
        base=base, task=None if task is None else tasks.get(task, found), objective_name=task or found.objective
    )
    _say_what_is_new(ingredients, {}, Heard())
    assert [("has no head" in line) for line in Heard.lines] == [True] * warned
