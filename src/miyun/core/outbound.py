"""The one way by which the platform asks other machines by HTTP: under an address policy, within a size and a time.

A name that somebody else chose (a domain to be validated, a revocation list's address) must not lead into the network
that the platform stands in. So the name is resolved once, its addresses are judged, and the connection goes to the
address that was judged: what a name server answers a second later changes nothing. Redirects are judged anew.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urljoin

import httpcore

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

REDIRECTS: Final = 10
USER_AGENT: Final = "miyun"
log = logging.getLogger("miyun.outbound")


class AddressRefused(MiyunError):
    """The policy does not allow any address of the host."""

    status = 400
    text = Text("不允许访问 {host}（{address}）。", "Not allowed to connect to {host} ({address}).")
    remedy = Text(
        "地址须为公网单播地址；内网目标请由平台管理员在 [outbound] allow 中放行。",
        "It has to be a public unicast address; for an internal one the operator adds its network to [outbound] allow.",
    )

    def __init__(self, host: str, address: str) -> None:
        super().__init__(field="url", host=host, address=address)
        self.host = host


class OutboundFailed(MiyunError):
    """It was tried, and there was no whole answer. `kind` is for programs: dns, connect, tls, timeout, size, http."""

    status = 502
    text = Text("访问 {host} 失败：{reason_zh}", "{host} could not be asked: {reason_en}")
    remedy = Text("请检查对端服务与网络后重试。", "Check the other side and the network, then try again.")

    def __init__(self, host: str, kind: str, reason: Text) -> None:
        super().__init__(field="url", host=host, reason_zh=reason.zh, reason_en=reason.en)
        self.host = host
        self.kind = kind


# IANA's special-purpose registries, as of 2026, and what is not unicast. Not `is_global`: it differs between releases
# of Python, and says yes to multicast.
_SPECIAL_4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
_UNICAST_6: Final = ipaddress.IPv6Network("2000::/3")
_SPECIAL_6: Final = tuple(
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20", "2620:4f:8000::/48")
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4: Final = ipaddress.IPv6Network("2002::/16")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Global unicast, and the networks of `allow`. `ports` None: any."""

    allow: tuple[Network, ...] = ()
    ports: frozenset[int] | None = None

    @staticmethod
    def of(allow: Iterable[str], ports: Iterable[int] | None = None) -> AddressPolicy:
        """Raises ValueError for what is no network."""
        networks = tuple(ipaddress.ip_network(text) for text in allow)
        if networks:
            log.warning("outbound connections are allowed to internal networks: %s", ", ".join(map(str, networks)))
        return AddressPolicy(networks, None if ports is None else frozenset(ports))

    def permits(self, address: Address) -> bool:
        """What an address stands for is judged: of an IPv4 address inside an IPv6 address (mapped, NAT64, 6to4)."""
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
            return False
        inner = _inner(address)
        return _is_global(inner) or any(inner in network for network in self.allow if network.version == inner.version)


