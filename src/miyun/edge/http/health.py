"""Is the platform alive, and is it ready: each part is asked, in a bounded time, at most once a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Check = Callable[[], Awaitable[str]]
"""Answers "ok" or what is wrong, in a word ("locked"); raising means "unavailable"."""

CHECK_SECONDS = 2.0
FRESH_SECONDS = 1.0


@dataclass(slots=True)
class Health:
    """`parts` by name: "vsm", "ledger", "database"."""

    parts: Mapping[str, Check]
    _last: dict[str, str] = field(default_factory=dict)
    _asked_at: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def states(self) -> dict[str, str]:
        async with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_SECONDS:
                answers = await asyncio.gather(*(_ask(check) for check in self.parts.values()))
                self._last = dict(zip(self.parts, answers, strict=True))
                self._asked_at = time.monotonic()
        return self._last

    async def is_ready(self) -> bool:
        return all(state == "ok" for state in (await self.states()).values())


async def _ask(check: Check) -> str:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS)
    except Exception:  # whatever a part's client raises, the part cannot be used
        return "unavailable"
