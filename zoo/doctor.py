"""`zoo doctor`: what is installed, which detectors are active, what is missing and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from governance.errors import ZooError
from governance.slips import doubts
from zoo.workspace import Workspace

_LIBRARIES = (
    "tensorflow",
    "keras",
    "keras-hub",
    "tensorflow-datasets",
    "tokenizers",
    "presidio-analyzer",
    "spacy",
    "mlflow",
)
_OPTIONAL = {"jax": "jax", "apache-beam": "beam", "psycopg": "postgres"}
_FREE_BYTES = 5 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One line of the report. `fix` is the command or edit that mends it."""

    subject: str
    fine: bool
    detail: str
    fix: str = ""


def examine() -> list[Finding]:
    """All findings, in the order in which a person would mend them. Nothing is changed."""
    return [*_python(), *_libraries(), *_detectors(), *_workspace()]


def _python() -> Iterator[Finding]:
    cores = os.cpu_count() or 1
    yield Finding("python", True, f"{platform.python_version()}, {cores} cores")


def _libraries() -> Iterator[Finding]:
    for name in _LIBRARIES:
        version = _version(name)
        missing = version is None
        yield Finding(name, not missing, version or "missing", f"pip install {name}" if missing else "")
    for name, extra in _OPTIONAL.items():
        detail = _version(name) or f"not installed (optional: pip install -e '.[{extra}]' in the checkout)"
        yield Finding(name, True, detail)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _detectors() -> Iterator[Finding]:
    from governance.pii import describe

    yield from _attempt("PII detectors", lambda: Finding("PII detectors", True, str(describe())))


def _workspace() -> Iterator[Finding]:
    found: list[Workspace] = []

    def load() -> Finding:
        workspace = Workspace.current()
        found.append(workspace)
        kind = "built-in catalogue" if workspace.built_in else str(workspace.home)
        domains = ", ".join(sorted(workspace.policy.domains))
        return Finding("workspace", True, f"{kind}; domains: {domains}; storage: {workspace.storage}")

    yield from _attempt("workspace", load)
    for workspace in found:
        for doubt in doubts(workspace.policy):
            yield Finding("policy", False, doubt, "mend zoo.yaml")
        yield from _storage(workspace.storage)
        yield from _attempt("key", partial(_key, workspace))
        for name in workspace.pipeline_names:
            yield from _attempt(f"pipeline {name}", partial(_pipeline, workspace, name))
        yield from _attempt("MLflow", partial(_tracking, workspace))


def _key(workspace: Workspace) -> Finding:
    if not workspace.built_in and not workspace.key_file.exists():
        fix = "copy your team's; without one the first build makes a new one, and other pseudonyms"
        return Finding("key", False, f"{workspace.key_file} is missing", fix)
    return Finding("key", bool(workspace.keys.master), "present")


def _storage(storage: Path) -> Iterator[Finding]:
    folder = storage
    while not folder.exists():
        folder = folder.parent
    writable = os.access(folder, os.W_OK)
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.0f} GiB free" if writable else f"{folder} is not writable"
    fix = "" if writable else f"chmod u+w {folder}"
    if writable and free < _FREE_BYTES:
        fix = "free some space: a training needs a few GiB"
    yield Finding("storage", writable and free >= _FREE_BYTES, detail, fix)


def _pipeline(workspace: Workspace, name: str) -> Finding:
    from governance.pii import check_rules
    from pipelines.measured import check_measured
    from pipelines.sources import list_files

    spec = workspace.pipeline(name)
    workspace.policy.check(spec.label, sink=spec.domain, purpose="build")
    domain = workspace.policy.domains[spec.domain]
    check_rules(domain.pii, where=f"zoo.yaml: domains.{spec.domain}.pii", floors=domain.pii_floors)
    check_measured(workspace.policy, spec.domain, workspace.storage)
    files = [file for source in spec.sources if source.path for file in list_files(source, spec.folder)]
    others = [kind for kind in ("sql", "tfds") if any(getattr(source, kind) for source in spec.sources)]
    found = ", ".join([f"domain {spec.domain}", f"{len(files)} source files", *others])
    return Finding(f"pipeline {name}", True, found)


def _tracking(workspace: Workspace) -> Finding:
    from registry import Tracking, list_versions

    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    if tracking.database is not None and not tracking.database.exists():
        return Finding("MLflow", True, f"{tracking.where} (made by the first training)")
    return Finding("MLflow", True, f"{tracking.where}, {len(list_versions(tracking))} model versions")


def _attempt(subject: str, look: Callable[[], Finding]) -> Iterator[Finding]:
    """A user's mistake becomes a finding, so that the rest of the report still comes."""
    try:
        yield look()
    except ZooError as error:
        detail = error.what if error.where is None else f"{error.where}: {error.what}"
        yield Finding(subject, False, detail, error.fix or "")
