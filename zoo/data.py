"""Brings a pipeline's dataset version up to date, and tells the ledger."""

from __future__ import annotations

from governance.slips import doubts
from pipelines import BuildResult, PipelineSpec, build
from pipelines.curate import Runner
from zoo.erased import check_tombstones
from zoo.openlineage import dataset_version, observed, sources_of
from zoo.recording import record_build, record_grants
from zoo.screen import Screen
from zoo.shared_files import warnings
from zoo.workspace import Workspace


def build_data(
    spec: PipelineSpec, workspace: Workspace, screen: Screen, *, runner: Runner | None = None
) -> BuildResult:
    """`pipelines.build` in a workspace.

    Args:
        runner: works through the steps; all cores of this machine if None.

    Raises:
        PolicyRefused: the domain is not in the policy.
        DataError: tombstones of earlier erasures are gone.
        LedgerError, BusyError: the ledger cannot be written; asked before any data is read.
        ZooError: as `pipelines.build`.
    """
    workspace.policy.check(spec.label, sink=spec.domain, purpose="build")  # before anything is written
    check_tombstones(workspace, spec.domain)
    record_grants(workspace)
    for doubt in doubts(workspace.policy):
        screen.say(f"warning: zoo.yaml: {doubt}")
    for warning in warnings(workspace, spec):
        screen.say(warning)
    with observed(
        workspace,
        screen,
        spec=spec,
        job=f"{spec.name}.build",
        kind="BUILD",
        inputs=lambda: sources_of(spec, workspace.storage),
    ) as run:
        result = build(
            spec,
            policy=workspace.policy,
            keys=workspace.keys,
            storage=workspace.storage,
            runner=runner,
            report=screen.progress,
        )
        record_build(workspace, result)
        run.outputs.append(dataset_version(result.version))
    return result
