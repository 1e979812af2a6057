"""Figures of a run, drawn without a screen and without matplotlib's global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

_INK, _ACCENT, _GRID = "#1f4e79", "#c55a11", "#d9d9d9"
_BINS = 50


def loss_curve(training: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]] = ()) -> Figure:
    """Loss by step.

    Args:
        training: (step, loss in nats a token).
        validation: (step, bits per byte); drawn on its own axis at the right.
    """
    figure, axes = _new("Training", "step", "training loss (nats a token)")
    axes.plot(*_columns(training), color=_INK, linewidth=1.2, label="training loss")
    if validation:
        right = axes.twinx()
        right.plot(*_columns(validation), color=_ACCENT, marker="o", markersize=3, label="validation")
        right.set_ylabel("validation (bits per byte)", color=_ACCENT)
    return figure


def token_lengths(lengths: Sequence[int] | np.ndarray[Any, Any], *, window: int | None = None) -> Figure:
    """Histogram of documents' lengths in tokens; a line marks the model's window."""
    figure, axes = _new("Length of documents", "tokens", "documents")
    axes.hist(lengths, bins=_BINS, color=_INK)
    if window is not None:
        axes.axvline(window, color=_ACCENT, linestyle="--", label=f"window of the model: {window}")
        axes.legend(frameon=False)
    return figure


def pii_by_type(counts: Mapping[str, int]) -> Figure:
    """Replaced spans of personal data by type, most frequent on top."""
    figure, axes = _new("Personal data replaced, by type", "spans", "")
    ordered = sorted(counts.items(), key=lambda item: (item[1], item[0]))
    if ordered:
        bars = axes.barh([name for name, _ in ordered], [count for _, count in ordered], color=_INK)
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        axes.margins(x=0.12)
    else:
        axes.text(0.5, 0.5, "none found", ha="center", va="center", transform=axes.transAxes)
    return figure


def _new(title: str, x: str, y: str) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]
