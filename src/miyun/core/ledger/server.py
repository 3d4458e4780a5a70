"""The ledger process: the engine behind a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from miyun.core.errors import InternalError, MiyunError
from miyun.core.ledger import protocol
from miyun.core.ledger.engine import Engine
from miyun.core.ledger.port import Receipt, Settled, Ticket
from miyun.core.ledger.protocol import Done, Frames

log = logging.getLogger("miyun.ledger")

ACKNOWLEDGE_SECONDS = 5.0  # a process that does not confirm an invalidation by then loses its connection
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED


class _Connection(Frames):
    """One client process. It is also the owner of its tickets."""

    def __init__(self, server: LedgerServer) -> None:
        super().__init__()
        self._server = server
        self._engine = server.engine
        self._waiting: set[asyncio.Future[Any]] = set()
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            protocol.Admit: self._admit,
            protocol.Append: self._append,
            protocol.Settle: self._settle,
            protocol.Release: self._release,
            protocol.GetHead: lambda m: self.send(Done(m.id, self._engine.head())),
            protocol.GetRecords: lambda m: self._answer(m.id, self._records(m)),
            protocol.GetUsage: lambda m: self._answer(m.id, self._engine.usage(m.instances, m.start, m.end)),
            protocol.GetProof: lambda m: self.send(Done(m.id, self._engine.proof(m.seq, m.size))),
            protocol.GetConsistency: lambda m: self.send(Done(m.id, self._engine.consistency(m.old, m.new))),
            protocol.PutAnchor: self._anchor,
            protocol.Invalidate: lambda m: self._answer(m.id, server.invalidate(self, m.topic, m.key)),
            protocol.Dropped: lambda m: server.acknowledged(self, m.id),
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer: socket.socket = transport.get_extra_info("socket")
        raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _pid, uid, gid = _CREDENTIALS.unpack(raw)
        if uid not in (0, os.geteuid()) and gid != os.getegid():
            log.warning("refused a connection of uid %d", uid)
            self.transport.abort()
            return
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._server.gone(self)
        for future in self._waiting:
            future.cancel()
        self._engine.drop(self)

    def frame(self, data: bytes | bytearray | memoryview) -> None:
        try:
            message = protocol.decode_request(data)
        except msgspec.MsgspecError as error:
            log.error("a client sent a malformed message: %s", error)
            self.transport.abort()
            return
        try:
            self._handlers[type(message)](message)
        except MiyunError as error:
            self.send(protocol.failed(message.id, error))
        except Exception:
            log.exception("request failed")
            self.send(protocol.failed(message.id, InternalError()))

    def _admit(self, message: protocol.Admit) -> None:
        ticket = self._engine.admit(message.admission, self)
        if isinstance(ticket, asyncio.Future):
            self._wait(message.id, ticket)
        else:
            self.send(Done(message.id, ticket))

    def _append(self, message: protocol.Append) -> None:
        number = message.id

        def done(result: Receipt | MiyunError) -> None:
            self.send(protocol.failed(number, result) if isinstance(result, MiyunError) else Done(number, result))

        self._engine.append(
            message.entry,
            done,
            ticket=message.ticket,
            answer=message.answer,
            owner=self,
            adopt=message.adopt,
            window=message.window,
        )

    def _settle(self, message: protocol.Settle) -> None:
        ticket = self._engine.admit(message.admission, self)
        if not isinstance(ticket, asyncio.Future):
            self._record(message, ticket)
            return
        self._waiting.add(ticket)

        def admitted(future: asyncio.Future[Ticket]) -> None:
            self._waiting.discard(future)
            if future.cancelled():
                return
            error = future.exception()
            try:
                if error is not None:
                    raise error
                self._record(message, future.result())
            except MiyunError as refusal:
                self.send(protocol.failed(message.id, refusal))
            except Exception:
                log.exception("request failed")
                self.send(protocol.failed(message.id, InternalError()))

        ticket.add_done_callback(admitted)

    def _record(self, message: protocol.Settle, ticket: Ticket) -> None:
        """The record of what was admitted just now. Fails it, the ticket ends too: nobody else knows of it."""

        def done(result: Receipt | MiyunError) -> None:
            if isinstance(result, MiyunError):
                self._engine.release(ticket.number, self, in_doubt=False)
                self.send(protocol.failed(message.id, result))
            else:
                self.send(Done(message.id, Settled(result, ticket.used)))

        entry = message.entry
        if ticket.over:
            entry = msgspec.structs.replace(entry, detail={**entry.detail, "over": True})
        try:
            self._engine.append(entry, done, ticket=ticket.number, owner=self)
        except MiyunError:
            self._engine.release(ticket.number, self, in_doubt=False)
            raise

    def _release(self, message: protocol.Release) -> None:
        future = self._engine.release(message.ticket, self, in_doubt=message.in_doubt)
        if future is None:
            self.send(Done(message.id, None))
        else:
            self._answer(message.id, asyncio.shield(future))

    def _anchor(self, message: protocol.PutAnchor) -> None:
        self._engine.anchor(message.head, message.signature, message.token)
        self.send(Done(message.id, None))

    async def _records(self, message: protocol.GetRecords) -> list[bytes]:
        return await self._engine.records(
            tenant=message.tenant,
            operation=message.operation,
            instance=message.instance,
            start=message.start,
            limit=min(message.limit, 1000),
            newest_first=message.newest_first,
        )

    def _answer(self, number: int, work: Any) -> None:
        self._wait(number, asyncio.ensure_future(work))

    def _wait(self, number: int, future: asyncio.Future[Any]) -> None:
        self._waiting.add(future)

        def ended(future: asyncio.Future[Any]) -> None:
            self._waiting.discard(future)
            if future.cancelled():
                return
            error = future.exception()
            if error is None:
                self.send(Done(number, future.result()))
            elif isinstance(error, MiyunError):
                self.send(protocol.failed(number, error))
            else:
                log.error("request failed", exc_info=error)
                self.send(protocol.failed(number, InternalError()))

        future.add_done_callback(ended)


class LedgerServer:
    """Serves an open engine at a socket path."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._invalidations: dict[int, tuple[set[_Connection], asyncio.Future[None]]] = {}
        self._number = 0

    async def start(self, path: Path) -> None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # left by a process that was killed: the engine holds the single-writer lock
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=listener, backlog=512)

    async def close(self) -> None:
        """Take no more requests, answer those whose records become durable, go."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.transport.pause_reading()
        await self.engine.close()
        await asyncio.sleep(0)  # let the last answers be flushed
        for connection in list(self.connections):
            connection.transport.close()

    async def invalidate(self, sender: _Connection, topic: str, key: str) -> None:
        others = self.connections - {sender}
        if not others:
            return
        self._number += 1
        number = self._number
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._invalidations[number] = (others, future)
        for connection in others:
            connection.send(protocol.Stale(number, topic, key))
        try:
            await asyncio.wait((future,), timeout=ACKNOWLEDGE_SECONDS)
            for connection in list(others):
                log.error("a process did not confirm an invalidation; its connection is closed")
                connection.transport.abort()
        finally:
            del self._invalidations[number]

    def acknowledged(self, connection: _Connection, number: int) -> None:
        if number in self._invalidations:
            self._settle(connection, *self._invalidations[number])

    def gone(self, connection: _Connection) -> None:
        for others, future in self._invalidations.values():
            self._settle(connection, others, future)

    @staticmethod
    def _settle(connection: _Connection, others: set[_Connection], future: asyncio.Future[None]) -> None:
        others.discard(connection)
        if not others and not future.done():
            future.set_result(None)


async def serve(home: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises when the journal is damaged, or the disk fails."""
    engine = Engine(home)
    await engine.open()
    server = LedgerServer(engine)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start(home / "run" / "ledger.sock")
    log.info("the ledger serves %s", home / "run" / "ledger.sock")
    stopping = asyncio.ensure_future(stop.wait())
    assert engine.broken is not None
    await asyncio.wait((stopping, engine.broken), return_when=asyncio.FIRST_COMPLETED)
    if engine.broken.done():
        stopping.cancel()
        engine.broken.result()  # raises; the supervisor starts a new process, which replays what is on disk
    with contextlib.suppress(FileNotFoundError):
        (home / "run" / "ledger.sock").unlink()
    await server.close()
