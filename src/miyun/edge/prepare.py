"""Before anything starts: MIYUN_HOME with its folders, and the database at this version's schema."""

from __future__ import annotations

from miyun.core import settings as core_settings
from miyun.core.i18n import Text
from miyun.core.settings import InvalidSettings, Settings
from miyun.core.storage import Database
from miyun.core.storage.schema import upgrade
from miyun.gm.errors import ProviderUnavailable
from miyun.gm.providers import provider


def require_provider() -> None:
    """Raises InvalidSettings when the algorithms' provider cannot serve: else every process would fail by itself."""
    try:
        provider()
    except ProviderUnavailable as error:
        reason = Text(f"密码算法引擎不可用：{error}", str(error))
        raise InvalidSettings("MIYUN_GM_PROVIDER", reason) from error


def prepare(settings: Settings) -> None:
    """Safe to repeat. Raises InvalidSettings, DatabaseAbsent, SchemaNewer, StorageFull."""
    require_provider()
    core_settings.prepare(settings)
    database = Database(settings.dsn)
    try:
        upgrade(database)
    finally:
        database.close()
