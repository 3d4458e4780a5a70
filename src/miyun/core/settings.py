"""Settings: `miyun.toml` in MIYUN_HOME, overridden by environment `MIYUN_SECTION__KEY`. Unknown keys are refused."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text


class InvalidSettings(MiyunError):
    status = 500
    text = Text("配置无效（{where}）：{reason}。", "Invalid settings ({where}): {reason}.")
    remedy = Text("请修正该项后重新启动。", "Correct the item and start again.")


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Server(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8600
    workers: int = 2
    max_connections: int = 2048
    public_url: str = ""  # what certificates and pages name; default https://host:port


class DatabaseSettings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    dsn: str = ""  # empty: SQLite in data/miyun.db


class MachineSettings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    uid: int = 0  # numeric user of the VSM process when started as root; 0 keeps the platform's user
    root: str = "keyfile"  # "keyfile" (development, unlocks by itself) | "shares"
    shares: int = 3
    threshold: int = 2


class LedgerSettings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    segment_bytes: int = 256 * 1024 * 1024
    anchor_seconds: int = 60


class TimestampSettings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    tolerance_seconds: float = 1.0


class Settings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings with their defaults; `home` is not a key of the file."""

    home: Path = Path("var")
    server: Server = Server()
    database: DatabaseSettings = DatabaseSettings()
    machine: MachineSettings = MachineSettings()
    ledger: LedgerSettings = LedgerSettings()
    timestamp: TimestampSettings = TimestampSettings()

    @property
    def dsn(self) -> str:
        return self.database.dsn or f"sqlite:///{self.home / 'data' / 'miyun.db'}"

    @property
    def url(self) -> str:
        return self.server.public_url or f"https://{self.server.host}:{self.server.port}"

    def folder(self, name: str) -> Path:
        """One of data, journal, run, log, secrets under `home`."""
        return self.home / name


FOLDERS = ("data", "journal", "run", "log", "secrets")
# variables that are not settings keys
_RESERVED = frozenset(
    {
        "MIYUN_HOME",
        "MIYUN_GM_PROVIDER",
        "MIYUN_LANG",
        "MIYUN_TRACE",
        "MIYUN_FAULT_ROUNDS",
        # of a caller's profile
        "MIYUN_PROFILE",
        "MIYUN_URL",
        "MIYUN_AUTHORITY",
        "MIYUN_ACCESS_KEY",
        "MIYUN_SECRET_KEY",
        "MIYUN_SESSION",
        "MIYUN_TENANT",
    }
)


def load(home: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read `<home>/miyun.toml` (if there) and the environment. Raises InvalidSettings naming the key."""
    environ = os.environ if environ is None else environ
    folder = Path(home or environ.get("MIYUN_HOME") or "var").resolve()
    values: dict[str, Any] = {}
    file = folder / "miyun.toml"
    if file.exists():
        try:
            values = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidSettings(where=file.name, reason=str(error)) from error
    for name, value in environ.items():
        if name.startswith("MIYUN_") and name not in _RESERVED:
            section, separator, key = name.removeprefix("MIYUN_").lower().partition("__")
            if not separator:
                raise InvalidSettings(where=name, reason="expected MIYUN_SECTION__KEY")
            values.setdefault(section, {})[key] = value
    values["home"] = str(folder)
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise InvalidSettings(where=file.name + " / environment", reason=str(error)) from error


def prepare(settings: Settings) -> None:
    """Create MIYUN_HOME (0700) and its folders."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(settings.home, 0o700)
    for name in FOLDERS:
        (settings.home / name).mkdir(mode=0o700, exist_ok=True)
