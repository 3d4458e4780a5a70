"""Passing bytes between TLS clients and the web workers' Unix sockets, bounded in number, memory and patience.

A connection is handed to the worker with the fewest connections once its first request's header has arrived whole, so
that slow clients hold a few bytes here and nothing there. When one side stops reading, the other is paused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from miyun.edge.listener.possession import Session
from miyun.wire.errors import EncodeError
from miyun.wire.proxy import Origin, encode

HEADER_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts. `header` is for the first request; `idle` for silence in both directions after it."""

    connections: int = 2048
    header_seconds: float = 10.0
    header_bytes: int = 64 * 1024
    idle_seconds: float = 120.0
    connect_seconds: float = 2.0
    buffered_bytes: int = 256 * 1024


def refusal(status: int, phrase: str, code: str, zh: str, en: str, retry_after: int | None) -> bytes:
    """A minimal HTTP answer in the form of the platform's own problem documents."""
    problem = {
        "type": f"urn:miyun:error:{code}",
        "title": en,
        "status": status,
        "code": code,
        "detail": zh,
        "zh": {"detail": zh},
        "en": {"detail": en},
    }
    body = json.dumps(problem, ensure_ascii=False).encode()
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
        *([f"retry-after: {retry_after}"] if retry_after is not None else []),
    ]
    return "\r\n".join(lines).encode() + HEADER_END + body


NO_WORKER = refusal(
    503, "Service Unavailable", "Unavailable", "服务暂不可用，请稍后重试。", "Temporarily unavailable; retry later.", 2
)
FULL = refusal(
    503, "Service Unavailable", "Overloaded", "连接数已满，请稍后重试。", "Too many connections; retry later.", 2
)
SLOW = refusal(
    408,
    "Request Timeout",
    "RequestTimeout",
    "请求头未在时限内到达。",
    "The request header did not arrive in time.",
    None,
)
LARGE = refusal(
    431, "Request Header Fields Too Large", "TooLarge", "请求头过大。", "The request header is too large.", None
)


BAD_CERTIFICATE = refusal(
    400,
    "Bad Request",
    "CertificateTooLarge",
    "客户端证书过大。",
    "The client's certificate is too large.",
    None,
)


def origin_of(transport: asyncio.Transport) -> Origin:
    """Who is at the other end, and the certificate whose key they hold, where certificates are asked for."""
    address, port = transport.get_extra_info("peername")[:2]
    session = transport.get_extra_info("ssl_object")
    certificate = session.certificate if isinstance(session, Session) else None
    return Origin(str(address).partition("%")[0], int(port), certificate, tls=session is not None)


@dataclass(slots=True)
class Backend:
    """One web worker as the listener sees it."""

    socket: Path
    connections: int = 0


