"""Model versions: what a registered model is here, how one is found, read and quarantined.

The tags of a version carry what picking needs; its measured quality, cost and latency stay metrics
of its MLflow logged model, where they can be searched by number.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from governance.errors import BusyError, RegistryError, did_you_mean
from governance.labels import Label
from registry.tracking import Tracking

CHAMPION = "champion"

#: Tags of a version (and of its run, where they make sense).
FINGERPRINT = "zoo.fingerprint"
DOMAIN = "zoo.domain"
PIPELINE = "zoo.pipeline"
FAMILY = "zoo.family"
SIZE = "zoo.size"
LABEL = "zoo.label"
DATASET = "zoo.dataset"
BLESSED = "zoo.blessed"
QUARANTINE = "zoo.quarantine"
PROMOTED = "zoo.promoted"
OBJECTIVE = "zoo.objective"
GATE = "zoo.gate."  # + the gate's name; the value is JSON

_PAGE = 200  # versions a request
_REFERENCE = re.compile(r"^(?P<name>[^@/]+)(?:@(?P<alias>[^@/]+)|/(?P<version>[1-9][0-9]*))$")


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version as it was when it was read.

    `created` is in milliseconds since 1970. `metrics` are those of the logged model:
    `val_bits_per_byte`, `val_loss` (nats a token), `parameters`, `flops_per_token`,
    `latency_ms_p50`, `tokens_per_second`.
    """

    name: str
    version: int
    run_id: str
    model_id: str
    domain: str
    pipeline: str
    family: str
    label: Label
    aliases: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    created: int = 0

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def is_champion(self) -> bool:
        return CHAMPION in self.aliases

    @property
    def blessed(self) -> bool:
        """Whether it passed every gate at its last examination."""
        return self.tags.get(BLESSED) == "true"

    @property
    def objective(self) -> str:
        """What it learned last: an objective such as "causal_lm", or a task such as "classify"."""
        return self.tags.get(OBJECTIVE, "")

    @property
    def quarantined(self) -> str | None:
        """Why nobody may use it; None when everybody with a grant may."""
        return self.tags.get(QUARANTINE)


def list_versions(tracking: Tracking) -> list[ModelVersion]:
    """All registered versions of this zoo, by name and number (two requests, and one a champion).

    A version that carries no label is none of ours and is left out.
    """
    aliases = _aliases(tracking)
    metrics = _metrics_of_all(tracking)
    versions = []
    for raw in _pages(tracking, None):
        if LABEL in raw.tags:
            model_id = _model_id(raw)
            versions.append(_version(raw, aliases.get(raw.name, {}), metrics.get(model_id, {})))
    return sorted(versions, key=lambda v: (v.name, v.version))


def recent_versions(tracking: Tracking, recent: int) -> list[ModelVersion]:
    """The newest versions of each model and all that have an alias, by name and number.

    Work is bounded by the number of models, not of versions: one request a model and one for the
    figures of each version that is kept.
    """
    versions = []
    for name, aliases in _aliases(tracking).items():
        raws = {
            int(raw.version): raw
            for raw in tracking.client.search_model_versions(
                f"name = '{_quoted(name)}'", max_results=recent, order_by=["version_number DESC"]
            )
        }
        for number in set(aliases.values()) - set(raws):
            raws[number] = tracking.client.get_model_version(name, str(number))
        for raw in raws.values():
            if LABEL in raw.tags:
                versions.append(_version(raw, aliases, _metrics(tracking, _model_id(raw))))
    return sorted(versions, key=lambda v: (v.name, v.version))


def get_version(tracking: Tracking, name: str, version: int) -> ModelVersion:
    """Reads one version afresh.

    Raises:
        RegistryError: there is no such version, or it is none of this zoo.
    """
    try:
        raw = tracking.client.get_model_version(_quoted(name), str(version))
    except RegistryError:  # unknown, or the store cannot be read, which the next line finds out
        raw = None
    if raw is None or LABEL not in raw.tags:
        numbers = [int(r.version) for r in _pages(tracking, f"name = '{_quoted(name)}'") if LABEL in r.tags]
        return _raise_unknown(tracking, name, numbers)
    return _version(raw, _aliases(tracking, name).get(name, {}), _metrics(tracking, _model_id(raw)))


