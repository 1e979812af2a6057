"""Curation: what happens to a record between its source and the dataset version."""

from pipelines.curate.judge import judge_buckets
from pipelines.curate.personal_data import filter_buckets
from pipelines.curate.repair import repair, repair_record, repair_version
from pipelines.curate.select import select_buckets
from pipelines.curate.stage import Staged, stage

__all__ = [
    "Staged",
    "filter_buckets",
    "judge_buckets",
    "repair",
    "repair_record",
    "repair_version",
    "select_buckets",
    "stage",
]
