"""The database handle: short transactions, one pool, errors mapped to the platform's own."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, TypeDecorator, create_engine, event
from sqlalchemy.exc import DataError, OperationalError, StatementError

from miyun.core.errors import DatabaseUnreachable, InvalidArgument, Overloaded, StorageFull
from miyun.core.i18n import Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python; naive UTC in SQLite, timestamptz in PostgreSQL. Naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime given to the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """`with db.read() as c:` for queries; `with db.write() as c:` for one transaction (BEGIN IMMEDIATE on SQLite)."""

    def __init__(self, dsn: str, *, pool_size: int = 8) -> None:
        self.dsn = dsn
        options: dict[str, Any] = (
            {"pool_pre_ping": False} if dsn.startswith("sqlite") else {"pool_size": pool_size, "pool_pre_ping": True}
        )
        self.engine: Engine = create_engine(dsn, hide_parameters=True, **options)  # errors reach the log
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _mapped(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with _mapped(), self.engine.connect().execution_options(immediate=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    @property
    def where(self) -> str:
        """Server and name, without user and password."""
        url = self.engine.url
        return (
            f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}" if url.drivername != "sqlite" else "SQLite"
        )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        # PostgreSQL takes no NUL in text, and no more than a column's length; it is the caller who sent either.
        raise InvalidArgument(
            "request",
            Text("有的值无法保存：过长，或含空字符。", "a value cannot be kept: too long, or with a NUL."),
        ) from error
    except OperationalError as error:
        text = str(error.orig).lower()
        if (
            "full" in text
            or "disk i/o" in text
            or getattr(error.orig, "errno", None) == errno.ENOSPC
            or "no space" in text
        ):
            raise StorageFull from error
        if "locked" in text or "busy" in text:
            raise Overloaded(retry_after=1) from error
        if error.connection_invalidated or error.statement is None:  # there is no connection: refused, lost, timed out
            raise DatabaseUnreachable from error
        raise
    except StatementError as error:
        if not isinstance(error.orig, OverflowError):
            raise
        raise InvalidArgument(  # at an end of the calendar, in a zone whose UTC lies beyond it
            "request", Text("有的时间超出了可表示的范围。", "a time lies beyond the calendar.")
        ) from error