def resolve(tracking: Tracking, reference: str, *, allow_quarantined: bool = False) -> ModelVersion:
    """Finds the version behind `tax_domain.gpt@champion` or `tax_domain.gpt/3`.

    This is for the workspace's owner: its errors suggest names of models. A query goes through
    `pick`, which names nothing that a caller may not use.

    Raises:
        RegistryError: no reference, no such model, alias or version, or the version is quarantined.
    """
    match = _REFERENCE.match(reference)
    if match is None:
        raise RegistryError(
            f'"{reference}" names no model version', fix="write NAME@champion or NAME/3, see `zoo models`"
        )
    name, alias, number = match["name"], match["alias"], match["version"]
    if alias is not None:
        aliases = _aliases(tracking, name).get(name)
        if aliases is None:
            return _raise_unknown(tracking, name, [])
        if alias not in aliases:
            raise RegistryError(
                f'the model "{name}" has no version with the alias "{alias}"{did_you_mean(alias, aliases)}',
                fix=f"write {name}/{alias}" if alias.isdecimal() else "name a version by number, see `zoo models`",
            )
        number = str(aliases[alias])
    found = get_version(tracking, name, int(number))
    if not allow_quarantined:
        refuse_quarantined(found)
    return found


def refuse_quarantined(version: ModelVersion) -> None:
    """Raises RegistryError for a version that nobody may use any more."""
    if version.quarantined is not None:
        raise RegistryError(
            f"{version} is quarantined: {version.quarantined}", fix="use another version, see `zoo models`"
        )


def champion_of(tracking: Tracking, name: str) -> ModelVersion | None:
    """The version that the alias `champion` of a model points to, None when there is none."""
    number = _aliases(tracking, name).get(name, {}).get(CHAMPION)
    return None if number is None else get_version(tracking, name, number)


def version_of_run(tracking: Tracking, run_id: str) -> ModelVersion | None:
    """The version that a run registered, None when it registered none."""
    raws = list(_pages(tracking, f"run_id = '{_quoted(run_id)}'"))
    if not raws:
        return None
    raw = min(raws, key=lambda r: int(r.version))
    return _version(raw, _aliases(tracking, raw.name).get(raw.name, {}), _metrics(tracking, _model_id(raw)))


def quarantine(tracking: Tracking, version: ModelVersion, reason: str) -> ModelVersion:
    """Takes a version out of use: tagged first, then its aliases are removed. Returns it as it is now.

    Calling it again finishes what a kill left open; the first reason stays.
    """
    fresh = get_version(tracking, version.name, version.version)
    if fresh.quarantined is None:
        tracking.client.set_model_version_tag(fresh.name, str(fresh.version), QUARANTINE, " ".join(reason.split()))
    for alias in fresh.aliases:
        tracking.client.delete_registered_model_alias(fresh.name, alias)
    return get_version(tracking, version.name, version.version)


def model_folder(tracking: Tracking, version: ModelVersion, *, cache: Path | None = None) -> Path:
    """The folder of the keras-hub preset of a version; a local artifact store is read in place.

    Args:
        cache: where downloads from a remote store are kept; None: `downloads`.

    Raises:
        RegistryError: the version is quarantined, or its files are missing or unreachable.
    """
    refuse_quarantined(version)
    location = tracking.client.get_logged_model(version.model_id).artifact_location
    folder = local_path(location)
    if folder is None:
        folder = _download(tracking, version, location, cache or downloads())
    preset = folder / "artifacts" / "preset"
    if not preset.is_dir():
        raise RegistryError(
            f"the files of {version} are missing",
            where=str(preset),
            fix="restore them from a backup, or train again",
        )
    return preset


def downloads() -> Path:
    """Where models of a remote artifact store are kept on this machine."""
    return Path.home() / ".cache" / "domain-zoo" / "models"


