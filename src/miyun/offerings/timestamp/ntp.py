"""Network time servers as the external time source: asked, compared, never followed.

What sets the machine's clock (chronyd, the hypervisor) is the machine's business; here its result is checked against
servers that the operator named. Of several exchanges with a server the one with the least delay counts, as its offset
is known best (RFC 5905 section 10).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from miyun.core.clock import Clock
from miyun.offerings.timestamp.model import Reading
from miyun.wire import ntp

SAMPLES = 4
SPACING = 2.0  # seconds between two questions to one server, as chrony's iburst leaves
TIMEOUT = 1.0
QUIET = 600.0  # a server that asked to be left alone is left alone for so long
PORT = 123


@dataclass(frozen=True, slots=True)
class NtpServer:
    host: str
    port: int = PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORT else f"{host}:{self.port}"


@dataclass(slots=True)
class NtpSource:
    """`limit`: seconds; a server whose own error may be larger says nothing useful for that tolerance."""

    servers: Sequence[NtpServer]
    clock: Clock
    limit: float
    samples: int = SAMPLES
    spacing: float = SPACING
    timeout: float = TIMEOUT
    _quiet_until: dict[NtpServer, tuple[float, str]] = field(default_factory=dict)

    @property
    def names(self) -> Sequence[str]:
        return [str(server) for server in self.servers]

    async def readings(self) -> list[Reading]:
        """One for each server, all asked at the same time."""
        return list(await asyncio.gather(*(self._ask(server) for server in self.servers)))

    async def _ask(self, server: NtpServer) -> Reading:
        name = str(server)
        until, kiss = self._quiet_until.get(server, (0.0, ""))
        if time.monotonic() < until:
            return Reading(name, None, f"kiss:{kiss}")
        found: list[ntp.Sample] = []
        fault = "unreachable"
        for number in range(self.samples):
            if number:
                await asyncio.sleep(self.spacing)
            try:
                found.append(await self._exchange(server))
            except ntp.NtpRefused as refused:
                fault = refused.fault
                if refused.kiss:
                    self._quiet_until[server] = (time.monotonic() + QUIET, refused.kiss)
                    return Reading(name, None, f"kiss:{refused.kiss}")
            except (OSError, TimeoutError):
                continue  # lost, or nobody there: the other questions tell
        if not found:
            return Reading(name, None, fault)
        best = min(found, key=lambda sample: sample.delay)
        if best.distance > self.limit:
            return Reading(name, None, "uncertain")
        return Reading(name, best.offset)

    async def _exchange(self, server: NtpServer) -> ntp.Sample:
        """Raises NtpRefused, OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        cookie = secrets.token_bytes(ntp.COOKIE)
        async with asyncio.timeout(self.timeout):
            # Connected: the kernel passes on only what comes from this server, and its refusals.
            transport, answer = await loop.create_datagram_endpoint(
                lambda: _Answer(loop.create_future()), remote_addr=(server.host, server.port)
            )
            try:
                sent, begun = self.clock.now().timestamp(), time.monotonic()
                transport.sendto(ntp.request(cookie))
                while True:
                    data, arrived = await answer.waiting
                    try:
                        return ntp.sample(data, cookie=cookie, sent=sent, elapsed=arrived - begun)
                    except ntp.NtpRefused as refused:
                        if refused.fault != "foreign":
                            raise
                    answer.waiting = loop.create_future()  # an answer to something else: ours may still come
            finally:
                transport.close()


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, waiting: asyncio.Future[tuple[bytes, float]]) -> None:
        self.waiting = waiting

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.waiting.done():
            self.waiting.set_result((data, time.monotonic()))

    def error_received(self, exc: Exception) -> None:
        if not self.waiting.done():
            self.waiting.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.waiting.done():
            self.waiting.cancel()
