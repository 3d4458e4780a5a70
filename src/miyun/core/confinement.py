"""Reading what strangers made (PDF, XML) in processes of their own, which can take no more than their share.

A parser of a rich format can be kept busy for hours, or filled with gigabytes, by a file of some hundred octets. Here
such a file costs its sender an error. A reader is a process that knows no secrets and no settings; it has the parsers
loaded and forks for every file, so that no file meets what another left behind. The kernel ends the fork when it takes
too much processor time, and refuses it more memory than it may have. Its answer is decoded by type.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Final, Self, TypeVar

import msgspec

from miyun.core.turns import Turns

SECONDS: Final = 15
"""Of processor time for one file."""
MEMORY: Final = 1 << 30
"""Octets of address space."""
_AT_ONCE: Final = 4
_OWNERS_SHARE: Final = 2
FAILED: Final = "failed"
_LENGTH: Final = struct.Struct("!I")

Value = TypeVar("Value")


class Refused(ValueError):
    """A file that is not read, or not as it is; `code` is a reason's."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail


TOO_COSTLY: Final = "too_costly"


class Answer(msgspec.Struct, array_like=True):
    """`code` is empty when there is a value."""

    code: str
    detail: str
    value: msgspec.Raw


class Confinement:
    """The readers of one process. An owner (a tenant) has at most two files read at a time, with others waiting."""

    def __init__(self, *, seconds: int = SECONDS, memory: int = MEMORY) -> None:
        self._command = [sys.executable, "-m", "miyun.core.confined", str(seconds), str(memory)]
        self._turns = Turns(width=_OWNERS_SHARE, alone=_OWNERS_SHARE)
        self._threads = ThreadPoolExecutor(_AT_ONCE, "confinement")
        self._idle: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._threads.shutdown()
        while self._idle:
            _end(self._idle.pop())

    async def read(self, owner: str, function: str, *arguments: object, answer: type[Value]) -> Value:
        """What `function` ("module:name", its parameters annotated) answers. Raises Refused, with TOO_COSTLY for what
        takes too much, and Overloaded."""
        asked = msgspec.msgpack.encode((function, arguments))
        await self._turns.take(owner)
        exchange = asyncio.get_running_loop().run_in_executor(self._threads, self._exchange, asked)
        exchange.add_done_callback(lambda _: self._turns.give(owner))
        got = await asyncio.shield(exchange)  # who goes away holds his turn until the file was read
        if got.code == FAILED:
            raise RuntimeError(f"{function}: {got.detail}")
        if got.code:
            raise Refused(got.code, got.detail)
        return msgspec.msgpack.decode(got.value, type=answer)

    def _exchange(self, asked: bytes) -> Answer:
        reader = self._take()
        assert reader.stdin is not None and reader.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended, as it says next
            send(reader.stdin, asked)
        answered = receive(reader.stdout)
        if answered is None:
            raise RuntimeError(f"a reader of files ended with {_end(reader)}")
        self._idle.append(reader)
        return msgspec.msgpack.decode(answered, type=Answer)

    def _take(self) -> subprocess.Popen[bytes]:
        """An idle one that still runs, or a new one."""
        try:
            while (reader := self._idle.pop()).poll() is not None:
                _end(reader)
        except IndexError:
            reader = self._start()
        return reader

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ},
        )


def _end(reader: subprocess.Popen[bytes]) -> int:
    """It ends when there is nothing more to read."""
    assert reader.stdin is not None and reader.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        reader.stdin.close()
    reader.stdout.close()
    return reader.wait()


def send(stream: IO[bytes], body: bytes) -> None:
    stream.write(_LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """None when the other side ended."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    body = stream.read(size)
    return body if len(body) == size else None
