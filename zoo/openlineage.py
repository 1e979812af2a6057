"""OpenLineage run events of builds and trainings, to a file or to a server, if zoo.yaml says so.

Follows the specification 2-0-2 (openlineage.io/spec/2-0-2/OpenLineage.json) and its facets. An event that cannot be
delivered costs a warning, never the build: the ledger is the record, this is news for other programs.
"""

from __future__ import annotations

import datetime
import json
import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import zoo
from governance.errors import ConfigError, DataError, ZooError
from zoo.screen import Screen
from zoo.workspace import Workspace

if TYPE_CHECKING:
    from pipelines import DatasetVersion, PipelineSpec
    from pipelines.spec import SourceSpec, SqlSpec

PRODUCER = f"urn:domain-zoo:{zoo.__version__}"
SPEC = "https://openlineage.io/spec"
RUN_EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
#: Where OpenLineage's own clients send to when the URL names a server alone.
ENDPOINT = "/api/v1/lineage"

#: How OpenLineage's rules for names write what SQLAlchemy, fsspec write otherwise.
_SCHEMES = {"postgresql": "postgres", "gcs": "gs", "s3a": "s3"}
#: Stands in the name of a server also where it is the usual one.
_PORTS = {"postgres": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
#: Their URLs have the container before an @, where others have a user.
_AZURE = ("abfs", "abfss", "wasb", "wasbs")

_SECONDS = 5.0
Moment = Literal["START", "COMPLETE", "FAIL", "ABORT"]
Dataset = dict[str, Any]


@dataclass
class Observed:
    """What a run has written, filled in while it goes on."""

    outputs: list[Dataset] = field(default_factory=list)


@contextmanager
def observed(
    workspace: Workspace,
    screen: Screen,
    *,
    spec: PipelineSpec,
    job: str,
    kind: Literal["BUILD", "TRAINING"],
    inputs: Callable[[], Sequence[Dataset]],
    run_id: str | None = None,
) -> Iterator[Observed]:
    """Tells of the beginning and the end of what happens inside; does nothing unless zoo.yaml has `openlineage`.

    Args:
        spec: the pipeline whose data is built or learned.
        job: its name, the same each time it runs.
        inputs: what is read, asked once and only if somebody is told.
        run_id: a UUID, such as MLflow's id of a run; a new one if None.
    """
    found = Observed()
    if workspace.openlineage is None:
        yield found
        return
    target = workspace.openlineage
    run = str(uuid.UUID(run_id)) if run_id is not None else str(uuid.uuid4())
    read = inputs()

    def tell(moment: Moment, run_facets: Mapping[str, Any] | None = None) -> None:
        event = run_event(moment, run, job, kind, read, found.outputs, run_facets or {})
        if (problem := _deliver(event, target)) is not None:
            screen.say(f"warning: OpenLineage was not told of {moment} of {job}: {problem}")

    tell("START")
    try:
        yield found
    except BaseException as error:
        message = _message(error, spec, workspace)
        facet = _facet("1-0-1", "ErrorMessageRunFacet", message=message, programmingLanguage="PYTHON")
        tell("FAIL" if isinstance(error, Exception) else "ABORT", {"errorMessage": facet})
        raise
    tell("COMPLETE")


def run_event(
    moment: Moment,
    run: str,
    job: str,
    kind: str,
    inputs: Sequence[Dataset],
    outputs: Sequence[Dataset],
    run_facets: Mapping[str, Any],
) -> dict[str, Any]:
    """A RunEvent of the specification."""
    job_type = {"processingType": "BATCH", "integration": "DOMAIN_ZOO", "jobType": kind}
    return {
        "eventType": moment,
        "eventTime": datetime.datetime.now(datetime.UTC).isoformat(),
        "producer": PRODUCER,
        "schemaURL": RUN_EVENT,
        "run": {"runId": run, "facets": dict(run_facets)},
        "job": {
            "namespace": namespace(),
            "name": job,
            "facets": {"jobType": _facet("2-0-4", "JobTypeJobFacet", **job_type)},
        },
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def namespace() -> str:
    """Of our jobs and models; OpenLineage's own variable names another one."""
    return os.environ.get("OPENLINEAGE_NAMESPACE") or "domain-zoo"


def sources_of(spec: PipelineSpec, storage: Path) -> list[Dataset]:
    """The sources as they stand in the pipeline's file, by OpenLineage's rules for names
    (openlineage.io/docs/spec/naming), without user, password and query of an address."""
    named = zip(spec.sources, spec.source_names, strict=True)
    return [_source(source, name, spec.folder, storage) for source, name in named]


def dataset_version(version: DatasetVersion) -> Dataset:
    """A dataset version: the pipeline's folder of versions, and the digest as its version."""
    statistics = {"rowCount": version.total_records, "size": version.total_bytes}
    return {
        "namespace": "file",
        "name": str(version.path.parent),
        "facets": {"version": _version(version.digest)},
        "outputFacets": {"outputStatistics": _facet("1-0-2", "OutputStatisticsOutputDatasetFacet", **statistics)},
    }


def read_version(version: DatasetVersion) -> Dataset:
    """The same as an input."""
    return {name: value for name, value in dataset_version(version).items() if name != "outputFacets"}


def model(name: str, digest: str = "") -> Dataset:
    """A registered version, such as "tax_domain.gpt/3"; of a folder that a training continues from the digest is its
    version."""
    known, _, number = name.rpartition("/")
    name, version = (known, number) if known and number.isdecimal() else (name, digest)
    return {"namespace": namespace(), "name": f"models/{name}", "facets": {"version": _version(version)}}


def _source(source: SourceSpec, name: str, folder: str, storage: Path) -> Dataset:
    if source.pipeline is not None:
        return _other_pipeline(source.pipeline, storage)
    if source.sql is not None:
        return _query(source.sql, name, folder)
    if source.tfds is not None:
        return {"namespace": "tfds", "name": source.tfds.name}
    return _files(source.path or "", folder)


def _other_pipeline(name: str, storage: Path) -> Dataset:
    """As it is called where it is written, with the version that there is now."""
    from pipelines.place import Place, latest_version

    place = Place(storage, name)
    try:
        version = latest_version(place)
    except DataError:  # it is damaged: the build says so
        version = None
    return {"namespace": "file", "name": str(place.datasets)} if version is None else read_version(version)


def _query(sql: SqlSpec, name: str, folder: str) -> Dataset:
    """A query reads several tables, so that the source's own name stands for them."""
    from pipelines.sources.sql import database_url

    try:
        url = database_url(sql, folder)
    except ConfigError:  # the build says what is wrong with it
        return {"namespace": "sql", "name": name}
    scheme = _SCHEMES.get(url.get_backend_name(), url.get_backend_name())
    database = [] if not url.database else [url.database if scheme == "sqlite" else url.database.replace("/", ".")]
    if scheme == "bigquery":  # has no server: a project stands in its place
        return {"namespace": scheme, "name": ".".join([*filter(None, [url.host]), *database, name])}
    return {
        "namespace": f"{scheme}{_server(url.host, url.port or _PORTS.get(scheme))}",
        "name": ".".join([*database, name]),
    }


def _server(host: str | None, port: int | None) -> str:
    """Nothing where there is none, as with SQLite."""
    if host is None:
        return ""
    return f"://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"


def _files(path: str, folder: str) -> Dataset:
    """Of a chain of addresses, such as of a file in an archive, the last one says where it lies."""
    path = path.rpartition("::")[2].removeprefix("file://")
    scheme, separator, rest = path.partition("://")
    if not separator:
        return {"namespace": "file", "name": os.path.join(folder, path)}
    if scheme in ("http", "https"):  # elsewhere a question mark is a pattern
        rest = rest.partition("?")[0]
    server, _, path = rest.partition("/")
    user, at, host = server.rpartition("@")
    server = f"{user.partition(':')[0]}{at}{host}" if scheme in _AZURE else host
    return {"namespace": f"{_SCHEMES.get(scheme, scheme)}://{server}", "name": path}


def _message(error: BaseException, spec: PipelineSpec, workspace: Workspace) -> str:
    """What a server may keep for good: neither a text of records nor a file's name with personal data."""
    if not isinstance(error, ZooError):
        return type(error).__name__
    from pipelines.curate.identify import Identifier
    from pipelines.erasure.unread import recordable

    return recordable(error, lambda name: Identifier.of(spec, workspace.policy, workspace.keys).lasting(name))


def _version(value: str) -> dict[str, Any]:
    return _facet("1-0-1", "DatasetVersionDatasetFacet", datasetVersion=value)


def _facet(version: str, name: str, **content: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/facets/{version}/{name}.json#/$defs/{name}", **content}


def _deliver(event: dict[str, Any], target: str) -> str | None:
    """What went wrong, if anything did."""
    try:
        if target.startswith(("http://", "https://")):
            _post(event, target)
        else:
            _append(event, Path(target))
    except urllib.error.HTTPError as error:
        return f"{_without_secrets(target)} answered {error.code}"
    except (OSError, ValueError) as error:
        return (
            f"{_without_secrets(target)}: {getattr(error, 'reason', None) or getattr(error, 'strerror', '') or error}"
        )
    return None


def _post(event: dict[str, Any], url: str) -> None:
    if urlsplit(url).path in ("", "/"):
        url = url.rstrip("/") + ENDPOINT
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENLINEAGE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(event).encode(), headers)  # noqa: S310 - http or https alone
    with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310 - as above
        pass


def _append(event: dict[str, Any], path: Path) -> None:
    """One line; a single write, so that lines of two processes do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, (json.dumps(event) + "\n").encode())
    finally:
        os.close(descriptor)


def _without_secrets(target: str) -> str:
    parts = urlsplit(target)
    return f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else target
