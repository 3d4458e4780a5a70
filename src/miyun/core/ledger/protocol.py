"""Frames between the ledger process and its clients: u32 length (big endian), then one message in MessagePack.

Many frames go in one write, so that requests and answers travel in batches.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from miyun.core import errors
from miyun.core.errors import MiyunError, Unavailable
from miyun.core.ledger.port import Admission, Entry, Head

LARGEST_FRAME = 4 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class _Message(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """`id` pairs a request with its `Done` or `Failed`."""

    id: int


class Admit(_Message, tag="a", frozen=True):
    admission: Admission


class Append(_Message, tag="w", frozen=True):
    entry: Entry
    ticket: int | None = None
    answer: bytes | None = None
    adopt: Admission | None = None
    window: int = 0


class Settle(_Message, tag="x", frozen=True):
    admission: Admission
    entry: Entry


class Release(_Message, tag="r", frozen=True):
    ticket: int
    in_doubt: bool


class GetHead(_Message, tag="h", frozen=True):
    pass


class GetRecords(_Message, tag="q", frozen=True):
    tenant: str | None
    operation: str | None
    instance: str | None
    start: int | None
    limit: int
    newest_first: bool


class GetUsage(_Message, tag="u", frozen=True):
    instances: list[str]
    start: datetime
    end: datetime


class GetProof(_Message, tag="p", frozen=True):
    seq: int
    size: int | None


class GetConsistency(_Message, tag="c", frozen=True):
    old: int
    new: int


class PutAnchor(_Message, tag="s", frozen=True):
    head: Head
    signature: bytes
    token: bytes | None


class Invalidate(_Message, tag="i", frozen=True):
    topic: str
    key: str


class Dropped(_Message, tag="d", frozen=True):
    """The client has dropped what `Stale` of this id named."""


Request = (
    Admit
    | Append
    | Settle
    | Release
    | GetHead
    | GetRecords
    | GetUsage
    | GetProof
    | GetConsistency
    | PutAnchor
    | Invalidate
    | Dropped
)


class Done(_Message, tag="D", frozen=True):
    value: Any


class DoneRaw(_Message, tag="D", frozen=True):
    """`Done` as the client reads it: the value is decoded by the request's own type."""

    value: msgspec.Raw


class Failed(_Message, tag="F", frozen=True):
    code: str
    field: str | None
    retry_after: int | None
    values: dict[str, Any]


class Stale(_Message, tag="S", frozen=True):
    """Pushed to every client; answered by `Dropped`."""

    topic: str
    key: str


Reply = DoneRaw | Failed | Stale

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


def failed(number: int, error: MiyunError) -> Failed:
    values = {name: value for name, value in error.values.items() if isinstance(value, str | int) and name != "field"}
    return Failed(number, error.code, error.field, error.retry_after, values)


def error_of(failure: Failed) -> MiyunError:
    """The error the server raised, of the same class."""
    kind = errors.registry().get(failure.code)
    if kind is None:
        return Unavailable("ledger")
    error = kind.__new__(kind)
    values: Mapping[str, Any] = failure.values
    MiyunError.__init__(error, field=failure.field, retry_after=failure.retry_after, **values)
    return error


class Frames(asyncio.Protocol):
    """Cuts what arrives into frames and sends what was written in one loop turn as one batch."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._arrived = bytearray()
        self._leaving: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def frame(self, data: bytes | bytearray | memoryview) -> None:
        raise NotImplementedError

    def send(self, message: _Message) -> None:
        data = encode(message)
        if not self._leaving:
            self._loop.call_soon(self._flush)
        self._leaving += (_LENGTH.pack(len(data)), data)

    def _flush(self) -> None:
        data, self._leaving = b"".join(self._leaving), []
        if not self.transport.is_closing():
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        arrived, start = self._arrived, 0
        while len(arrived) - start >= 4:
            (length,) = _LENGTH.unpack_from(arrived, start)
            if length > LARGEST_FRAME:
                self.transport.abort()
                return
            end = start + 4 + length
            if len(arrived) < end:
                break
            self.frame(bytes(arrived[start + 4 : end]))
            start = end
        del arrived[:start]

    def pause_writing(self) -> None:
        """The other side does not read: take no more of its requests."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()
