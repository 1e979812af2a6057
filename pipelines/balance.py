"""Which sources of a pipeline are too small for what is measured on them.

A source is under-represented when its share of what is trained on is less than half its share of the validation
records: then the mean over validation records says most about what the model read least. And figures of one source
alone depend on chance when it has fewer than 20 validation records.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Validation records of a source, below which its figures are not relied on.
FEW_RECORDS = 20
_LEAST_RATIO = 0.5


def source_warnings(names: Sequence[str], trained: Sequence[int], validation: Sequence[int], *, unit: str) -> list[str]:
    """A line for each source that is too small.

    Args:
        trained: of each source what the training split holds, in `unit` ("words", "tokens").
        validation: validation records of each source.
    """
    lines = []
    for name, size, records in zip(names, trained, validation, strict=True):
        share, of_records = size / max(1, sum(trained)), records / max(1, sum(validation))
        if share < _LEAST_RATIO * of_records:
            lines.append(
                f"the source {name} has {share:.1%} of the training {unit} and {of_records:.1%} of the validation "
                "records: it is under-represented for what is measured on it"
            )
        if records < FEW_RECORDS:
            lines.append(f"the source {name} has {records} validation records, too few for a figure to rely on")
    return lines
