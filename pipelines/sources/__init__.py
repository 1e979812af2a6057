"""Sources: rows of files over fsspec, of SQL queries and of TFDS data sets, and records of other pipelines' dataset
versions, streamed with bounded memory."""

from pipelines.sources.files import SourceFile, list_files, source_digest
from pipelines.sources.formats import reader_version
from pipelines.sources.other_pipeline import OtherPipeline
from pipelines.sources.records import Record, SourceItem, Unreadable, list_items, read_records
from pipelines.sources.tfds_data import TfdsSource

__all__ = [
    "OtherPipeline",
    "Record",
    "SourceFile",
    "SourceItem",
    "TfdsSource",
    "Unreadable",
    "list_files",
    "list_items",
    "read_records",
    "reader_version",
    "source_digest",
]
