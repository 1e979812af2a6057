"""Champion against challenger: bits per byte, or per decision of a task, on the same validation records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from governance.errors import DataError
from pipelines.versions import DatasetVersion
from registry import ModelVersion
from zoo.load import LoadedModel, open_version
from zoo.tasks import Task
from zoo.tasks.measure import bits_per_unit
from zoo.workspace import Workspace


@dataclass(frozen=True)
class Comparison:
    champion: ModelVersion
    champion_bpb: float
    challenger_bpb: float
    records: int


def compare(
    workspace: Workspace,
    champion: ModelVersion,
    challenger: LoadedModel,
    challenger_data: DatasetVersion,
    task: Task | None = None,
) -> Comparison:
    """Measures both models on the validation records of the champion's own dataset version.

    These are the records that the champion was chosen by. A fresh snapshot may hold anything, also
    text on which a model that learned nonsense looks good; it must not have worsened on what the
    champion does well. Records that the challenger was trained on are left out.

    Raises:
        DataError: the champion's dataset version is gone, or no record is left to compare on.
    """
    data = DatasetVersion.open(dataset_folder(workspace, champion))
    unseen = _ids(data, "validation", lambda _: True)
    unseen -= _ids(challenger_data, "train", unseen.__contains__)
    if not unseen:
        raise DataError(f"no validation record of {champion} is left to compare on", where=str(data.path))

    def bits(model: LoadedModel) -> float:
        if task is None:
            return model.bits_per_byte(text for record_id, text in data.texts("validation") if record_id in unseen)
        examples = (parts for record_id, parts in data.parts("validation") if record_id in unseen)
        return bits_per_unit(model, task, examples)

    return Comparison(
        champion=champion,
        champion_bpb=bits(open_version(workspace, champion)),
        challenger_bpb=bits(challenger),
        records=len(unseen),
    )


def dataset_folder(workspace: Workspace, version: ModelVersion) -> Path:
    """Where the dataset version that a model was trained on lies."""
    digest = version.tags["zoo.dataset"]
    return workspace.storage / "datasets" / version.pipeline / digest[:16]


def _ids(data: DatasetVersion, split: str, wanted: Callable[[str], bool]) -> set[str]:
    """Ids of a split's records, of those that are wanted: no set of all training ids is made."""
    table = data.manifest(["record_id", "split"])
    return {
        record_id
        for batch in table.to_batches(max_chunksize=10_000)
        for record_id, its_split in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        if its_split == split and wanted(record_id)
    }
