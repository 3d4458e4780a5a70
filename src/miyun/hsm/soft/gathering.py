"""Signatures that one turn of the event loop asks of one key in one way, on their way to the VSM as one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from miyun.hsm.port import WrappedKey

MOST: Final = 64  # signatures in one request
OCTETS: Final = 32 * 1024  # of all its messages


class Way(NamedTuple):
    """What calls must have in common to go together. Whatever the VSM refuses in it, it refuses to all of them."""

    handle: bytes
    prehashed: bool
    user_id: bytes | None


@dataclass(slots=True, eq=False)
class Gathered:
    """The messages, and who waits for how many of the signatures, in the same order."""

    way: Way
    key: WrappedKey
    items: list[bytes] = field(default_factory=list, repr=False)
    octets: int = 0
    waiting: list[tuple[asyncio.Future[list[bytes]], int]] = field(default_factory=list)

    def add(self, items: Sequence[bytes], octets: int, future: asyncio.Future[list[bytes]]) -> None:
        self.items += items
        self.octets += octets
        self.waiting.append((future, len(items)))

    def answer(self, signatures: list[bytes]) -> None:
        place = 0
        for future, count in self.waiting:
            if not future.done():
                future.set_result(signatures[place : place + count])
            place += count

    def fail(self, error: BaseException) -> None:
        for future, _ in self.waiting:
            if not future.done():
                future.set_exception(error)
