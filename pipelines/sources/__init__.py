"""Sources: rows of jsonl, csv, parquet and txt files over fsspec, streamed with bounded memory."""

from pipelines.sources.files import SourceFile, list_files, present_stamp, source_digest
from pipelines.sources.records import Record, Unreadable, read_records

__all__ = ["Record", "SourceFile", "Unreadable", "list_files", "present_stamp", "read_records", "source_digest"]
