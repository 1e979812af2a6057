"""What a person sees while a verb works: stages, progress bars with rate and time left.

A `Screen` prints to standard error, so that `--json` leaves standard output to the program that
reads it. Without a terminal the bars become one line a stage.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Screen:
    """Shows nothing; the base of what shows something."""

    def say(self, line: str) -> None:
        """A line for the person at the terminal."""

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        """How far a stage is; total 0 means unknown."""


class TerminalScreen(Screen):
    """Progress bars on a terminal, plain lines elsewhere."""

    #: A stage shows only when it lasts longer than this: seconds.
    PATIENCE = 0.5

    def __init__(self) -> None:
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._started: dict[str, float] = {}
        self._lines = not sys.stderr.isatty()

    def say(self, line: str) -> None:
        if self._bars is not None:
            self._bars.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        started = self._started.setdefault(stage, time.monotonic())
        if self._lines:
            self._as_line(stage, done, total, note, started)
        elif stage in self._tasks or time.monotonic() - started > self.PATIENCE:
            self._as_bar(stage, done, total, note)

    def _as_line(self, stage: str, done: int, total: int, note: str, started: float) -> None:
        """Without a terminal: when a stage begins, and every half minute."""
        last = self._tasks.get(stage)
        now = time.monotonic()
        if last is None or now - last > 30:
            self._tasks[stage] = now
            share = f" {done:,} of {total:,}" if total and last is not None else ""
            print(f"{stage}{share}{'  ' + note if note else ''}", file=sys.stderr, flush=True)

    def _as_bar(self, stage: str, done: int, total: int, note: str) -> None:
        if self._bars is None:
            self._bars = _rich_progress()
            self._bars.start()
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total or None, note="")
        self._bars.update(self._tasks[stage], completed=done, total=total or None, note=note)

    def close(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def _rich_progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def terminal_screen() -> Iterator[TerminalScreen]:
    screen = TerminalScreen()
    try:
        yield screen
    finally:
        screen.close()
