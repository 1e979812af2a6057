"""Croissant metadata of a dataset version: valid for MLCommons' own validator, and true."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pipelines import DatasetVersion, build
from pipelines.cards.croissant import CROISSANT_FILE
from tests.support.workspace import make_workspace


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> DatasetVersion:
    workspace = make_workspace(tmp_path_factory.mktemp("croissant") / "w", records=25)
    spec = workspace.pipeline("tax_domain")
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1).version


def test_the_validator_of_mlcommons_finds_no_error_and_reads_the_manifest(version: DatasetVersion) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(str(version.path / CROISSANT_FILE))
    assert not dataset.metadata.issues.errors
    missing = " ".join(dataset.metadata.issues.warnings)
    assert "license" not in missing and "creator" not in missing and "datePublished" in missing
    read = {row["manifest/record_id"].decode(): row for row in dataset.records("manifest")}
    rows = {row["record_id"]: row for row in version.manifest().to_pylist()}
    assert read.keys() == rows.keys()
    for name, row in rows.items():
        assert read[name]["manifest/split"].decode() == row["split"]
        assert read[name]["manifest/words"] == row["words"]
        assert read[name]["manifest/label"] == [b"tax"]


def test_each_file_has_its_size_and_digest_and_no_file_is_missing(version: DatasetVersion) -> None:
    content = json.loads((version.path / CROISSANT_FILE).read_text())
    files = {one["name"]: one for one in content["distribution"] if one["@type"] == "cr:FileObject"}
    expected = {path.name for path in version.path.iterdir() if path.suffix != ".json"}
    assert files.keys() == expected
    for name, one in files.items():
        data = (version.path / name).read_bytes()
        assert one["sha256"] == hashlib.sha256(data).hexdigest() and one["contentSize"] == f"{len(data)} B"
    fields = {field["name"] for records in content["recordSet"] for field in records["field"]}
    assert fields == {"id", "text", *version.columns} - {"content_sha256", "text_key"}
    assert str(Path.home()) not in json.dumps(content) and str(version.path) not in json.dumps(content)
