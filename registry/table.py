"""The lines of `zoo models`."""

from __future__ import annotations

from dataclasses import dataclass

from registry.versions import ModelVersion

_TASK_FIGURES = ("accuracy", "span_f1", "exact_match", "chosen_over_rejected", "found_first")


@dataclass(frozen=True)
class ModelRow:
    """A line of `zoo models`; a figure that was not measured is None."""

    model: str
    version: int
    aliases: tuple[str, ...]
    state: str  # "blessed", "not blessed" or "quarantined: why"
    bits_per_byte: float | None
    task_figure: str | None  # of a tuned model: what people ask of it, such as "accuracy 0.919"
    parameters: int | None
    latency_ms: float | None
    label: str
    created: int

    @classmethod
    def of(cls, version: ModelVersion) -> ModelRow:
        metrics = version.metrics
        state = "blessed" if version.blessed else "not blessed"
        if version.quarantined is not None:
            state = f"quarantined: {version.quarantined}"
        return cls(
            model=version.name,
            version=version.version,
            aliases=version.aliases,
            state=state,
            bits_per_byte=metrics.get("val_bits_per_byte"),
            task_figure=next((f"{name} {metrics[name]:.3f}" for name in _TASK_FIGURES if name in metrics), None),
            parameters=int(metrics["parameters"]) if "parameters" in metrics else None,
            latency_ms=metrics.get("latency_ms_p50"),
            label=str(version.label),
            created=version.created,
        )


def models_table(versions: tuple[ModelVersion, ...] | list[ModelVersion]) -> list[ModelRow]:
    """The rows of `zoo models`, by name, newest version first."""
    return [ModelRow.of(v) for v in sorted(versions, key=lambda v: (v.name, -v.version))]
