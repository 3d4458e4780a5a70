"""The schema's version: bring it up to date, or refuse to work with one this release does not know."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from miyun.core.errors import DatabaseUnreachable, MiyunError
from miyun.core.i18n import Text
from miyun.core.storage.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6D6979756E  # of PostgreSQL: one upgrade at a time


class SchemaNewer(MiyunError):
    status = 500
    text = Text(
        "数据库版本 {found} 比本程序新（本程序：{known}），未启动。",
        "The database's schema {found} is newer than this release (which knows {known}); nothing was started.",
    )
    remedy = Text(
        "请安装写入该数据库的版本或更新版本；确要退回旧版本，请恢复其备份。",
        "Install the release that wrote it or a later one; to go back, restore a backup of the older release.",
    )


class SchemaOutdated(MiyunError):
    status = 500
    text = Text("数据库版本 {found} 较旧（需要 {known}）。", "The database's schema {found} is older than {known}.")
    remedy = Text(
        "请用原版本备份，再用本版本启动（miyun serve），启动时自动升级。",
        "Back up by the release that wrote it, then start this one (miyun serve), which upgrades it.",
    )


class DatabaseAbsent(MiyunError):
    """At the start, said to who starts the platform; who calls it hears less (DatabaseUnreachable)."""

    status = 503
    text = Text("数据库 {where} 连接不上：{reason}。", "The database {where} cannot be reached: {reason}.")
    remedy = Text(
        "请启动该数据库或改正 database.dsn（miyun.toml 或环境变量 MIYUN_DATABASE__DSN），再执行 miyun serve。",
        "Start it, or correct database.dsn (miyun.toml or MIYUN_DATABASE__DSN), then run miyun serve again.",
    )


def current(database: Database) -> str | None:
    """The revision of the database, None when it is empty."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The revision this release works with."""
    found = _scripts().get_current_head()
    assert found is not None
    return found


def upgrade(database: Database) -> str:
    """Bring the schema to this release's revision in one transaction; answers the revision it had ("" when empty).

    Raises SchemaNewer before touching anything, DatabaseAbsent."""
    try:
        return _upgraded(database)
    except DatabaseUnreachable as error:
        said = str(getattr(error.__cause__, "orig", "") or "").strip().splitlines()
        raise DatabaseAbsent(where=database.where, reason=said[0].rstrip(".") if said else "-") from error


def _upgraded(database: Database) -> str:
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = MigrationContext.configure(connection).get_current_revision()
        _refuse_newer(found)
        if found != head():
            command.upgrade(_config(connection), "head")
    return found or ""


def check(database: Database) -> None:
    """Raises SchemaNewer or SchemaOutdated unless the database is exactly of this release's revision."""
    found = current(database)
    _refuse_newer(found)
    if found != head():
        raise SchemaOutdated(found=found or "-", known=head())


def known(revision: str) -> bool:
    """Whether this release can work with, or upgrade, a database of that revision."""
    return any(script.revision == revision for script in _scripts().walk_revisions())


def _refuse_newer(found: str | None) -> None:
    if found is not None and not known(found):
        raise SchemaNewer(found=found, known=head())


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(None))


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
