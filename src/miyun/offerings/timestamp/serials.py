"""Serial numbers of tokens: unique for ever (RFC 3161 2.4.2) without a database row per token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from miyun.core.clock import Clock

_COUNTER_BITS: Final = 40


class SerialNumbers:
    """Epoch ‖ counter: a process takes an epoch durably before its first token, so a crash can only waste numbers."""

    def __init__(self, *, clock: Clock, take_epoch: Callable[[datetime], int]) -> None:
        self._clock = clock
        self._take_epoch = take_epoch
        self._next = 0
        self._end = 0
        self._lock = asyncio.Lock()

    async def next(self) -> int:
        if self._next == self._end:
            await self._renew()
        value = self._next
        self._next += 1
        return value

    async def _renew(self) -> None:
        async with self._lock:
            if self._next == self._end:
                epoch = await asyncio.to_thread(self._take_epoch, self._clock.now())
                self._next, self._end = epoch << _COUNTER_BITS, (epoch + 1) << _COUNTER_BITS
