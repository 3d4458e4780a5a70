"""Reading a request's body: bounded, with patience, hashed as it passes."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from miyun.core.errors import InvalidArgument, TooLarge
from miyun.core.i18n import Text
from miyun.edge.http.errors import ClientGone, ContentMismatch, RequestTimeout
from miyun.gm import sm3

Receive = Callable[[], Awaitable[dict[str, Any]]]

CHUNK_SECONDS = 30.0
SLOWEST = 8 * 1024  # octets a second, beyond the patience for a first chunk: else a trickle holds a place for hours


def declared_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length")
    return int(value) if value is not None and value.isdigit() else None


async def read(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as `limit` octets are passed (at once when declared), RequestTimeout."""
    if (declared_length(headers) or 0) > limit:
        raise TooLarge(field="body", limit=limit)
    waiting = _Waiting(receive)
    message = await waiting.next()
    first = message.get("body", b"")
    if not message.get("more_body"):
        if len(first) > limit:
            raise TooLarge(field="body", limit=limit)
        return first
    parts, size = [first], len(first)
    while message.get("more_body"):
        if size > limit:
            raise TooLarge(field="body", limit=limit)
        message = await waiting.next()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        raise TooLarge(field="body", limit=limit)
    return b"".join(parts)


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
    if hasher is not None and not _same(hasher.digest(), expected_sm3 or ""):
        raise ContentMismatch


def check_digest(body: bytes, expected_sm3: str) -> None:
    """Raises ContentMismatch unless `expected_sm3` (hex) is the SM3 of the body."""
    if expected_sm3 == "STREAMING":
        raise InvalidArgument(
            "x-miyun-content-sm3", Text("该操作须给出请求体的 SM3", "this operation needs the SM3 of the body")
        )
    if not _same(sm3.digest(body), expected_sm3):
        raise ContentMismatch


def _same(digest: bytes, expected: str) -> bool:
    return hmac.compare_digest(digest.hex().encode(), expected.lower().encode())


class _Waiting:
    """Takes the parts of one body. Only the time in which nothing is there to take counts against the sender."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._waited = 0.0
        self._size = 0

    async def next(self) -> dict[str, Any]:
        """Raises RequestTimeout, ClientGone."""
        began = time.monotonic()
        left = CHUNK_SECONDS + self._size / SLOWEST - self._waited
        try:
            async with asyncio.timeout(max(0.0, min(CHUNK_SECONDS, left))):  # wait_for would cost a task
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeout(field="body") from None
        self._waited += time.monotonic() - began
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._size += len(message.get("body", b""))
        return message
