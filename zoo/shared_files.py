"""Files that two pipelines read for domains of which one may not derive from the other: nearly always a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from governance.errors import ConfigError, DataError
from pipelines import PipelineSpec
from pipelines.sources import list_items
from zoo.workspace import Workspace


def shared_with(workspace: Workspace, spec: PipelineSpec) -> Iterator[tuple[PipelineSpec, list[str]]]:
    """Other domains' pipelines that read files of this one's, and these; local files alone are compared."""
    own = _files(spec)
    for other in _others(workspace, spec) if own else ():
        if other.domain != spec.domain and (both := own & _files(other)):
            yield other, sorted(both)


def warnings(workspace: Workspace, spec: PipelineSpec) -> Iterator[str]:
    """What to tell whoever builds a pipeline with files of a domain that its own may not derive from."""
    may = set(workspace.policy.domains[spec.domain].may_derive_from)
    for other, files in shared_with(workspace, spec):
        if other.domain not in may:
            more = f" and {len(files) - 1:,} more files" if len(files) > 1 else ""
            yield (
                f"warning: {spec.name} reads {files[0]}{more}, which {other.name} reads for the domain {other.domain}; "
                f"{spec.domain} may not derive from {other.domain}"
            )


def _others(workspace: Workspace, spec: PipelineSpec) -> Iterator[PipelineSpec]:
    for name in workspace.pipeline_names:
        if name != spec.name:
            with suppress(ConfigError):  # whoever uses that one is told
                yield workspace.pipeline(name)


def _files(spec: PipelineSpec) -> set[str]:
    found: set[str] = set()
    for source in spec.sources:
        if source.path is None or "://" in source.path:
            continue
        try:
            found |= {str(getattr(item, "url", "")).removeprefix("file://") for item in list_items(source, spec.folder)}
        except (ConfigError, DataError):  # whoever builds that pipeline is told
            continue
    return found - {""}
