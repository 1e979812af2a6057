"""Pipelines: from sources to dataset versions, tokenizers, tokens and the training stream."""

from pipelines.build import BuildResult, build
from pipelines.latest import latest
from pipelines.spec import PipelineSpec
from pipelines.tokens import Tokens, TokenSplit, tokenize
from pipelines.versions import DatasetVersion, changed_records

__all__ = [
    "BuildResult",
    "DatasetVersion",
    "PipelineSpec",
    "TokenSplit",
    "Tokens",
    "build",
    "changed_records",
    "latest",
    "tokenize",
]
