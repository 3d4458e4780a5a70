"""Whose call runs next in this process: at once while there is room, in turns between owners when there is not.

What runs inside a process waits there for its processor and for the cryptographic machine: too many at a time only make
each of them slow. So a few run and the others wait here, where an owner's long queue is its own: the
next place goes to the owner whose turn it is, and an owner that has less than its share need not wait at all.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from typing import Final

from miyun.core.errors import Overloaded

WIDTH: Final = 8  # calls that run at a time
ALONE: Final = 64  # calls of one owner that run when nobody else came lately: together they make fuller batches
LATELY: Final = 1.0  # seconds
WAITING: Final = 256  # calls of one owner that wait
ALL_WAITING: Final = 384


class Turns:
    """Lives on one event loop. `take` before a call, `give` after it, with the same owner (a tenant)."""

    def __init__(
        self, *, width: int = WIDTH, alone: int = ALONE, waiting: int = WAITING, all_waiting: int = ALL_WAITING
    ) -> None:
        self._width, self._alone, self._most, self._most_of_all = width, alone, waiting, all_waiting
        self._last_owner = ""
        self._changed = 0.0  # when the owner last was another than before
        self._running: dict[str, int] = {}
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = (
            OrderedDict()
        )  # by owner, whose turn is next first
        self.running = 0
        self.waiting = 0
        self.refused = 0
        self.waited = 0.0  # seconds of all calls that had to wait
        self.longest = 0.0

    async def take(self, owner: str) -> None:
        """Returns when the call may run. Raises Overloaded when too many wait already."""
        queue = self._queues.get(owner)
        if queue is None and (self.running < self._room(owner) or self._has_less_than_its_share(owner)):
            self._begin(owner)
            return
        if (queue is not None and len(queue) >= self._most) or self.waiting >= self._most_of_all:
            self.refused += 1
            raise Overloaded(retry_after=1)
        if queue is None:
            queue = self._queues[owner] = deque()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(future)
        self.waiting += 1
        since = time.monotonic()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give(owner)  # it had got its place
            elif future in queue:  # its owner's queue is the same one as long as anybody waits in it
                queue.remove(future)
                self.waiting -= 1
                if not queue:
                    del self._queues[owner]
            raise
        waited = time.monotonic() - since
        self.waited += waited
        self.longest = max(self.longest, waited)

    def alone(self, owner: str) -> bool:
        """Whether nobody else runs or waits here."""
        return len(self._running) == 1 and owner in self._running and all(name == owner for name in self._queues)

    def give(self, owner: str) -> None:
        """The call has ended: the next may run."""
        self.running -= 1
        left = self._running[owner] - 1
        if left:
            self._running[owner] = left
        else:
            del self._running[owner]
        while self._queues and self.running < self._width:
            self._next()

    def _next(self) -> None:
        owner, queue = self._queues.popitem(last=False)
        future = queue.popleft()
        if queue:
            self._queues[owner] = queue  # behind the others
        self.waiting -= 1
        if not future.done():
            self._begin(owner)
            future.set_result(None)

    def _room(self, owner: str) -> int:
        now = time.monotonic()
        if owner != self._last_owner:
            self._last_owner, self._changed = owner, now
        return self._alone if now - self._changed > LATELY else self._width

    def _begin(self, owner: str) -> None:
        self.running += 1
        self._running[owner] = self._running.get(owner, 0) + 1

    def _has_less_than_its_share(self, owner: str) -> bool:
        owners = len(self._running) + (owner not in self._running)
        return self._running.get(owner, 0) < self._width // owners
