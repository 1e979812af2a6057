"""Sources: rows of files over fsspec, of SQL queries and of TFDS data sets, streamed with bounded memory."""

from pipelines.sources.files import SourceFile, list_files, source_digest
from pipelines.sources.formats import reader_version
from pipelines.sources.records import Record, SourceItem, Unreadable, list_items, read_records

__all__ = [
    "Record",
    "SourceFile",
    "SourceItem",
    "Unreadable",
    "list_files",
    "list_items",
    "read_records",
    "reader_version",
    "source_digest",
]
