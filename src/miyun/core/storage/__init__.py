"""Relational storage: SQLite (WAL, synchronous=FULL) by default, PostgreSQL by DSN. SQLAlchemy Core, synchronous.

`metadata` is the one registry of tables: a room's `store.py` declares `Table("kms_key", metadata, ...)`, its names
prefixed by the room's slug. Migrations are one linear Alembic history in `core/storage/migrations`.
"""

from miyun.core.storage.database import Database, UtcDateTime, metadata

__all__ = ("Database", "UtcDateTime", "metadata")
