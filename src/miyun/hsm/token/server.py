"""The token's side of the socket. Requests are done one after another, as a key does them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from typing import Any, Final

from miyun.gm.errors import GmError
from miyun.hsm.token import agreement, containers, device, frames, symmetric
from miyun.hsm.token.frames import Function
from miyun.hsm.token.refusal import Refused
from miyun.hsm.token.session import HANDLERS, Answer, Session
from miyun.hsm.token.unlocking import Unlocking
from miyun.hsm.token.vault import Vault
from miyun.wire.errors import DecodeError
from miyun.wire.skf import Sar

log = logging.getLogger("miyun.hsm.token")

PARTS: Final = (device, containers, symmetric, agreement)  # whose functions are in HANDLERS
FOREVER: Final = 0xFFFFFFFF


class Server:
    """Serves one vault on one listening socket to processes of the allowed users."""

    def __init__(self, vault: Vault, listener: socket.socket, *, allowed: frozenset[int]) -> None:
        self._vault = vault
        self._listener = listener
        self._allowed = allowed
        self._unlocking = Unlocking(vault)
        self._turn = asyncio.Condition()
        self._locked_by: Session | None = None
        self._sessions: set[Session] = set()

    async def run(self, stopped: asyncio.Event) -> None:
        server = await asyncio.start_unix_server(self._connected, sock=self._listener)
        await stopped.wait()
        server.close()
        for session in self._sessions:
            session.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", credentials)
        if uid not in self._allowed:
            log.warning("refused a connection of process %d of user %d", pid, uid)
            writer.close()
            return
        session = Session(self._vault, self._unlocking)
        self._sessions.add(session)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._serve(session, reader, writer)
        finally:
            session.close()
            self._sessions.discard(session)
            await self._unlock(session)
            writer.close()

    async def _serve(self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (size,) = frames.LENGTH.unpack(await reader.readexactly(frames.LENGTH.size))
            if not 1 <= size <= frames.MAX_REQUEST:
                return
            body = await reader.readexactly(size)
            try:
                function, arguments = frames.parse_request(body)
            except DecodeError:
                writer.write(frames.answer(Sar.INVALIDPARAMERR))
            else:
                writer.write(await self._answer(session, function, arguments))
            await writer.drain()

    async def _answer(self, session: Session, function: Function, arguments: list[Any]) -> bytes:
        try:
            if function is Function.LOCK_DEV:
                return frames.answer(Sar.OK, await self._lock(session, *arguments))
            if function is Function.UNLOCK_DEV:
                if self._locked_by is not session:
                    raise Refused(Sar.FAIL)
                await self._unlock(session)
                return frames.answer(Sar.OK)
            async with self._turn:
                await self._turn.wait_for(lambda: self._locked_by in (None, session))
                return frames.answer(Sar.OK, self._done(session, function, arguments))
        except Refused as refused:
            return frames.answer(refused.code, refused.fields)

    def _done(self, session: Session, function: Function, arguments: list[Any]) -> Answer:
        handler = HANDLERS.get(function)
        if handler is None:
            raise Refused(Sar.NOTSUPPORTYETERR)
        try:
            return handler(session, *arguments)
        except Refused:
            raise
        except GmError:
            raise Refused(Sar.INDATAERR) from None
        except OSError as error:
            # Nothing was written: what is on disk holds, and what was half changed here is forgotten.
            log.error("the token's state cannot be written: %s", os.strerror(error.errno or 0))
            self._vault.reload()
            raise Refused(Sar.WRITEFILEERR) from None

    async def _lock(self, session: Session, milliseconds: int) -> Answer:
        async with self._turn:
            free = self._turn.wait_for(lambda: self._locked_by in (None, session))
            try:
                await asyncio.wait_for(free, None if milliseconds == FOREVER else milliseconds / 1000)
            except TimeoutError:
                raise Refused(Sar.TIMEOUTERR) from None
            self._locked_by = session
        return ()

    async def _unlock(self, session: Session) -> None:
        if self._locked_by is session:
            async with self._turn:
                self._locked_by = None
                self._turn.notify_all()
