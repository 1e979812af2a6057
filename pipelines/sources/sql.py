"""Rows of a SQL query, through SQLAlchemy, streamed.

A database has no times of change that could be trusted, so each build asks the query twice: once for a digest over its
rows, and once to read them. Rows that changed in between stop the build. The digest is a sum over rows, so that an
order that the query leaves open says nothing.
"""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DataError
from pipelines.sources.formats import Row, Rows, require_columns
from pipelines.spec import SourceSpec, SqlSpec

if TYPE_CHECKING:
    import sqlalchemy

_AT_ONCE = 1_000  # rows
_AS_TEXT = (datetime.date, datetime.time, uuid.UUID)
_RELATIVE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)(.+)")


@dataclass
class SqlQuery:
    """A query as a source; `name` says which one, without a password."""

    name: str
    url: sqlalchemy.URL
    query: str
    stamp: str = "{}"  # nothing tells a change but the rows
    _digests: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, spec: SqlSpec, source: SourceSpec, folder: str) -> SqlQuery:
        """Args: `folder` is what a relative SQLite path starts from.

        Raises:
            ConfigError: the URL is none, or names an environment variable that is not set.
            DataError: there is no such SQLite file.
        """
        url = database_url(spec, folder)
        backend, database = url.get_backend_name(), url.database or ""
        name = source.name or f"sql:{backend}/{os.path.basename(database)}"
        if backend == "sqlite" and not database.startswith(("file:", ":memory:")) and not os.path.isfile(database):
            raise DataError("there is no such database file", where=name, fix="check sources.sql.url")
        return cls(name, url, spec.query)

    @property
    def key(self) -> None:
        """Nothing tells a change but the rows, so nothing is remembered."""

    def content_digest(self) -> str:
        """SHA-256 sum (hex) over all rows."""
        for _ in self._streamed():
            pass
        return self._digests[-1]

    def unchanged(self) -> bool:
        """Whether the rows that were read are those of the digest."""
        return len(set(self._digests)) == 1

    def rows(self, source: SourceSpec, max_bytes: int) -> Rows:
        for number, fields in enumerate(self._streamed(source), 1):
            yield Row(self.name, number, fields)

    def _streamed(self, source: SourceSpec | None = None) -> Iterator[dict[str, Any]]:
        import sqlalchemy

        total = 0
        with ExitStack() as stack:
            with _told(self.name, self.query):
                engine = sqlalchemy.create_engine(self.url, hide_parameters=True)
                stack.callback(engine.dispose)
                # As it is written: a colon or a percent sign in it is no parameter.
                options = {"yield_per": _AT_ONCE, "no_parameters": True}
                connection = stack.enter_context(engine.connect().execution_options(**options))
                result = connection.exec_driver_sql(self.query)
            columns = list(result.keys())
            self._check_columns(columns, source)
            with _told(self.name):
                for row in result:
                    fields = {name: _plain(value) for name, value in zip(columns, row, strict=True)}
                    total += int.from_bytes(hashlib.sha256(_written(fields)).digest(), "big")
                    yield fields
        self._digests.append(f"{total % 2**256:064x}")

    def _check_columns(self, columns: list[str], source: SourceSpec | None) -> None:
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            raise DataError(
                f'the query gives two columns "{twice}"', where=self.name, fix="name one of them anew with AS"
            )
        if source is not None:
            require_columns(columns, self.name, source, fix=f"columns: {', '.join(columns[:20])}")


def database_url(spec: SqlSpec, folder: str) -> sqlalchemy.URL:
    """Where a query is asked, with all secrets.

    Raises:
        ConfigError: the URL is none, or names an environment variable that is not set.
    """
    import sqlalchemy

    url = _RELATIVE.sub(lambda found: f"{found[1]}{os.path.join(folder, found[2])}", _expanded(spec.url))
    try:
        return sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # what they say may quote a part of a password
        raise ConfigError(
            "this is no database URL",
            where="sources.sql.url",
            fix="write postgresql+psycopg://USER@HOST/DATABASE, with @ : / # in a password percent-encoded",
        ) from None


def _expanded(url: str) -> str:
    """With `${NAME}` and `$NAME` replaced from the environment; what comes from there is taken as it is."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in os.environ:
            raise ConfigError(
                f"the environment variable {name} is not set", where="sources.sql.url", fix=f"export {name}=…"
            )
        return os.environ[name]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, url)


@contextmanager
def _told(name: str, query: str | None = None) -> Iterator[None]:
    """What a database says as one line without values of rows: what is wrong with the query that is asked; of rows
    that cannot be read, which are quoted by some databases, only that."""
    import sqlalchemy.exc

    try:
        yield
    except (sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        raise DataError(
            f"this database needs another package: {error}", where=name, fix="install its SQLAlchemy driver"
        ) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        if query is None:
            why = (
                "a value does not fit its type"
                if isinstance(error, sqlalchemy.exc.DataError)
                else "the database failed"
            )
            fix = "check their encoding, and that the database is still there"
            raise DataError(f"the rows cannot be read: {why}", where=name, fix=fix) from None
        told = isinstance(error, sqlalchemy.exc.ProgrammingError | sqlalchemy.exc.OperationalError)
        said = _without_values(str(getattr(error, "orig", error)), query) if told else ""
        raise DataError(
            f"the query failed{': ' if said else ''}{said}", where=name, fix="check url and query of the source"
        ) from None


def _without_values(said: str, query: str) -> str:
    """The first line of a message. What it quotes is left out unless it stands in the query."""
    first = said.strip().partition("\n")[0]
    return re.sub(
        r"""(["'])(.*?)\1""", lambda found: found[0] if found[2] in query else f"{found[1]}…{found[1]}", first
    )


def _plain(value: Any) -> Any:
    """As templates take it: dates in writing, exact numbers as they are; anything else as what is written the same each
    time."""
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else value


def _written(fields: dict[str, Any]) -> bytes:
    def written(value: Any) -> str:
        return str(value) if isinstance(value, decimal.Decimal) else repr(value)

    return json.dumps(fields, sort_keys=True, default=written).encode("utf-8", "surrogatepass")