class Exchange:
    """All connections of the listener. `protocol()` makes the protocol of one new client."""

    def __init__(self, sockets: Sequence[Path], limits: Limits) -> None:
        self.limits = limits
        self.clients: set[Client] = set()
        self._backends = [Backend(socket) for socket in sockets]
        self._empty = asyncio.Event()
        self._empty.set()

    def protocol(self) -> Client:
        return Client(self)

    async def connect(self, client: Client) -> Upstream | None:
        """A connection to the least busy worker that accepts one; None when none does."""
        loop = asyncio.get_running_loop()
        for backend in sorted(self._backends, key=lambda b: b.connections):
            backend.connections += 1
            try:
                async with asyncio.timeout(self.limits.connect_seconds):
                    _, upstream = await loop.create_unix_connection(
                        lambda backend=backend: Upstream(client, backend),  # type: ignore[misc]
                        str(backend.socket),
                    )
                return upstream
            except OSError:  # TimeoutError is one
                backend.connections -= 1
            except BaseException:
                backend.connections -= 1
                raise
        return None

    def entered(self, client: Client) -> bool:
        if len(self.clients) >= self.limits.connections:
            return False
        self.clients.add(client)
        self._empty.clear()
        return True

    def left(self, client: Client) -> None:
        self.clients.discard(client)
        if not self.clients:
            self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Let running requests finish; connections that are between two requests are closed at once."""
        for client in list(self.clients):
            if client.is_quiet:
                client.close()
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            for client in list(self.clients):
                client.abort()


class Side(asyncio.Protocol):
    """What both ends share: a transport, and a peer that is paused when this side cannot be written."""

    transport: asyncio.Transport | None = None

    def peer_transport(self) -> asyncio.Transport | None:
        raise NotImplementedError

    def pause_writing(self) -> None:
        peer = self.peer_transport()
        if peer is not None and not peer.is_closing():
            peer.pause_reading()

    def resume_writing(self) -> None:
        peer = self.peer_transport()
        if peer is not None and not peer.is_closing():
            peer.resume_reading()


class Upstream(Side):
    """The connection to a worker."""

    def __init__(self, client: Client, backend: Backend) -> None:
        self._client, self._backend = client, backend

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class does not derive from it
        self.transport.set_write_buffer_limits(self._client.exchange.limits.buffered_bytes)

    def data_received(self, data: bytes) -> None:
        self._client.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._backend.connections -= 1
        self._client.close()

    def peer_transport(self) -> asyncio.Transport | None:
        return self._client.transport


class Client(Side):
    """The connection of one client."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.is_quiet = True  # nothing asked, or the last thing that passed was an answer
        self._waiting = bytearray()
        self._upstream: Upstream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class does not derive from it
        self.transport.set_write_buffer_limits(self.exchange.limits.buffered_bytes)
        if not self.exchange.entered(self):
            self._answer_and_close(FULL)
            return
        self._timer = self._loop.call_later(self.exchange.limits.header_seconds, self._header_late)

    def data_received(self, data: bytes) -> None:
        self.is_quiet = False
        self._last = self._loop.time()
        if self._upstream is not None:
            assert self._upstream.transport is not None
            self._upstream.transport.write(data)
            return
        searched_from = max(len(self._waiting) - len(HEADER_END) + 1, 0)
        self._waiting += data
        if self._connecting is not None:
            return
        if self._waiting.find(HEADER_END, searched_from) >= 0:
            assert self.transport is not None
            self.transport.pause_reading()
            self._cancel_timer()
            self._connecting = self._loop.create_task(self._connect())
        elif len(self._waiting) > self.exchange.limits.header_bytes:
            self._answer_and_close(LARGE)

    def answered(self, data: bytes) -> None:
        """Bytes of the worker on their way to the client."""
        self._last = self._loop.time()
        self.is_quiet = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def eof_received(self) -> bool:
        return False  # TLS has no half-closed connections, and here nobody has: the transport closes itself

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._upstream is not None and self._upstream.transport is not None:
            self._upstream.transport.close()
        self.exchange.left(self)

    def close(self) -> None:
        """Close after what is buffered has been sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def peer_transport(self) -> asyncio.Transport | None:
        return self._upstream.transport if self._upstream is not None else None

    async def _connect(self) -> None:
        assert self.transport is not None
        try:
            header = encode(origin_of(self.transport))
        except EncodeError:
            self._answer_and_close(BAD_CERTIFICATE)
            return
        upstream = await self.exchange.connect(self)
        if upstream is None:
            self._answer_and_close(NO_WORKER)
            return
        assert upstream.transport is not None
        if self.transport.is_closing():
            upstream.transport.close()
            return
        self._upstream = upstream
        upstream.transport.write(header + self._waiting)
        self._waiting.clear()
        self.transport.resume_reading()
        self._watch_idle()

    def _watch_idle(self) -> None:
        """One timer a connection, moved on only when it fires: cheaper than one a message."""
        silent = self._loop.time() - self._last
        left = self.exchange.limits.idle_seconds - silent
        if left <= 0:
            self.abort()
        else:
            self._timer = self._loop.call_later(left, self._watch_idle)

    def _header_late(self) -> None:
        if self._waiting:
            self._answer_and_close(SLOW)
        else:
            self.close()

    def _answer_and_close(self, answer: bytes) -> None:
        assert self.transport is not None
        self.transport.write(answer)
        self.transport.close()
        # a client that does not read its refusal is not waited for
        transport: Callable[[], None] = self.transport.abort
        self._loop.call_later(5.0, transport)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