def local_path(uri: str) -> Path | None:
    """The path behind an artifact URI when it is on this machine's file system, else None."""
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return None if parsed.scheme else Path(uri)


def _download(tracking: Tracking, version: ModelVersion, location: str, cache: Path) -> Path:
    """Downloads into the cache, under a temporary name first, so that a kill leaves no half a model."""
    folder = cache / version.model_id
    if folder.is_dir():
        return folder
    with tracking.guard(), tracking.as_default():
        import mlflow.artifacts

        cache.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{version.model_id}-", dir=cache))
        try:
            done = mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=str(temporary))
            if not folder.is_dir():
                Path(done).rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _pages(tracking: Tracking, filter_string: str | None) -> Iterator[Any]:
    token = None
    while True:
        page = tracking.client.search_model_versions(filter_string, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _aliases(tracking: Tracking, name: str | None = None) -> dict[str, dict[str, int]]:
    """For each registered model its aliases with the number that they point to."""
    found: dict[str, dict[str, int]] = {}
    condition = None if name is None else f"name = '{_quoted(name)}'"
    token = None
    while True:
        page = tracking.client.search_registered_models(condition, max_results=_PAGE, page_token=token)
        for model in page:
            found[model.name] = {alias: int(number) for alias, number in model.aliases.items()}
        token = page.token
        if not token:
            return found


def _metrics(tracking: Tracking, model_id: str) -> dict[str, float]:
    """No metrics, and so no pick, for a version whose logged model was deleted: others are not affected."""
    if not model_id:
        return {}
    try:
        return _newest(tracking.client.get_logged_model(model_id))
    except BusyError:
        raise
    except RegistryError as error:
        if "not found" in str(error).lower():
            return {}
        raise


def _metrics_of_all(tracking: Tracking) -> dict[str, dict[str, float]]:
    """Metrics by logged model, of all experiments."""
    found: dict[str, dict[str, float]] = {}
    experiments = [e.experiment_id for e in tracking.client.search_experiments()]
    token = None
    while experiments:
        page = tracking.client.search_logged_models(experiments, max_results=_PAGE, page_token=token)
        found |= {model.model_id: _newest(model) for model in page}
        token = page.token
        if not token:
            break
    return found


def _newest(model: Any) -> dict[str, float]:
    """For each metric of a logged model the value that was measured last."""
    ordered = sorted(model.metrics or [], key=lambda m: (m.timestamp, m.step or 0))
    return {metric.key: float(metric.value) for metric in ordered}


def _version(raw: Any, aliases: Mapping[str, int], metrics: Mapping[str, float]) -> ModelVersion:
    number, tags = int(raw.version), dict(raw.tags)
    return ModelVersion(
        name=raw.name,
        version=number,
        run_id=raw.run_id or "",
        model_id=_model_id(raw),
        domain=tags.get(DOMAIN, ""),
        pipeline=tags.get(PIPELINE, ""),
        family=tags.get(FAMILY, ""),
        label=Label.from_list(filter(None, tags.get(LABEL, "").split("+"))),
        aliases=tuple(sorted(alias for alias, target in aliases.items() if target == number)),
        metrics=dict(metrics),
        tags=tags,
        created=int(raw.creation_timestamp or time.time() * 1000),
    )


def _model_id(raw: Any) -> str:
    """The logged model behind a version; MLflow keeps it in the source alone."""
    return str(raw.source or "").removeprefix("models:/") if str(raw.source).startswith("models:/") else ""


def _raise_unknown(tracking: Tracking, name: str, numbers: list[int]) -> ModelVersion:
    if numbers:
        raise RegistryError(
            f'the model "{name}" has no such version',
            fix=f"it has {min(numbers)} to {max(numbers)}, see `zoo models`",
        )
    known = _aliases(tracking)
    raise RegistryError(f'there is no model "{name}"{did_you_mean(name, known)}', fix="see `zoo models`")


def _quoted(value: str) -> str:
    """A value inside a filter string; MLflow's filter language knows no escape for the quote."""
    if "'" in value or "\\" in value:
        raise RegistryError(f'"{value}" is no name of a model', fix="see `zoo models`")
    return value
