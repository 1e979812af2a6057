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
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from governance.errors import ConfigError, DataError
from pipelines.sources.formats import Row, Rows, require_columns
from pipelines.spec import SourceSpec, SqlSpec

_AT_ONCE = 1_000  # rows
_AS_TEXT = (datetime.date, datetime.time, decimal.Decimal, uuid.UUID)
_RELATIVE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:)(.+)")


@dataclass
class SqlQuery:
    """A query as a source; `name` says which one, without a password."""

    name: str
    url: str
    query: str
    stamp: str = "{}"  # nothing tells a change but the rows
    _digests: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, spec: SqlSpec, source: SourceSpec, folder: str) -> SqlQuery:
        """Args: `folder` is what a relative SQLite path starts from.

        Raises:
            ConfigError: the URL is none, or names an environment variable that is not set.
        """
        import sqlalchemy

        url = _RELATIVE.sub(lambda found: f"{found[1]}{os.path.join(folder, found[2])}", _expanded(spec.url))
        try:
            parsed = sqlalchemy.make_url(url)
        except sqlalchemy.exc.ArgumentError:
            raise ConfigError(
                "this is no database URL", where="sources.sql.url", fix="write postgresql+psycopg://USER@HOST/DATABASE"
            ) from None
        database = os.path.basename(parsed.database or "")
        return cls(source.name or f"sql:{parsed.get_backend_name()}/{database}", url, spec.query)

    @property
    def key(self) -> str:
        """Names the source in a cache that must hold no password."""
        return hashlib.sha256(f"{self.url}\0{self.query}".encode()).hexdigest()

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
        with _told(self.name):
            engine = sqlalchemy.create_engine(self.url, hide_parameters=True)
            try:
                with engine.connect().execution_options(yield_per=_AT_ONCE) as connection:
                    result = connection.execute(sqlalchemy.text(self.query))
                    columns = list(result.keys())
                    if source is not None:
                        require_columns(columns, self.name, source, fix=f"columns: {', '.join(columns[:20])}")
                    for row in result:
                        fields = {name: _plain(value) for name, value in zip(columns, row, strict=True)}
                        total += int.from_bytes(hashlib.sha256(_written(fields)).digest(), "big")
                        yield fields
            finally:
                engine.dispose()
        self._digests.append(f"{total % 2**256:064x}")


def _expanded(url: str) -> str:
    """With `${NAME}` replaced from the environment."""
    expanded = os.path.expandvars(url)
    if (left := re.search(r"\$\{?(\w+)", expanded)) is not None:
        raise ConfigError(
            f"the environment variable {left[1]} is not set", where="sources.sql.url", fix=f"export {left[1]}=…"
        )
    return expanded


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What a database says as one line, without values of rows."""
    import sqlalchemy.exc

    try:
        yield
    except (sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        raise DataError(
            f"this database needs another package: {error}", where=name, fix="install its SQLAlchemy driver"
        ) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        # What is wrong with a query or a connection is told; a value that cannot be cast is quoted by some databases.
        told = isinstance(error, sqlalchemy.exc.ProgrammingError | sqlalchemy.exc.OperationalError)
        reason = str(getattr(error, "orig", error)).splitlines()[0] if told else type(error).__name__
        raise DataError(f"the query failed: {reason}", where=name, fix="check url and query of the source") from None


def _plain(value: Any) -> Any:
    """As templates take it: dates and exact numbers in writing."""
    return str(value) if isinstance(value, _AS_TEXT) else value


def _written(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, default=repr).encode("utf-8", "surrogatepass")
