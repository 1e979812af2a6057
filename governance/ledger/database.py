"""The table of the ledger in SQLite or PostgreSQL, written by one process at a time.

SQLite: `BEGIN IMMEDIATE` takes the writer's lock before the last row is read. PostgreSQL: an advisory lock that ends
with the transaction. Reading goes in pages of short transactions, so that a long walk keeps no writer waiting.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import BusyError, ConfigError, LedgerError
from governance.ledger.entries import Entry

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

_PAGE = 1_000  # rows
_BUSY_SECONDS = 60.0
_ADVISORY_LOCK = 0x444F4D5A4C454447  # "DOMZLEDG"


class Database:
    """The ledger's table; made with its first entry.

    Args:
        url: `sqlite:///…` or `postgresql+psycopg://…`.

    Raises:
        ConfigError: the URL is none, or of another database.
    """

    def __init__(self, url: str) -> None:
        import sqlalchemy as sa

        try:
            self._url = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):  # what they say may quote a part of a password
            raise ConfigError(
                "this is no database URL", where="ledger", fix="write postgresql+psycopg://USER@HOST/DATABASE"
            ) from None
        self.where = self._url.render_as_string(hide_password=True)
        if self._url.get_backend_name() not in ("sqlite", "postgresql"):
            raise ConfigError(
                "the ledger is kept in SQLite or PostgreSQL", where=self.where, fix="change ledger in zoo.yaml"
            )

    @property
    def file(self) -> Path | None:
        """Of a SQLite database."""
        return Path(self._url.database or "") if self._url.get_backend_name() == "sqlite" else None

    def append(
        self, event: str, about: str, make: Callable[[Entry | None, Entry | None], Entry | None]
    ) -> Entry | None:
        """Adds what `make` returns, alone with the database meanwhile.

        Args:
            make: gets the last entry of all, and the latest one of this event about the same thing; returns the new
                entry, or None to add nothing.
        """
        table = _table()
        newest = table.select().order_by(table.c.number.desc())
        with self._told(), self._begin() as connection:
            self._create(connection)
            same = newest.where(table.c.event == event, table.c.about == about)
            entry = make(self._first(connection, newest), self._first(connection, same))
            if entry is not None:
                connection.execute(table.insert().values(**vars(entry)))
        return entry

    def entries(
        self, *, event: str | None = None, about: str | None = None, last: int | None = None
    ) -> Iterator[Entry]:
        """Entries in the order of their numbers, from the first or only the `last` ones."""
        if self.file is not None and not self.file.is_file():
            return
        table = _table()
        wanted = table.select()
        if event is not None:
            wanted = wanted.where(table.c.event == event)
        if about is not None:
            wanted = wanted.where(table.c.about == about)
        if last is not None:
            yield from reversed(self._read(wanted.order_by(table.c.number.desc()).limit(last)))
            return
        page = self._read(wanted.order_by(table.c.number).limit(_PAGE))
        while page:
            yield from page
            page = self._read(wanted.where(table.c.number > page[-1].number).order_by(table.c.number).limit(_PAGE))

    def _read(self, statement: Any) -> list[Entry]:
        import sqlalchemy as sa

        with self._told(), self._engine.connect() as connection:
            if not sa.inspect(connection).has_table(_table().name):
                return []
            return [Entry(**row) for row in connection.execute(statement).mappings()]

    @staticmethod
    def _first(connection: Connection, statement: Any) -> Entry | None:
        row = connection.execute(statement.limit(1)).mappings().first()
        return None if row is None else Entry(**row)

    @functools.cached_property
    def _engine(self) -> Engine:
        import sqlalchemy as sa
        from sqlalchemy.pool import NullPool

        # No pool: appends are rare, and an open connection does not survive a fork.
        options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
        if self.file is None:
            of_libpq = self._url.get_driver_name() in ("psycopg", "psycopg2")
            # Without it psycopg gives bytes for the text of a SQL_ASCII database, which SQLAlchemy cannot take.
            encoding = {"client_encoding": "utf8"} if of_libpq else {}
            return sa.create_engine(self._url, connect_args=encoding, **options)
        engine = sa.create_engine(self._url, connect_args={"timeout": _BUSY_SECONDS}, **options)

        @sa.event.listens_for(engine, "connect")
        def _plain_sqlite(connection: Any, record: object) -> None:
            connection.isolation_level = None  # the driver's own BEGIN comes too late
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")  # bytes of an edited row

        return engine

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        """A transaction that no other writer shares."""
        if self.file is None:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
                yield connection
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def _create(self, connection: Connection) -> None:
        from sqlalchemy.schema import CreateIndex, CreateTable

        table = _table()
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=True))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What a database throws as one line, without statements and values."""
        import sqlalchemy as sa

        try:
            yield
        except (sa.exc.NoSuchModuleError, ImportError) as error:
            raise ConfigError(
                f"this database needs another package: {error}",
                where=self.where,
                fix="pip install 'domain-zoo[postgres]', and write postgresql+psycopg://…",
            ) from None
        except OSError as error:
            raise LedgerError(
                f"cannot write: {error.strerror}", where=self.where, fix="check storage or ledger in zoo.yaml"
            ) from None
        except sa.exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            if "is locked" in said:
                raise BusyError(
                    "another process holds the ledger", where=self.where, fix="run the same command again"
                ) from None
            raise LedgerError(
                f"the ledger cannot be read or written: {said}", where=self.where, fix="check ledger in zoo.yaml"
            ) from None


@functools.cache
def _table() -> Table:
    import sqlalchemy as sa

    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts rows by INTEGER alone
    columns: list[Any] = [sa.Column("number", number, primary_key=True, autoincrement=False)]
    columns += [sa.Column(name, sa.Text, nullable=False) for name in ("time", "event", "about", "body")]
    columns += [sa.Column(name, sa.String(64), nullable=False) for name in ("previous", "hash")]
    return sa.Table("ledger", sa.MetaData(), *columns, sa.Index("ledger_event_about", "event", "about"))
