"""A pinned, consistent copy of the database while others go on writing, and putting one back.

SQLite: a read transaction on the WAL pins the snapshot; the online backup API copies it. PostgreSQL: an exported
snapshot for `pg_dump`. Passwords of a DSN go through the environment of the child, never its arguments.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, inspect, make_url, text

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.core.storage.database import Database


class DatabaseToolFailed(MiyunError):
    status = 500
    text = Text("数据库工具 {tool} 失败：{reason}", "The database's tool {tool} failed: {reason}")
    remedy = Text(
        "请安装与服务器同版本或更新的 PostgreSQL 客户端工具。",
        "Install PostgreSQL client tools of the server's version or later.",
    )


class Snapshot(Protocol):
    kind: str  # "sqlite" | "postgresql"
    file_name: str

    def copy_to(self, target: Path) -> None: ...
    def release(self) -> None: ...


def pin(database: Database) -> Snapshot:
    """The database as it is now, until `release`."""
    if database.engine.dialect.name == "sqlite":
        return SqliteSnapshot(database)
    return PostgresSnapshot(database)


class SqliteSnapshot:
    kind = "sqlite"
    file_name = "miyun.db"

    def __init__(self, database: Database) -> None:
        path = database.engine.url.database
        assert path is not None
        self._connection = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA busy_timeout=5000")
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # only a read pins it

    def copy_to(self, target: Path) -> None:
        copy = sqlite3.connect(target)
        try:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            (state,) = copy.execute("PRAGMA quick_check").fetchone()
            if state != "ok":
                raise DatabaseToolFailed(tool="sqlite", reason=state)
        finally:
            copy.close()

    def release(self) -> None:
        self._connection.close()


class PostgresSnapshot:
    kind = "postgresql"
    file_name = "miyun.dump"

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._connection = database.engine.connect().execution_options(isolation_level="REPEATABLE READ")
        self._snapshot = str(self._connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())

    def copy_to(self, target: Path) -> None:
        _run("pg_dump", self._engine, "--format=custom", f"--snapshot={self._snapshot}", f"--file={target}")

    def release(self) -> None:
        self._connection.close()


def is_empty(dsn: str) -> bool:
    """Whether a PostgreSQL database holds no table."""
    database = Database(dsn)
    try:
        with database.read() as connection:
            return not inspect(connection).get_table_names()
    finally:
        database.close()


def put_back(dsn: str, dump: Path) -> None:
    """A dump into an empty PostgreSQL database, in one transaction."""
    database = Database(dsn)
    try:
        _run("pg_restore", database.engine, "--no-owner", "--exit-on-error", "--single-transaction", "--dbname=", dump)
    finally:
        database.close()


def sqlite_path(dsn: str) -> Path | None:
    """The file of an SQLite DSN, None of any other."""
    url = make_url(dsn)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _run(tool: str, engine: Engine, *arguments: str | Path) -> None:
    url = engine.url
    host = url.host or url.query.get("host", "")
    settings = {
        "PGHOST": host if isinstance(host, str) else host[0],
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username or "",
        "PGPASSWORD": str(url.password or ""),
        "PGDATABASE": url.database or "",
    }
    environment = {**os.environ, **{name: value for name, value in settings.items() if value}}
    fixed = [f"--dbname={url.database}" if argument == "--dbname=" else str(argument) for argument in arguments]
    try:
        subprocess.run([_program(tool), *fixed], env=environment, capture_output=True, check=True, text=True)
    except OSError as error:
        raise DatabaseToolFailed(tool=tool, reason=error.strerror or "not found") from error
    except subprocess.CalledProcessError as error:
        raise DatabaseToolFailed(tool=tool, reason=error.stderr.strip()[-300:]) from error


def _program(name: str) -> str:
    """The newest version's: an older one refuses a newer server."""
    versions = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    return str(newest) if newest else shutil.which(name) or name
