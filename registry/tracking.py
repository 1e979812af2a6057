"""Where runs and models are kept: one MLflow tracking store, opened when it is first needed.

Unusual here: `Tracking.client` is MLflow's own client behind a guard, so that whatever MLflow,
SQLAlchemy or the operating system throws reaches the user as one line (`RegistryError`,
`BusyError`). A new SQLite database is migrated beside its place and linked there when it is whole,
because MLflow's migrations are not atomic and a kill among them would leave a database that no
later start could mend.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from governance.errors import RegistryError
from registry.errors import not_a_database, other_schema, translate, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LOG = logging.getLogger("registry")
_SQLITE = "sqlite:///"
_TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # the UI shows training, not chats
_DEFAULT_URI = threading.RLock()  # MLflow's default tracking URI is global to the process


class Tracking:
    """One MLflow store and the place of its artifacts.

    Args:
        uri: `sqlite:///path/mlflow.db`, `postgresql://...`, or the `http(s)://` of an MLflow server.
        artifact_root: folder or URL for artifacts. None: the folder `artifacts` beside a SQLite
            database. A server keeps artifacts itself: for it only a URL counts.
        busy_seconds: how long opening waits for a locked SQLite database (MLflow's own sessions
            wait 20 s for each write).
        say: gets the lines that a user should see while waiting; None: the log.
    """

    def __init__(
        self,
        uri: str,
        artifact_root: str | None = None,
        *,
        busy_seconds: float = 20.0,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.uri = uri
        self.where = without_password(uri)
        self.busy_seconds = busy_seconds
        if self.is_server and artifact_root is not None and "://" not in artifact_root:
            artifact_root = None
        self.artifact_root = artifact_root or self._default_artifact_root()
        self._say = say or _LOG.info
        self._client: MlflowClient | None = None
        self._opening = threading.Lock()

    @property
    def client(self) -> MlflowClient:
        """MLflow's client; each of its methods raises `RegistryError` or `BusyError` alone."""
        with self._opening:
            if self._client is None:
                self._client = self._open()
        return self._client

    def check(self) -> None:
        """Opens the store, and prepares its database when it is new; raises what is wrong with it."""
        self.client.search_experiments(max_results=1)

    @property
    def database(self) -> Path | None:
        """The file of a SQLite store, else None."""
        if not self.uri.startswith(_SQLITE):
            return None
        return Path(self.uri.removeprefix(_SQLITE).split("?", 1)[0])

    @property
    def is_server(self) -> bool:
        return self.uri.startswith(("http://", "https://"))

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raises what MLflow throws inside as `RegistryError` or `BusyError`."""
        import alembic.util
        import mlflow.exceptions
        import sqlalchemy.exc

        foreign = (
            mlflow.exceptions.MlflowException,
            sqlalchemy.exc.SQLAlchemyError,
            alembic.util.CommandError,
            sqlite3.Error,
            OSError,
            ImportError,
        )
        try:
            yield
        except foreign as error:
            raise translate(error, where=self.where) from error

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """Makes this store MLflow's default one meanwhile: a few of MLflow's calls look there alone."""
        from mlflow.tracking._tracking_service.utils import _use_tracking_uri

        with _DEFAULT_URI:
            before = os.environ.get("MLFLOW_TRACKING_URI")
            try:
                with _use_tracking_uri(self.uri):
                    yield
            finally:
                if before is not None:
                    os.environ["MLFLOW_TRACKING_URI"] = before

    def experiment_id(self, name: str) -> str:
        """The id of an experiment, which is created when it does not exist.

        Raises:
            RegistryError: an experiment of that name was deleted and not yet purged.
        """
        found = self.client.get_experiment_by_name(name)
        if found is None:
            location = None if self.artifact_root is None else f"{self.artifact_root.rstrip('/')}/{name}"
            try:
                return str(self.client.create_experiment(name, artifact_location=location, tags=_TRAINING))
            except RegistryError:
                found = self.client.get_experiment_by_name(name)  # another process was first
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise RegistryError(
                f'the experiment "{name}" was deleted',
                where=self.where,
                fix=f"restore it with `mlflow experiments restore --experiment-id {found.experiment_id}`",
            )
        return str(found.experiment_id)

    def _default_artifact_root(self) -> str | None:
        if self.database is not None:
            return str(self.database.absolute().parent / "artifacts")
        if self.is_server:
            return None
        raise RegistryError(
            "a tracking database on a server needs a place for artifacts",
            where=self.where,
            fix="set the storage root in zoo.yaml",
        )

    def _open(self) -> MlflowClient:
        quieten()
        from mlflow import MlflowClient

        with self.guard():
            if self.database is not None:
                self._prepare_sqlite(self.database)
            elif not self.is_server:
                self._reach_database()
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            client.search_experiments(max_results=1)
        return cast("MlflowClient", _Guarded(client, self))

    def _prepare_sqlite(self, database: Path) -> None:
        """Leaves a whole database of MLflow's present schema at `database`, or raises at once.

        MLflow itself retries for minutes when the file cannot be opened, hence the look beforehand.
        """
        try:
            database.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RegistryError(
                f"the folder of the tracking database cannot be made: {error.strerror}",
                where=str(database.parent),
                fix="name another place as tracking_uri in zoo.yaml",
            ) from error
        if database.is_dir():
            raise not_a_database(str(database))
        if not database.exists() or database.stat().st_size == 0:
            self._create_sqlite(database)
            return
        from mlflow.store.db.utils import _get_latest_schema_revision

        found = _schema_revision(database, self.busy_seconds)
        if found is None:
            raise not_a_database(str(database))
        if found != _get_latest_schema_revision():
            raise other_schema(str(database))

    def _reach_database(self) -> None:
        """Raises at once when the database's server does not answer: MLflow would try again for 100 seconds."""
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.uri, poolclass=sqlalchemy.NullPool)
        for wait in (0.5, 2.0, None):  # it may be about to come back
            try:
                engine.connect().close()
                return
            except sqlalchemy.exc.OperationalError:
                if wait is None:
                    raise
                time.sleep(wait)

    def _create_sqlite(self, database: Path) -> None:
        self._say("preparing the tracking database (once, some seconds)")
        _remove_leftovers(database.parent)
        folder = Path(tempfile.mkdtemp(prefix=".preparing-", dir=database.parent))
        try:
            whole = folder / "mlflow.db"
            migrate(f"{_SQLITE}{whole.absolute()}", self.artifact_root)
            if database.exists() and database.stat().st_size == 0:
                os.replace(whole, database)
            else:
                os.link(whole, database)
        except FileExistsError:
            pass  # another process prepared it meanwhile: the same schema, and perhaps rows already
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class _Guarded:
    """Passes each call on to MLflow's client inside `Tracking.guard`."""

    def __init__(self, client: MlflowClient, tracking: Tracking) -> None:
        self._client = client
        self._tracking = tracking

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not callable(value):
            return value

        @functools.wraps(value)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with self._tracking.guard():
                return value(*args, **kwargs)

        return guarded


