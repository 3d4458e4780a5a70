"""A closed- or open-loop HTTP/1.1 client on one thread: epoll, non-blocking TLS or Unix sockets, prepared requests.

It shares the machine with what it measures, so it does as little as it can: a request is octets made before, an answer
is read as far as its status and length.
"""

from __future__ import annotations

import multiprocessing
import select
import socket
import ssl
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Request = tuple[bytes | memoryview, ...]
"""Buffers to be sent one after the other; most requests are one."""

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_READ = 256 * 1024


@dataclass(slots=True)
class Target:
    """A TLS address, or the Unix socket of one worker when `unix` is given."""

    host: str = "127.0.0.1"
    port: int = 0
    authority: Path | None = None
    unix: Path | None = None

    def connect(self) -> socket.socket:
        if self.unix is not None:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            plain.connect(str(self.unix))
            plain.setblocking(False)
            return plain
        context = ssl.create_default_context(cafile=str(self.authority))
        plain = socket.create_connection((self.host, self.port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wrapped = context.wrap_socket(plain, server_hostname=self.host)
        wrapped.setblocking(False)
        return wrapped


@dataclass(slots=True)
class Result:
    """`latencies` in seconds of the answers of status 200, from when each request was due; `bodies` only when kept."""

    seconds: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    ended: array[float] = field(default_factory=lambda: array("d"))  # when, in seconds since the start
    statuses: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0  # of 429 and 503
    broken: int = 0  # connections that ended, or could not be made
    client_cpu: float = 0.0
    last_body: bytes = b""

    @property
    def good(self) -> int:
        return self.statuses[200]

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """Seconds; the latency that `percent` of the good answers did not pass."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


class _Connection:
    __slots__ = ("begun", "buffer", "busy", "needed", "out", "socket", "status", "writing")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.out: list[Any] = []
        self.buffer = bytearray()
        self.needed = 0  # octets of the whole answer, 0 while its head is not there
        self.status = 0
        self.begun = 0.0
        self.busy = False
        self.writing = False  # waits until the kernel takes more


class Load:
    """`requests` are taken in turn; the run ends with them or after `seconds`. With `rate` they are due at fixed times
    (open loop), else as soon as a connection is free. A refusal waits `pause` before the connection asks again."""

    def __init__(
        self,
        target: Target,
        requests: Sequence[Request],
        *,
        connections: int = 64,
        seconds: float,
        rate: float | None = None,
        pause: float = 0.0,
    ) -> None:
        self._target, self._requests = target, iter(requests)
        self._count, self._seconds, self._rate, self._pause = connections, seconds, rate, pause
        self._into = bytearray(_READ)
        self._view = memoryview(self._into)
        self.result = Result()

    def run(self, begin: Callable[[], None] = lambda: None) -> Result:
        """`begin` is called when all connections stand."""
        epoll, by_fd = select.epoll(), {}
        for _ in range(self._count):
            try:
                connection = _Connection(self._target.connect())
            except OSError:
                self.result.broken += 1
                continue
            by_fd[connection.socket.fileno()] = connection
            epoll.register(connection.socket.fileno(), select.EPOLLIN)
        self._epoll, self._by_fd = epoll, by_fd
        begin()
        try:
            self._run()
        finally:
            for connection in by_fd.values():
                connection.socket.close()
            epoll.close()
        return self.result

    def _run(self) -> None:
        result, clock, rate, by_fd = self.result, time.perf_counter, self._rate, self._by_fd
        self._started = started = clock()
        cpu = time.process_time()
        end, due, interval = started + self._seconds, started, 1.0 / rate if rate else 0.0
        self._idle: list[_Connection] = list(by_fd.values())
        self._resting: list[tuple[float, _Connection]] = []
        more, running = True, 0
        self._done = 0
        while by_fd:
            now = clock()
            if now >= end:
                more = False
            while self._resting and self._resting[0][0] <= now:
                self._idle.append(self._resting.pop(0)[1])
            while more and self._idle and (not rate or due <= now):
                request = next(self._requests, None)
                if request is None:
                    more = False
                    break
                connection = self._idle.pop()
                if connection.socket.fileno() < 0:
                    continue
                connection.begun = due if rate else clock()
                connection.busy = True
                due += interval
                running += 1
                connection.out = list(request)
                self._send(connection)
            if not more and running <= 0:
                break
            if now > end + 30:
                result.broken += running
                break
            wait = 0.5
            if rate and more and self._idle:
                wait = max(0.0, due - clock())
            if self._resting:
                wait = min(wait, max(0.0, self._resting[0][0] - clock()))
            self._done = 0
            for fd, events in self._epoll.poll(wait):
                connection = by_fd.get(fd)
                if connection is None:
                    continue
                if events & select.EPOLLOUT:
                    self._send(connection)
                if events & ~select.EPOLLOUT:
                    self._receive(connection)
            running -= self._done
        result.seconds = clock() - started
        result.client_cpu = time.process_time() - cpu

    def _send(self, connection: _Connection) -> None:
        out = connection.out
        try:
            while out:
                sent = connection.socket.send(out[0])
                if sent < len(out[0]):
                    out[0] = memoryview(out[0])[sent:]
                else:
                    out.pop(0)
        except _BLOCKED:
            if not connection.writing:
                connection.writing = True
                self._epoll.modify(connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
            return
        except OSError:
            self._lose(connection)
            return
        if connection.writing:
            connection.writing = False
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN)

    def _receive(self, connection: _Connection) -> None:
        buffer = connection.buffer
        try:
            while True:
                size = connection.socket.recv_into(self._into)  # type: ignore[arg-type]
                if not size:
                    self._lose(connection)
                    return
                buffer += self._view[:size]
                if self._whole(connection):
                    return
        except _BLOCKED:
            return
        except OSError:
            self._lose(connection)

    def _whole(self, connection: _Connection) -> bool:
        buffer, result = connection.buffer, self.result
        if not connection.needed:
            head = buffer.find(_HEAD_END)
            if head < 0:
                return False
            connection.status = int(buffer[9:12])
            at = buffer.find(_LENGTH, 0, head)
            length = int(buffer[at + len(_LENGTH) : buffer.index(b"\r", at)]) if at >= 0 else 0
            connection.needed = head + 4 + length
        if len(buffer) < connection.needed:
            return False
        now = time.perf_counter()
        status = connection.status
        result.statuses[status] += 1
        if status == 200:
            result.latencies.append(now - connection.begun)
            result.ended.append(now - self._started)
        elif status in (429, 503) and buffer.find(b"\r\nretry-after: ", 0, connection.needed) < 0:
            result.without_retry_after += 1
        if result.statuses[status] == 1:
            result.last_body = bytes(buffer[: connection.needed])
        closing = status != 200 and buffer.find(b"\r\nconnection: close", 0, connection.needed) >= 0
        buffer.clear()
        connection.needed = 0
        connection.busy = False
        self._done += 1
        if closing:
            self._replace(connection)
        elif status != 200 and self._pause:
            self._resting.append((now + self._pause, connection))
        else:
            self._idle.append(connection)
        return True

    def _lose(self, connection: _Connection) -> None:
        self.result.broken += 1
        if connection.busy:
            self._done += 1
        self._replace(connection)

    def _replace(self, connection: _Connection) -> None:
        self._by_fd.pop(connection.socket.fileno(), None)
        connection.socket.close()
        try:
            fresh = _Connection(self._target.connect())
        except OSError:
            return
        self._by_fd[fresh.socket.fileno()] = fresh
        self._epoll.register(fresh.socket.fileno(), select.EPOLLIN)
        if self._pause:
            self._resting.append((time.perf_counter() + self._pause, fresh))
        else:
            self._idle.append(fresh)


class Aside:
    """A load in a process of its own: `with Aside(...) as load: ...; load.result()`."""

    def __init__(self, make: Callable[[], Load]) -> None:
        context = multiprocessing.get_context("fork")
        self._receive, send = context.Pipe(duplex=False)
        self._process = context.Process(target=_aside, args=(make, send))

    def __enter__(self) -> Aside:
        self._process.start()
        assert self._receive.recv() == "connected"
        return self

    def result(self) -> Result:
        found: Result = self._receive.recv()
        self._process.join()
        return found

    def __exit__(self, *exception: object) -> None:
        if self._process.is_alive() and exception[0] is not None:
            self._process.terminate()
        self._process.join()


def _aside(make: Callable[[], Load], send: Any) -> None:
    send.send(make().run(lambda: send.send("connected")))


def repeated(request: Request) -> Iterator[Request]:
    """The same request for ever: for servers that do not care for nonces."""
    while True:
        yield request
