"""Champion against challenger: bits per byte of both on the same validation records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from governance.errors import DataError
from pipelines.versions import DatasetVersion
from registry import ModelVersion
from zoo.load import LoadedModel, open_version
from zoo.workspace import Workspace


@dataclass(frozen=True)
class Comparison:
    champion: ModelVersion
    champion_bpb: float
    challenger_bpb: float
    records: int


def compare(
    workspace: Workspace, champion: ModelVersion, challenger: LoadedModel, challenger_data: DatasetVersion
) -> Comparison:
    """Measures both models on the validation records of the champion's own dataset version.

    These are the records that the champion was chosen by. A fresh snapshot may hold anything, also
    text on which a model that learned nonsense looks good; it must not have worsened on what the
    champion does well. Records that the challenger was trained on are left out.

    Raises:
        DataError: the champion's dataset version is gone, or no record is left to compare on.
    """
    data = DatasetVersion.open(dataset_folder(workspace, champion))
    seen = _train_ids(challenger_data)
    records = [(record_id, text) for record_id, text in data.texts("validation") if record_id not in seen]
    if not records:
        raise DataError(f"no validation record of {champion} is left to compare on", where=str(data.path))
    texts = [text for _, text in records]
    return Comparison(
        champion=champion,
        champion_bpb=open_version(workspace, champion).bits_per_byte(texts),
        challenger_bpb=challenger.bits_per_byte(texts),
        records=len(records),
    )


def dataset_folder(workspace: Workspace, version: ModelVersion) -> Path:
    """Where the dataset version that a model was trained on lies."""
    digest = version.tags["zoo.dataset"]
    return workspace.storage / "datasets" / version.pipeline / digest[:16]


def _train_ids(data: DatasetVersion) -> frozenset[str]:
    table = data.manifest(["record_id", "split"])
    pairs: Iterable[tuple[str, str]] = zip(
        table.column("record_id").to_pylist(), table.column("split").to_pylist(), strict=True
    )
    return frozenset(record_id for record_id, split in pairs if split == "train")
