"""Before anything starts: MIYUN_HOME with its folders, and the database at this version's schema."""

from __future__ import annotations

from miyun.core import settings as core_settings
from miyun.core.settings import Settings
from miyun.core.storage import Database
from miyun.core.storage.schema import upgrade


def prepare(settings: Settings) -> None:
    """Safe to repeat. Raises InvalidSettings, SchemaNewer, StorageFull."""
    core_settings.prepare(settings)
    database = Database(settings.dsn)
    try:
        upgrade(database)
    finally:
        database.close()
