"""Reading a request's body: bounded, with patience, hashed as it passes."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from typing import Any

from miyun.core.errors import InvalidArgument, Overloaded, TooLarge
from miyun.core.i18n import Text
from miyun.edge.http.errors import ClientGone, ContentMismatch, RequestTimeout
from miyun.gm import sm3

Receive = Callable[[], Coroutine[Any, Any, dict[str, Any]]]

CHUNK_SECONDS = 30.0
LINGER_SECONDS = 5.0
LINGER_OCTETS = 64 * 1024 * 1024
ROOM = 256 * 1024 * 1024
SMALL = 64 * 1024  # bodies up to it are always taken: their number is bounded
SLOWEST = 8 * 1024  # octets a second, beyond the patience for a first chunk: else a trickle holds a place for hours


def declared_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length")
    return int(value) if value is not None and value.isdigit() else None


async def read(receive: Receive, headers: Mapping[str, str], limit: int, expected_sm3: str | None = None) -> bytes:
    """The whole body; with `expected_sm3` (hex) it must have this SM3, computed part by part as they come.

    Raises TooLarge when `limit` octets are passed, RequestTimeout, ContentMismatch."""
    if (declared_length(headers) or 0) > limit:
        if "expect" not in headers:  # who asks first has sent nothing yet
            await _let_go_by(receive)
        raise TooLarge(field="body", limit=limit)
    waiting = _Waiting(receive)
    message = await waiting.next()
    part, more = message.get("body", b""), message.get("more_body", False)
    parts, size = [part], len(part)
    hasher = sm3.new() if more and expected_sm3 is not None else None
    while more or size > limit:
        if size > limit:
            if more:
                await _let_go_by(receive)
            raise TooLarge(field="body", limit=limit)
        if hasher is not None:
            hasher.update(part)
        message = await waiting.next()
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        parts.append(part)
    content = parts[0] if len(parts) == 1 else b"".join(parts)
    if expected_sm3 is None:
        return content
    if hasher is None:
        check_digest(content, expected_sm3)
    else:
        hasher.update(part)
        _check(hasher.digest(), expected_sm3)
    return content


async def _let_go_by(receive: Receive) -> None:
    """Take what is still coming, within bounds: closing on a sender would lose it the answer on the way."""
    size = 0
    with contextlib.suppress(TimeoutError, ClientGone):
        async with asyncio.timeout(LINGER_SECONDS):
            while size < LINGER_OCTETS:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                size += len(message.get("body", b""))


async def stream(receive: Receive, expected_sm3: str | None) -> AsyncIterator[bytes]:
    """The body as it comes, any size. With `expected_sm3` (hex) a body that differs ends in ContentMismatch."""
    hasher = sm3.new() if expected_sm3 is not None else None
    waiting, more = _Waiting(receive), True
    while more:
        message = await waiting.next()
        chunk, more = message.get("body", b""), message.get("more_body", False)
        if hasher is not None:
            hasher.update(chunk)
        if chunk:
            yield chunk
    if hasher is not None:
        _check(hasher.digest(), expected_sm3 or "")


def check_digest(body: bytes, expected_sm3: str) -> None:
    """Raises ContentMismatch unless `expected_sm3` (hex) is the SM3 of the body."""
    _check(sm3.digest(body), expected_sm3)


def _check(digest: bytes, expected: str) -> None:
    if expected == "STREAMING":
        raise InvalidArgument(
            "x-miyun-content-sm3", Text("该操作须给出请求体的 SM3", "this operation needs the SM3 of the body")
        )
    if not hmac.compare_digest(digest.hex().encode(), expected.lower().encode()):
        raise ContentMismatch


class Room:
    """Memory for the bodies of one worker's requests: a large one for which none is left is told to come back."""

    def __init__(self, octets: int = ROOM) -> None:
        self._left = octets

    def take(self, headers: Mapping[str, str], limit: int) -> int:
        """Octets to `give` back when the request has ended. Without a declared length its limit counts. Raises
        Overloaded."""
        size = min(declared_length(headers) or (limit if "transfer-encoding" in headers else 0), limit)
        if size > self._left and size > SMALL:
            raise Overloaded(retry_after=1)
        self._left -= size
        return size

    def give(self, size: int) -> None:
        self._left += size


class _Waiting:
    """Takes the parts of one body. Only the time in which nothing is there to take counts against the sender."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._waited = 0.0
        self._size = 0

    async def next(self) -> dict[str, Any]:
        """Raises RequestTimeout, ClientGone."""
        part = self._receive()
        try:
            first = part.send(None)
        except StopIteration as there:  # mostly: what is there already needs no patience, and so no timer
            message: dict[str, Any] = there.value
        else:
            message = await self._patiently(_Begun(part, first))
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._size += len(message.get("body", b""))
        return message

    async def _patiently(self, part: _Begun) -> dict[str, Any]:
        began = time.monotonic()
        left = CHUNK_SECONDS + self._size / SLOWEST - self._waited
        try:
            async with asyncio.timeout(max(0.0, min(CHUNK_SECONDS, left))):  # wait_for would cost a task
                message: dict[str, Any] = await part
        except TimeoutError:
            raise RequestTimeout(field="body") from None
        self._waited += time.monotonic() - began
        return message


class _Begun:
    """The rest of a coroutine that was begun by hand and waits for `first`."""

    def __init__(self, coroutine: Coroutine[Any, Any, dict[str, Any]], first: Any) -> None:
        self._coroutine, self._first = coroutine, first

    def __await__(self) -> Generator[Any, Any, dict[str, Any]]:
        try:
            yield self._first
        except BaseException as error:
            self._coroutine.throw(error)
            raise
        return (yield from self._coroutine.__await__())
