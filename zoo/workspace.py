"""The workspace: policy, pipelines, storage and tracking of one company or team.

A folder with `zoo.yaml` and `pipelines/*.yaml`. `ZOO_HOME` names it, else the current folder is one
when it holds a `zoo.yaml`, else the built-in catalogue with its synthetic text is used and state
goes to `./.zoo`.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from governance.config import StrictModel, load_yaml
from governance.errors import ConfigError, did_you_mean
from governance.keys import Keys
from governance.policy import Caller, Domain, Name, Policy
from governance.slips import check_derivations
from pipelines.spec import PipelineSpec

if TYPE_CHECKING:
    from governance.ledger import Ledger

WORKSPACE_FILE = "zoo.yaml"
STATE_FOLDER = ".zoo"


class LedgerFile(StrictModel):
    """Where the ledger is kept, and which share of the picks it records."""

    url: str | None = Field(default=None, min_length=1)
    picks: float = Field(default=0.01, ge=0, le=1)


class WorkspaceFile(StrictModel):
    """What `zoo.yaml` may hold."""

    domains: dict[Name, Domain]
    callers: dict[str, Caller] = Field(default_factory=dict)
    region: Name | None = Field(default=None, description="where this workspace runs")
    storage: str = Field(default=STATE_FOLDER, min_length=1)
    tracking_uri: str | None = Field(default=None, min_length=1)
    artifact_root: str | None = Field(default=None, min_length=1)
    ledger: LedgerFile = LedgerFile()
    openlineage: str | None = Field(default=None, min_length=1)

    @field_validator("ledger", mode="before")
    @classmethod
    def _may_be_an_url(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value


#: Who stands in the wrong folder reads it beside the error.
BUILT_IN_NOTE = " (no zoo.yaml here and no ZOO_HOME: this is the built-in workspace)"


@dataclass(frozen=True)
class Workspace:
    """A loaded workspace. All paths are absolute."""

    home: Path
    storage: Path
    policy: Policy
    tracking_uri: str
    artifact_root: str
    built_in: bool
    ledger_url: str
    picks: float  # share that the ledger records
    openlineage: str | None = None  # a file or a URL

    @classmethod
    def current(cls) -> Workspace:
        """The workspace that `ZOO_HOME` or the current folder names, else the built-in catalogue.

        Raises:
            ConfigError: `ZOO_HOME` names no workspace, or its `zoo.yaml` is wrong.
        """
        named = os.environ.get("ZOO_HOME")
        if named:
            home = Path(named).expanduser().absolute()
            if not os.path.isfile(home / WORKSPACE_FILE):  # False also where it may not look
                raise ConfigError(
                    f"ZOO_HOME names a folder without {WORKSPACE_FILE}", where=str(home), fix=f"run `zoo init {named}`"
                )
            return cls.load(home)
        here = Path.cwd()
        if (here / WORKSPACE_FILE).is_file():
            return cls.load(here)
        return cls._built_in(here / STATE_FOLDER)

    @classmethod
    def load(cls, home: Path) -> Workspace:
        """Reads `home/zoo.yaml`.

        Raises:
            ConfigError: with file and field.
        """
        home = home.absolute()
        content = load_yaml(home / WORKSPACE_FILE, WorkspaceFile, what="workspace")
        if "://" in content.storage and not content.storage.startswith("file://"):
            raise ConfigError(
                "dataset versions and checkpoints need a folder",
                where=f"{home / WORKSPACE_FILE}: storage",
                fix="name a local or mounted folder; for models in object storage set artifact_root",
            )
        storage = (home / content.storage.removeprefix("file://")).absolute()
        check_derivations(content.domains, where=str(home / WORKSPACE_FILE))
        domains = _with_recognizers(content.domains, home)
        return cls(
            home=home,
            storage=storage,
            policy=Policy(domains=domains, callers=content.callers, region=content.region),
            tracking_uri=_database(content.tracking_uri, home, storage / "mlflow.db"),
            artifact_root=content.artifact_root or str(storage / "artifacts"),
            built_in=False,
            ledger_url=_database(content.ledger.url, home, storage / "ledger.db"),
            picks=content.ledger.picks,
            openlineage=_file_or_url(content.openlineage, home),
        )

    @classmethod
    def _built_in(cls, storage: Path) -> Workspace:
        loaded = cls.load(catalogue_folder())
        return cls(
            home=loaded.home,
            storage=storage,
            policy=loaded.policy,
            tracking_uri=_database(None, storage, storage / "mlflow.db"),
            artifact_root=str(storage / "artifacts"),
            built_in=True,
            ledger_url=_database(None, storage, storage / "ledger.db"),
            picks=loaded.picks,
        )

    @functools.cached_property
    def keys(self) -> Keys:
        """The workspace's secret. The built-in text is about nobody, so its key is no secret.

        Raises:
            ConfigError: the key file is missing although versions were made with it.
        """
        if self.built_in:
            return Keys.public("the built-in catalogue is synthetic")
        used = any((self.storage / "datasets").glob("*/latest.json")) or self._ledger_head.exists()
        return Keys.from_file(self.key_file, create=not used)

    @functools.cached_property
    def ledger(self) -> Ledger:
        """What happened in this workspace, sealed with its key.

        Raises:
            ConfigError: the key file is missing, or `ledger` in zoo.yaml is no database.
        """
        from governance.ledger import Ledger

        return Ledger(self.ledger_url, self.keys, head=self._ledger_head)

    @property
    def bell(self) -> Path:
        """A file that is touched when a version must no longer be used: see `registry.catalogue`."""
        return self.storage / "catalogue.bell"

    @property
    def _ledger_head(self) -> Path:
        return self.storage / "ledger.head"

    @property
    def key_file(self) -> Path:
        """Where the secret of a workspace that is not built in lies."""
        return self.home / "keys" / "pseudonyms.key"

    @property
    def pipeline_names(self) -> list[str]:
        return sorted(path.stem for path in (self.home / "pipelines").glob("*.yaml"))

    def pipeline(self, name: str) -> PipelineSpec:
        """Reads `pipelines/<name>.yaml`.

        Raises:
            ConfigError: there is none of that name, or it is wrong.
        """
        path = self.home / "pipelines" / f"{name}.yaml"
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            raise ConfigError(
                f'"{name}" is no pipeline name', fix="use lower-case letters, digits and _, starting with a letter"
            )
        if not path.is_file():
            known = ", ".join(self.pipeline_names) or "none"
            known += BUILT_IN_NOTE if self.built_in else ""
            raise ConfigError(
                f'there is no pipeline "{name}"{did_you_mean(name, self.pipeline_names)}',
                where=str(self.home / "pipelines"),
                fix=f"known: {known}",
            )
        return PipelineSpec.load(path, self.home)


def catalogue_folder() -> Path:
    """The built-in catalogue: a workspace that ships with the package."""
    import pipelines

    return Path(pipelines.__file__).parent / "catalogue"


def _with_recognizers(domains: dict[Name, Domain], home: Path) -> dict[Name, Domain]:
    """The domains with the files read that name recognizers of Presidio."""
    return {
        name: domain.model_copy(update={"pii": domain.pii.read_recognizers(home)}) for name, domain in domains.items()
    }


def _database(uri: str | None, home: Path, default: Path) -> str:
    """A database's address; a relative SQLite path starts from the workspace's folder."""
    if uri is None:
        return f"sqlite:///{default}"
    relative = re.fullmatch(r"sqlite:///([^/].*)", uri)
    return f"sqlite:///{home / relative[1]}" if relative else uri


def _file_or_url(place: str | None, home: Path) -> str | None:
    """A relative file starts from the workspace's folder."""
    if place is None or place.startswith(("http://", "https://")):
        return place
    if "://" in place:
        raise ConfigError(
            "OpenLineage events go to a file, or to a server over http or https",
            where=f"{home / WORKSPACE_FILE}: openlineage",
        )
    return str(home / place)
