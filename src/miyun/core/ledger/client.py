"""`LedgerClient`: the ledger port over the ledger process's socket, for one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from miyun.core.errors import Unavailable
from miyun.core.ledger import protocol
from miyun.core.ledger.port import Admission, Entry, Head, Receipt, Record, Settled, Ticket, Usage
from miyun.core.ledger.protocol import Frames
from miyun.core.ledger.record import record_of

log = logging.getLogger("miyun.ledger.client")

EVERYTHING = "*"  # topic and key when a connection is made: before it invalidations may have been missed
_PAGE = 1000
_LISTEN_AGAIN = 0.25  # seconds after a ledger was out of reach for as long as the patience lasts
_HANGS_AFTER = 75.0  # seconds; longer than the ledger lets an admission wait


def _decoder(kind: Any) -> Callable[[msgspec.Raw], Any]:
    return msgspec.msgpack.Decoder(kind).decode


_TICKET = _decoder(Ticket)
_RECEIPT = _decoder(Receipt)
_SETTLED = _decoder(Settled)
_HEAD = _decoder(Head)
_RAWS = _decoder(list[bytes])
_USAGE = _decoder(list[Usage])
_HASHES = _decoder(list[bytes])
_NONE = _decoder(None)


class _Link(Frames):
    """One connection."""

    def __init__(self, client: LedgerClient, generation: int) -> None:
        super().__init__()
        self.client = client
        self.generation = generation
        self.lost = False
        self.loop = asyncio.get_running_loop()
        self.waiting: dict[int, tuple[asyncio.Future[Any], Callable[[msgspec.Raw], Any], float]] = {}  # oldest first
        self.watch: asyncio.TimerHandle | None = None

    def frame(self, data: bytes | bytearray | memoryview) -> None:
        message = protocol.decode_reply(data)
        if isinstance(message, protocol.Stale):
            self.client.deliver(message.topic, message.key)
            self.send(protocol.Dropped(message.id))
            return
        future, decode, _since = self.waiting.pop(message.id)
        if isinstance(message, protocol.Failed):
            if not future.done():
                future.set_exception(protocol.error_of(message))
        elif not future.done():
            future.set_result(decode(message.value))
        elif decode is _TICKET:
            # Whoever asked has gone; the reservation must not outlive it.
            self.client.forget(self, decode(message.value))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.watch is not None:
            self.watch.cancel()
        for future, _decode, _since in self.waiting.values():
            if not future.done():
                future.set_exception(Unavailable("ledger"))
        self.waiting.clear()
        self.client.link_lost(self)

    def look(self) -> None:
        """One timer for all requests: a ledger that leaves the oldest without an answer for so long hangs."""
        self.watch = None
        oldest = next(iter(self.waiting.values()), None)
        if oldest is None:
            return
        left = oldest[2] + _HANGS_AFTER - self.loop.time()
        if left > 0:
            self.watch = self.loop.call_later(left, self.look)
            return
        self.lost = True
        self.transport.abort()  # what it did is unknown, as after a crash


class LedgerClient:
    """Many requests at a time over one connection, which is made again when it breaks.

    A record whose acknowledgement was lost with the connection may or may not be durable: `append` raises Unavailable
    and never tries again. `patience`: seconds to wait for a ledger that is being restarted."""

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        self._path = str(path)
        self._patience = patience
        self._ids = itertools.count(1)
        self._link: _Link | None = None
        self._connecting: asyncio.Task[_Link] | None = None
        self._tickets: dict[int, tuple[_Link, Admission]] = {}
        self._callbacks: list[Callable[[str, str], None]] = []
        self._generation = 0
        self._closed = False

    @classmethod
    async def connect(cls, path: Path, *, patience: float = 5.0) -> LedgerClient:
        """Connected at once. Raises Unavailable."""
        client = cls(path, patience=patience)
        await client._connected()
        return client

    async def admit(self, admission: Admission) -> Ticket:
        repeatable = admission.nonce is None and admission.idempotency is None
        while True:
            link = await self._connected()
            try:
                ticket: Ticket = await self._ask(link, protocol.Admit(next(self._ids), admission), _TICKET)
            except Unavailable:
                # Only quota was asked for, and it went back with the connection.
                if link.lost and repeatable:
                    continue
                raise
            if ticket.replay is None:
                self._tickets[ticket.number] = (link, admission)
            return ticket

    async def append(self, entry: Entry, ticket: Ticket | None = None, *, answer: bytes | None = None) -> Receipt:
        link = await self._connected()
        number, adopt, window = None, None, 0
        if ticket is not None:
            number = ticket.number
            known = self._tickets.get(number)
            if known is not None and known[0] is not link:
                adopt, window = known[1], ticket.window
        message = protocol.Append(next(self._ids), entry, number, answer, adopt, window)
        try:
            receipt: Receipt = await self._ask(link, message, _RECEIPT)
        except BaseException:
            if link.lost and number is not None:
                self._tickets.pop(number, None)  # its record may exist: it must never be written again
            raise
        if number is not None:
            self._tickets.pop(number, None)
        return receipt

    async def settle(self, admission: Admission, entry: Entry) -> Settled:
        link = await self._connected()
        settled: Settled = await self._ask(link, protocol.Settle(next(self._ids), admission, entry), _SETTLED)
        return settled

    async def release(self, ticket: Ticket, *, in_doubt: bool = False) -> None:
        link, _admission = self._tickets.pop(ticket.number, (None, None))
        if link is None or link.lost:
            return  # it went with its connection
        await self._ask(link, protocol.Release(next(self._ids), ticket.number, in_doubt), _NONE)

    async def head(self) -> Head:
        return await self._call(lambda number: protocol.GetHead(number), _HEAD)

    async def records(
        self,
        *,
        tenant: str | None = None,
        operation: str | None = None,
        instance: str | None = None,
        start: int | None = None,
        limit: int = 100,
        newest_first: bool = True,
    ) -> list[Record]:
        """`start`: the first sequence number looked at, in the asked direction (default: the newest or the oldest)."""
        found: list[Record] = []
        while len(found) < limit and (start is None or start >= 0):
            page = await self._page(tenant, operation, instance, start, limit - len(found), newest_first)
            if not page:
                break
            found += page
            start = page[-1].seq + (-1 if newest_first else 1)
        return found

    async def scan(self, *, start: int = 0) -> AsyncIterator[Record]:
        """From `start` to the present end, oldest first."""
        while page := await self._page(None, None, None, start, _PAGE, False):
            for record in page:
                yield record
            start = page[-1].seq + 1

    async def usage(self, *, instances: Sequence[str], start: datetime, end: datetime) -> list[Usage]:
        """Clock hours that begin in [start, end)."""
        return await self._call(lambda number: protocol.GetUsage(number, list(instances), start, end), _USAGE)

    async def proof(self, seq: int, size: int | None = None) -> list[bytes]:
        return await self._call(lambda number: protocol.GetProof(number, seq, size), _HASHES)

    async def consistency(self, old: int, new: int) -> list[bytes]:
        return await self._call(lambda number: protocol.GetConsistency(number, old, new), _HASHES)

    async def anchor(self, head: Head, signature: bytes, token: bytes | None) -> None:
        await self._call(lambda number: protocol.PutAnchor(number, head, signature, token), _NONE)

    async def invalidate(self, topic: str, key: str) -> None:
        """This process first, then all others; returns when each has dropped it or its connection is gone."""
        self.deliver(topic, key)
        await self._call(lambda number: protocol.Invalidate(number, topic, key), _NONE)

    def on_invalidate(self, callback: Callable[[str, str], None]) -> None:
        """`callback("*", "*")` when a connection was made: anything may have changed before."""
        self._callbacks.append(callback)

    @property
    def listening(self) -> bool:
        return self._link is not None and not self._link.lost

    def listen(self) -> None:
        """Connect, and again whenever the connection is lost: a process must hear invalidations even when it is
        idle."""
        self._connect_soon().add_done_callback(self._listen_again)

    async def close(self) -> None:
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._link is not None:
            self._link.transport.close()

    # for the connection

    def deliver(self, topic: str, key: str) -> None:
        for callback in self._callbacks:
            try:
                callback(topic, key)
            except Exception:
                log.exception("an invalidation callback failed for %s", topic)

    def forget(self, link: _Link, ticket: Ticket) -> None:
        if ticket.replay is None and not link.lost:
            task = asyncio.ensure_future(
                self._ask(link, protocol.Release(next(self._ids), ticket.number, False), _NONE)
            )
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    def link_lost(self, link: _Link) -> None:
        if self._link is link:
            self._link = None
        if self._link is None and not self._closed:
            self.listen()

    # inside

    def _listen_again(self, ended: asyncio.Task[_Link]) -> None:
        def again() -> None:
            if not self._closed:
                self.listen()

        if not ended.cancelled() and ended.exception() is not None and not self._closed:
            asyncio.get_running_loop().call_later(_LISTEN_AGAIN, again)

    async def _page(
        self, tenant: str | None, operation: str | None, instance: str | None, start: int | None, limit: int, back: bool
    ) -> list[Record]:
        raws: list[bytes] = await self._call(
            lambda number: protocol.GetRecords(number, tenant, operation, instance, start, min(limit, _PAGE), back),
            _RAWS,
        )
        return [record_of(raw) for raw in raws]

    async def _call(self, make: Callable[[int], Any], decode: Callable[[msgspec.Raw], Any]) -> Any:
        """A request that may be repeated: once more when the connection broke."""
        link = await self._connected()
        try:
            return await self._ask(link, make(next(self._ids)), decode)
        except Unavailable:
            if not link.lost or self._closed:
                raise
        return await self._ask(await self._connected(), make(next(self._ids)), decode)

    async def _ask(self, link: _Link, message: Any, decode: Callable[[msgspec.Raw], Any]) -> Any:
        if link.lost:
            raise Unavailable("ledger")
        link.send(message)
        future: asyncio.Future[Any] = link.loop.create_future()
        link.waiting[message.id] = (future, decode, link.loop.time())
        if link.watch is None:
            link.watch = link.loop.call_later(_HANGS_AFTER, link.look)
        return await future

    async def _connected(self) -> _Link:
        if self._link is not None and not self._link.lost:
            return self._link
        if self._closed:
            raise Unavailable("ledger")
        return await asyncio.shield(self._connect_soon())

    def _connect_soon(self) -> asyncio.Task[_Link]:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        return self._connecting

    async def _connect(self) -> _Link:
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + self._patience, 0.01
        while True:
            with contextlib.suppress(OSError):
                generation = self._generation + 1
                make = partial(_Link, self, generation)
                _transport, link = await loop.create_unix_connection(make, self._path)
                self._link, self._generation = link, generation
                # Tickets of the connection just lost may still be adopted; older ones have no user any more.
                for number, (old, _admission) in list(self._tickets.items()):
                    if old.generation < generation - 1:
                        del self._tickets[number]
                self.deliver(EVERYTHING, EVERYTHING)
                return link
            if loop.time() >= deadline:
                raise Unavailable("ledger")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.25)
