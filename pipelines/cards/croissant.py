"""Croissant metadata of a dataset version (MLCommons, "Croissant Format Specification", version 1.0).

`croissant.json` lies in the version's folder and follows from the version alone. It has all that the specification
requires but `datePublished`: a version is not published, and a date would make two equal builds differ. Programs read
the manifest through it; the shards are described with their digests, but Croissant knows no way to extract
ArrayRecord: `tfds.builder_from_directory` opens them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from governance.labels import Label

CROISSANT_FILE = "croissant.json"

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "equivalentProperty": "cr:equivalentProperty",
    "samplingRate": "cr:samplingRate",
}
_PARQUET, _ARRAY_RECORD = "application/x-parquet", "application/x-array_record"
_SHARDS = "*.array_record-*"

#: Columns of the manifest: data type and meaning. Croissant has no type for binary ones: `content_sha256`, and
#: `text_key`, the keyed hash of the text before the filter.
_MANIFEST = {
    "record_id": ("sc:Text", "The record's id."),
    "subject": ("sc:Text", "Keyed hash of who the record is about."),
    "split": ("sc:Text", "train, validation or test."),
    "label": ("sc:Text", "Domains that the record was derived from."),
    "shard": ("sc:Text", "The file that holds the record."),
    "file": ("sc:Text", "The source's file."),
    "row": ("sc:Integer", "The row in that file."),
    "source": ("sc:Integer", "The number of the pipeline's source."),
    "bytes": ("sc:Integer", "UTF-8 bytes."),
    "characters": ("sc:Integer", "Characters."),
    "words": ("sc:Integer", "Words, as white space divides them."),
    "word_tokens": ("sc:Integer", "Words, as runs of letters and digits, and each other mark."),
    "day": ("sc:Date", "The day from which the record's retention counts, where it is kept after its source."),
    "carried": ("sc:Boolean", "Whether it was carried over from the version before, as no source has it any more."),
    "personal_data": ("sc:Integer", "Places at which personal data was replaced."),
}
_RECORD = {"id": "The record's id.", "text": "Its text, after the filter of personal data."}


def croissant(folder: Path, *, pipeline: str, domain: str, digest: str, label: Label) -> dict[str, Any]:
    """The metadata as JSON-LD; reads the files in `folder` once, for their SHA-256."""
    domains = ", ".join(label.to_list())
    files = sorted([folder / "manifest.parquet", folder / "personal_data.parquet", *folder.glob(_SHARDS)])
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": pipeline,
        "description": f"Dataset version {digest} of the pipeline {pipeline}, derived from the domains: {domains}.",
        "version": f"1.0.0+{digest[:16]}",
        "url": f"urn:sha256:{digest}",
        "license": f"Not published. For those whom the policy of these domains lets use them: {domains}.",
        "creator": {"@type": "sc:Organization", "name": domain},
        "distribution": [*map(_file, files), _shards()],
        "recordSet": [_manifest(), _records()],
    }


def _file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _PARQUET if path.suffix == ".parquet" else _ARRAY_RECORD,
        "sha256": digest,
    }


def _shards() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": "The records, serialized by TensorFlow Datasets.",
        "encodingFormat": _ARRAY_RECORD,
        "includes": _SHARDS,
    }


def _manifest() -> dict[str, Any]:
    fields = []
    for column, (kind, meaning) in _MANIFEST.items():
        source = {"fileObject": {"@id": "manifest.parquet"}, "extract": {"column": column}}
        fields.append(_field("manifest", column, kind, meaning, source))
    return {
        "@type": "cr:RecordSet",
        "@id": "manifest",
        "name": "manifest",
        "description": "One row a record, without its text.",
        "key": {"@id": "manifest/record_id"},
        "field": fields,
    }


def _records() -> dict[str, Any]:
    fields = [
        _field("records", name, "sc:Text", meaning, {"fileSet": {"@id": "shards"}, "extract": {"column": name}})
        for name, meaning in _RECORD.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "records",
        "name": "records",
        "description": "The records; open them with tfds.builder_from_directory.",
        "key": {"@id": "records/id"},
        "field": fields,
    }


def _field(records: str, name: str, kind: str, meaning: str, source: dict[str, Any]) -> dict[str, Any]:
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{records}/{name}",
        "name": name,
        "description": meaning,
        "dataType": kind,
    }
    if name == "label":
        field["repeated"] = True
    return field | {"source": source}
