"""One end of the VSM's socket on the running event loop: frames in, frames out, bulk by sealed memfd.

asyncio's own transports cannot carry file descriptors, so the socket is read and written here directly. Everything that
is sent within one turn of the loop leaves in one system call.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from miyun.hsm.soft.frames import BULK, BULK_FROM, BULK_SIZE, HEADER, LENGTH_FIELD, MAX_BULK, MAX_FRAME, VERSION

_READ: Final = 256 * 1024
_MAX_DESCRIPTORS: Final = 64
_ANCILLARY: Final = socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4)
_TRUNCATED: Final = int(socket.MSG_CTRUNC)  # a plain integer: the flag's operators cost more than the system call
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class BrokenFrame(Exception):
    """The peer does not speak the protocol; the connection is closed."""


class Channel:
    """`on_frame(code, request id, body)` is called for each frame; `on_close()` once, however the channel ends."""

    def __init__(
        self,
        connection: socket.socket,
        *,
        on_frame: Callable[[int, int, bytes], None],
        on_close: Callable[[], None],
    ) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._on_frame = on_frame
        self._on_close = on_close
        self._arrived = bytearray()
        self._descriptors: deque[int] = deque()
        self._chunk = bytearray(_READ)
        self._outgoing: deque[tuple[bytearray, int]] = deque()  # (octets, descriptor to pass with them or -1)
        self._flush_due = False
        self._writing = False
        self.closed = False
        self.waiting = 0  # octets not yet taken by the kernel
        self._loop.add_reader(self._socket, self._readable)

    def send(self, code: int, request_id: int, body: bytes) -> None:
        """Queues one frame. A body of 64 KiB or more goes through a memfd."""
        if self.closed:
            return
        if len(body) >= BULK_FROM:
            descriptor = _to_memfd(body)
            frame = bytearray(_head(code | BULK, request_id, BULK_SIZE.size))
            frame += BULK_SIZE.pack(len(body))
            self._outgoing.append((frame, descriptor))
        else:
            if not self._outgoing or self._outgoing[-1][1] >= 0:
                self._outgoing.append((bytearray(), -1))
            frame = self._outgoing[-1][0]
            before = len(frame)
            frame += _head(code, request_id, len(body))
            frame += body
            self.waiting -= before
        self.waiting += len(frame)
        if not self._flush_due and not self._writing:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def pause(self) -> None:
        """Stop reading: the peer's requests stay in the kernel until `resume`."""
        if not self.closed:
            self._loop.remove_reader(self._socket)

    def resume(self) -> None:
        if not self.closed:
            self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for descriptor in (*self._descriptors, *(d for _, d in self._outgoing if d >= 0)):
            os.close(descriptor)
        self._descriptors.clear()
        self._outgoing.clear()
        self._wipe()
        self._on_close()

    def _flush(self) -> None:
        self._flush_due = False
        if self.closed:
            return
        try:
            while self._outgoing:
                frame, descriptor = self._outgoing[0]
                if descriptor >= 0:
                    passed = array.array("i", [descriptor])
                    sent = self._socket.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
                    os.close(descriptor)
                    self._outgoing[0] = (frame, -1)
                else:
                    sent = self._socket.send(frame)
                self.waiting -= sent
                if sent < len(frame):
                    del frame[:sent]
                else:
                    self._outgoing.popleft()
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._socket, self._flush)
            return
        except OSError:
            self.close()
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        try:
            size, ancillary, flags, _ = self._socket.recvmsg_into([self._chunk], _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(data[: len(data) - len(data) % received.itemsize])
                self._descriptors.extend(received)
        if size == 0 or flags & _TRUNCATED or len(self._descriptors) > _MAX_DESCRIPTORS:
            self.close()
            return
        self._arrived += memoryview(self._chunk)[:size]
        try:
            self._take_frames()
        except (BrokenFrame, OSError):
            self.close()

    def _take_frames(self) -> None:
        arrived, position = self._arrived, 0
        while len(arrived) - position >= HEADER.size and not self.closed:
            length, version, code, request_id = HEADER.unpack_from(arrived, position)
            end = position + LENGTH_FIELD + length
            if version != VERSION or length < HEADER.size - LENGTH_FIELD or length > MAX_FRAME:
                raise BrokenFrame
            if end > len(arrived):
                break
            body = bytes(memoryview(arrived)[position + HEADER.size : end])
            position = end
            if code & BULK:
                body = self._bulk(body)
            self._on_frame(code & ~BULK, request_id, body)
        if not self.closed:
            del arrived[:position]

    def _bulk(self, body: bytes) -> bytes:
        if len(body) != BULK_SIZE.size or not self._descriptors:
            raise BrokenFrame
        (size,) = BULK_SIZE.unpack(body)
        descriptor = self._descriptors.popleft()
        try:
            return _from_memfd(descriptor, size)
        finally:
            os.close(descriptor)

    def _wipe(self) -> None:
        self._chunk[:] = bytes(len(self._chunk))
        self._arrived[:] = bytes(len(self._arrived))


def _head(code: int, request_id: int, size: int) -> bytes:
    return HEADER.pack(HEADER.size - LENGTH_FIELD + size, VERSION, code, request_id)


def _to_memfd(body: bytes) -> int:
    descriptor = os.memfd_create("vsm-bulk", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(descriptor, view) :]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _from_memfd(descriptor: int, size: int) -> bytes:
    # Sealed, so that the peer cannot change or cut it while it is read; F_GET_SEALS fails on anything but a memfd.
    if size > MAX_BULK or fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
        raise BrokenFrame
    body = os.pread(descriptor, size, 0)
    while len(body) < size:
        more = os.pread(descriptor, size - len(body), len(body))
        if not more:
            raise BrokenFrame
        body += more
    return body