def migrate(uri: str, artifact_root: str | None) -> None:
    """Makes an MLflow database of the present schema at a SQLite URI that has none yet (5-8 s)."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    quieten()
    root_handlers, root_level = logging.root.handlers[:], logging.root.level
    store = SqlAlchemyStore(uri, artifact_root or "./mlartifacts")
    store._dispose_engine()
    SqlAlchemyStore._engine_map.pop(uri, None)
    logging.root.handlers[:], logging.root.level = root_handlers, root_level


def quieten() -> None:
    """Keeps MLflow's and alembic's chatter off the terminal, and MLflow's usage reports off the net.

    What the user set in the environment stays as it is.
    """
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    }.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401 - sets its loggers up on import, which would undo what follows

    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"(mlflow|alembic)(\..*)?$")


def _schema_revision(database: Path, busy_seconds: float) -> str | None:
    """The migration that a SQLite database is at; None when it is none of MLflow's."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=busy_seconds)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    finally:
        connection.close()
    return None if row is None else str(row[0])


def _remove_leftovers(folder: Path) -> None:
    """Removes what a killed preparation left, an hour later at the earliest: one may be at work."""
    for path in folder.glob(".preparing-*"):
        if time.time() - path.stat().st_mtime > 3600:
            shutil.rmtree(path, ignore_errors=True)
