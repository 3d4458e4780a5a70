"""Settings: `miyun.toml` in MIYUN_HOME, overridden by environment `MIYUN_SECTION__KEY`. Unknown keys are refused."""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from miyun.core.decoding import to_error
from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.wire.origin import origin_of


class InvalidSettings(MiyunError):
    status = 500
    text = Text("配置无效（{where}）：{reason_zh}。", "Invalid settings ({where}): {reason_en}.")
    remedy = Text("请修正该项后重新启动。", "Correct the item and start again.")

    def __init__(self, where: str, reason: Text) -> None:
        super().__init__(where=where, reason_zh=reason.zh.rstrip("。"), reason_en=reason.en.rstrip("."))


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Server(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8600
    mutual_port: int | None = (
        None  # where clients are asked for a certificate (mutual TLS); default port + 1; 0: nowhere
    )
    publication_port: int | None = None  # revocation lists, OCSP, CA files without TLS; default port + 2; 0: nowhere
    workers: int = 2
    max_connections: int = 2048
    metrics_token: str = ""  # bearer token for /metrics from elsewhere; empty: only this machine reads it
    hangs_after: float = 30.0  # seconds without an answer after which a process is replaced; 0: none is asked
    public_url: str = ""  # what pages name; default https://host:port
    mutual_public_url: str = ""  # the same of the address with mutual TLS; its host has to be the same
    publication_public_url: str = ""  # what certificates name; default http://host:publication_port


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


class TimeSettings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    servers: tuple[str, ...] = ()  # NTP, host[:port]; none: only the kernel's clock is watched
    minimum: int = 0  # how many servers must agree; 0: the majority
    tolerance_seconds: float = 1.0  # how far the clock may be off, and servers apart, before timestamps stop


class OutboundSettings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    allow: tuple[str, ...] = ()  # internal networks (CIDR) that the platform may ask besides public addresses


class LoginSettings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    agent: str = "http://127.0.0.1:8610"  # where a page finds the key agent of the person's own machine


class AcmeDirectory(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    ca_file: str = ""  # authorities of its TLS certificate, PEM; empty: the machine's


class AcmeSettings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    http_port: int = 80  # where http-01 is asked; anything else proves nothing to the world outside
    nameservers: tuple[str, ...] = ()  # resolvers for dns-01, host[:port]; none: the zone's own name servers
    directories: dict[str, AcmeDirectory] = {}  # outside CAs that tenants may order from, by name
    caa_domains: tuple[str, ...] = ()  # by which CAA records name this CA; none: they are not asked (a closed network)
    dns_program: str = ""  # for dns-01 at those: PROGRAM present|clean NAME VALUE


class Settings(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings with their defaults; `home` is not a key of the file."""

    home: Path = Path("var")
    server: Server = Server()
    database: DatabaseSettings = DatabaseSettings()
    machine: MachineSettings = MachineSettings()
    ledger: LedgerSettings = LedgerSettings()
    time: TimeSettings = TimeSettings()
    login: LoginSettings = LoginSettings()
    outbound: OutboundSettings = OutboundSettings()
    acme: AcmeSettings = AcmeSettings()

    @property
    def dsn(self) -> str:
        return self.database.dsn or f"sqlite:///{self.home / 'data' / 'miyun.db'}"

    @property
    def url(self) -> str:
        return self.server.public_url or f"https://{self.server.host}:{self.server.port}"

    @property
    def mutual_port(self) -> int:
        return self.server.port + 1 if self.server.mutual_port is None else self.server.mutual_port

    @property
    def mutual_url(self) -> str:
        """Empty where no address asks for certificates."""
        if not self.mutual_port:
            return ""
        return self.server.mutual_public_url or f"https://{self._host}:{self.mutual_port}"

    @property
    def publication_port(self) -> int:
        return self.server.port + 2 if self.server.publication_port is None else self.server.publication_port

    @property
    def publication_url(self) -> str:
        """What certificates name. HTTPS where nothing is served in the clear, which many clients do not follow."""
        if self.server.publication_public_url:
            return self.server.publication_public_url
        return f"http://{self._host}:{self.publication_port}" if self.publication_port else self.url

    @property
    def _host(self) -> str:
        host = urlsplit(self.url).hostname or ""
        return f"[{host}]" if ":" in host else host

    def folder(self, name: str) -> Path:
        """One of data, journal, run, log, secrets under `home`."""
        return self.home / name


_LISTS = frozenset(
    {("time", "servers"), ("outbound", "allow"), ("acme", "nameservers")}
)  # in the environment: separated by commas
_PLACE = re.compile(r"at line (\d+), column (\d+)")
FOLDERS = ("data", "journal", "run", "log", "secrets")
# variables that are not settings keys
_RESERVED = frozenset(
    {
        "MIYUN_HOME",
        "MIYUN_GM_PROVIDER",
        "MIYUN_LANG",
        "MIYUN_TRACE",
        "MIYUN_TOKENS",
        # of a caller's profile
        "MIYUN_PROFILE",
        "MIYUN_URL",
        "MIYUN_AUTHORITY",
        "MIYUN_ACCESS_KEY",
        "MIYUN_SECRET_KEY",
        "MIYUN_SESSION",
        "MIYUN_TENANT",
        "MIYUN_AGENT",
        "MIYUN_SKF_LIBRARY",
        "MIYUN_KEY_NAME",
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
        except UnicodeDecodeError as error:
            raise InvalidSettings(file.name, Text("不是有效的 UTF-8", "it is not valid UTF-8")) from error
        except tomllib.TOMLDecodeError as error:
            raise InvalidSettings(file.name, _toml_reason(str(error))) from error
    for name, value in environ.items():
        if name.startswith("MIYUN_") and name not in _RESERVED:
            section, separator, key = name.removeprefix("MIYUN_").lower().partition("__")
            if not separator:
                raise InvalidSettings(name, Text("应为 MIYUN_节__项", "expected MIYUN_SECTION__KEY"))
            values.setdefault(section, {})[key] = _split(value) if (section, key) in _LISTS else value
    values["home"] = str(folder)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise InvalidSettings(file.name + " / environment", to_error(error, wanted=Settings).message) from error
    _check_server(settings)
    _check_database(settings.dsn)
    _check_time(settings.time)
    _check_login(settings.login)
    _check_outbound(settings.outbound)
    _check_servers("acme.nameservers", settings.acme.nameservers, 53)
    return settings


def host_and_port(text: str, default: int) -> tuple[str, int]:
    """`host`, `host:port`, `2001:db8::1` or `[2001:db8::1]:port`. Raises ValueError."""
    host, port = text, ""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        if not closed or (rest and rest == port):
            raise ValueError(text)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    number = int(port) if port else default
    if not host or not 0 < number < 65536 or any(character.isspace() for character in host):
        raise ValueError(text)
    return host, number


def _check_server(settings: Settings) -> None:
    """Raises InvalidSettings. A login begins at one of the two addresses and ends at the other: the browser's cookies
    go to both because their host is one."""
    server = settings.server
    ports = {"server.mutual_port": settings.mutual_port, "server.publication_port": settings.publication_port}
    taken = {server.port}
    for where, port in ports.items():
        if not 0 <= port <= 65535 or port in taken:
            reason = Text("应为 0 至 65535 且与其他端口不同", "it should be 0 to 65535, and none of the other ports")
            raise InvalidSettings(where, reason)
        taken |= {port} - {0}
    try:
        origin_of(settings.url)  # people's keys sign for it
    except ValueError:
        reason = Text("应为 https:// 地址", "it should be an https:// address")
        raise InvalidSettings("server.public_url", reason) from None
    if urlsplit(settings.publication_url).scheme not in ("http", "https"):
        reason = Text("应为 http:// 地址", "it should be an http:// address")
        raise InvalidSettings("server.publication_public_url", reason)
    host, mutual = urlsplit(settings.url), urlsplit(settings.mutual_url)
    if settings.mutual_url and (mutual.scheme, mutual.hostname) != ("https", host.hostname):
        reason = Text(f"应为 https://{host.hostname}:端口", f"it should be https://{host.hostname}:port")
        raise InvalidSettings("server.mutual_public_url", reason)


def _check_database(dsn: str) -> None:
    """Raises InvalidSettings, which does not repeat the DSN: a password may be in it."""
    if not dsn.startswith(("sqlite://", "postgresql://", "postgresql+psycopg://")):
        reason = Text(
            "应为 postgresql://用户@主机:端口/数据库，或留空使用内置的 SQLite",
            "it should be postgresql://user@host:port/database, or empty for the SQLite that comes with it",
        )
        raise InvalidSettings("database.dsn", reason)


def _check_time(time: TimeSettings) -> None:
    """Raises InvalidSettings."""
    _check_servers("time.servers", time.servers, 123)
    if len(set(time.servers)) != len(time.servers):
        raise InvalidSettings("time.servers", Text("同一服务器列出了两次", "a server is listed twice"))
    if not 0 <= time.minimum <= len(time.servers):
        reason = Text("应在 0 与时间源个数之间", "it must lie between 0 and the number of servers")
        raise InvalidSettings("time.minimum", reason)
    if not 0 < time.tolerance_seconds <= 60:
        reason = Text("应大于 0 且不超过 60 秒", "it must be more than 0 and at most 60 seconds")
        raise InvalidSettings("time.tolerance_seconds", reason)


def _check_servers(where: str, servers: Sequence[str], port: int) -> None:
    """Raises InvalidSettings."""
    for server in servers:
        try:
            host_and_port(server, port)
        except ValueError as error:
            reason = Text(f"“{server}”应为 主机[:端口]", f"'{server}' should be host[:port]")
            raise InvalidSettings(where, reason) from error


def _check_outbound(outbound: OutboundSettings) -> None:
    """Raises InvalidSettings."""
    for text in outbound.allow:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            reason = Text(f"“{text}”应为网段，如 10.0.0.0/8", f"'{text}' should be a network such as 10.0.0.0/8")
            raise InvalidSettings("outbound.allow", reason) from error


def _check_login(login: LoginSettings) -> None:
    """Raises InvalidSettings. The address goes into pages' security policies, where it names what scripts may ask."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", login.agent):
        reason = Text("应为 http(s)://主机:端口", "it should be http(s)://host:port")
        raise InvalidSettings("login.agent", reason)


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _toml_reason(said: str) -> Text:
    """The parser names the place in English only: the place is kept, its grammar is not translated."""
    place = _PLACE.search(said)
    where = f"第 {place[1]} 行第 {place[2]} 列" if place else "文件末尾"
    return Text(f"{where}不符合 TOML 语法", said)


def prepare(settings: Settings) -> None:
    """Create MIYUN_HOME (0700) and its folders."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(settings.home, 0o700)
    for name in FOLDERS:
        (settings.home / name).mkdir(mode=0o700, exist_ok=True)
