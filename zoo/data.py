"""Brings a pipeline's dataset version up to date, and tells the ledger."""

from __future__ import annotations

from pipelines import BuildResult, PipelineSpec, build
from zoo.recording import record_build, record_grants
from zoo.screen import Screen
from zoo.workspace import Workspace


def build_data(
    spec: PipelineSpec, workspace: Workspace, screen: Screen, *, processes: int | None = None
) -> BuildResult:
    """`pipelines.build` in a workspace.

    Args:
        processes: for filtering personal data; all cores if None.

    Raises:
        LedgerError, BusyError: the ledger cannot be written; asked before any data is read.
        ZooError: as `pipelines.build`.
    """
    record_grants(workspace)
    result = build(
        spec,
        policy=workspace.policy,
        keys=workspace.keys,
        storage=workspace.storage,
        processes=processes,
        report=screen.progress,
    )
    record_build(workspace, result)
    return result
