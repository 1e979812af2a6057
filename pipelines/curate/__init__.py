"""Curation: what happens to a record between its source and the dataset version."""

from pipelines.curate.duplicates import NearDuplicates
from pipelines.curate.judge import judge_buckets
from pipelines.curate.personal_data import filter_buckets
from pipelines.curate.repair import repair, repair_record, repair_version
from pipelines.curate.runners import LocalPool, Runner
from pipelines.curate.select import leave_near_duplicates, select_buckets
from pipelines.curate.sign import sign_buckets
from pipelines.curate.stage import Staged, stage

__all__ = [
    "LocalPool",
    "NearDuplicates",
    "Runner",
    "Staged",
    "filter_buckets",
    "judge_buckets",
    "leave_near_duplicates",
    "repair",
    "repair_record",
    "repair_version",
    "select_buckets",
    "sign_buckets",
    "stage",
]