def _inner(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        return ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    return address


def _is_global(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    return address in _UNICAST_6 and not any(address in network for network in _SPECIAL_6)


@dataclass(frozen=True, slots=True)
class Fetched:
    """`headers` have lower-case names; of repeated ones the values are joined by ", ". `url`: after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    scheme: str
    host: str  # without the brackets of an IPv6 address
    port: int
    path: str  # with the query

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\[\]:/?#@\s\\]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?][^\s#]*)?(?:#.*)?",
    re.IGNORECASE | re.ASCII,
)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)


def parse_url(url: str) -> Target:
    """http and https only, without credentials. Raises OutboundFailed.

    A host that ends in a number is an IPv4 address in its usual form or nothing: the resolver would take 0177.1 or
    2130706433 for 127.0.0.1.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise _unreadable(url)
    scheme, host = found["scheme"].lower(), found["host"].lower()
    if host.startswith("["):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise _unreadable(url) from None
    elif _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise _unreadable(url) from None
    port = int(found["port"] or (443 if scheme == "https" else 80))
    if not 0 < port < 65536 or not host.isascii():
        raise _unreadable(url)
    path = found["path"] or "/"
    return Target(scheme, host, port, path if path.startswith("/") else "/" + path)


def _unreadable(url: str) -> OutboundFailed:
    reason = Text("不是可访问的 http/https 地址", "not an address of http or https that can be asked")
    return OutboundFailed(url[:200], "url", reason)


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the machine's own resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def permitted(host: str, port: int, policy: AddressPolicy, resolver: Resolver = resolve) -> list[str]:
    """The addresses of a host that may be connected to, at least one. Raises AddressRefused, OutboundFailed."""
    if policy.ports is not None and port not in policy.ports:
        raise AddressRefused(host, f":{port}")
    try:
        texts = [host] if is_address(host) else await resolver(host, port)
    except (OSError, UnicodeError):
        raise OutboundFailed(host, "dns", Text("域名无法解析", "its name cannot be resolved")) from None
    addresses = [ipaddress.ip_address(text) for text in dict.fromkeys(texts)]
    allowed = [str(address) for address in addresses if policy.permits(address)]
    if not addresses:
        raise OutboundFailed(host, "dns", Text("域名没有地址", "its name has no address"))
    if not allowed:
        raise AddressRefused(host, ", ".join(map(str, addresses[:4])))
    return allowed


async def connect(
    host: str,
    port: int,
    policy: AddressPolicy,
    *,
    tls: ssl.SSLContext | None = None,
    resolver: Resolver = resolve,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first permitted address that answers; with `tls`, the host's name is asked for.

    The caller bounds the time. Raises AddressRefused, OutboundFailed, ssl.SSLError.
    """
    last: OSError | None = None
    for address in (await permitted(host, port, policy, resolver))[:4]:
        try:
            return await asyncio.open_connection(address, port, ssl=tls, server_hostname=host if tls else None)
        except ssl.SSLError:
            raise
        except OSError as error:
            last = error
    assert last is not None, "at least one address is permitted"
    raise OutboundFailed(host, "connect", _said(last)) from last


class _Judged(httpcore.AsyncNetworkBackend):
    """Connects to judged addresses only; TLS asks for the name all the same."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver) -> None:
        self._policy, self._resolver = policy, resolver
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        last: Exception | None = None
        for address in (await permitted(host, port, self._policy, self._resolver))[:4]:
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.NetworkError as error:
                last = error
        assert last is not None, "at least one address is permitted"
        raise last

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def fetch(
    url: str,
    policy: AddressPolicy,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] = {},
    max_bytes: int,
    timeout: float,
    tls: ssl.SSLContext | None = None,
    redirects: int = REDIRECTS,
    resolver: Resolver = resolve,
) -> Fetched:
    """One answer, whatever its status. `timeout` is for everything together, redirects and body included.

    `tls`: whom to believe of https (default: the machine's authorities). Headers and body do not follow a redirect to
    another origin. Raises AddressRefused, OutboundFailed.
    """
    target = parse_url(url)
    try:
        async with asyncio.timeout(timeout):
            for _ in range(redirects + 1):
                fetched = await _ask(target, policy, method, body, headers, max_bytes, tls, resolver)
                location = fetched.headers.get("location")
                if fetched.status not in (301, 302, 303, 307, 308) or not location or not redirects:
                    return fetched
                following = parse_url(urljoin(fetched.url, location))
                if fetched.status in (301, 302, 303) and method not in ("GET", "HEAD"):
                    method, body = "GET", b""
                if following.origin != target.origin:
                    headers, body = {}, b""
                target = following
    except TimeoutError:
        seconds = f"{timeout:g}"
        reason = Text(f"{seconds} 秒内没有完整应答", f"no whole answer within {seconds} s")
        raise OutboundFailed(target.host, "timeout", reason) from None
    raise OutboundFailed(target.host, "http", Text("重定向过多", "it redirects too often"))


async def _ask(
    target: Target,
    policy: AddressPolicy,
    method: str,
    body: bytes,
    headers: Mapping[str, str],
    max_bytes: int,
    tls: ssl.SSLContext | None,
    resolver: Resolver,
) -> Fetched:
    host = f"[{target.host}]" if ":" in target.host else target.host
    usual = 443 if target.scheme == "https" else 80
    named = host if target.port == usual else f"{host}:{target.port}"
    sent = {
        "host": named,
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "connection": "close",
        **{name.lower(): value for name, value in headers.items()},
    }
    if body:
        sent["content-length"] = str(len(body))
    url = f"{target.scheme}://{named}{target.path}"
    context = (tls or _machine_trust()) if target.scheme == "https" else None
    try:
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=context, http2=False, network_backend=_Judged(policy, resolver)
            ) as pool,
            pool.stream(method, url, headers=list(sent.items()), content=body or None) as answer,
        ):
            received: dict[str, str] = {}
            for raw, value in answer.headers:
                name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
                received[name] = f"{received[name]}, {text}" if name in received else text
            content = bytearray()
            async for part in answer.aiter_stream():
                content += part
                if len(content) > max_bytes:
                    reason = Text(f"应答超过 {max_bytes} 字节", f"its answer is more than {max_bytes} octets")
                    raise OutboundFailed(target.host, "size", reason)
            return Fetched(answer.status, received, bytes(content), url)
    except httpcore.ConnectError as error:
        kind = "tls" if isinstance(error.__cause__, ssl.SSLError) else "connect"
        raise OutboundFailed(target.host, kind, _said(error)) from error
    except (httpcore.NetworkError, httpcore.TimeoutException) as error:
        raise OutboundFailed(target.host, "connect", _said(error)) from error
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError) as error:
        raise OutboundFailed(target.host, "http", _said(error)) from error


def _said(error: Exception) -> Text:
    said = (str(error) or type(error).__name__)[:200]
    return Text(said, said)


@cache
def _machine_trust() -> ssl.SSLContext:
    return ssl.create_default_context()
