"""A bounded cache of rows, correct under invalidation: a row read before an invalidation is never kept after it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RowCache(Generic[K, V]):
    """Least recently used out first; entries live `seconds` at most. Used from one event loop."""

    def __init__(self, *, size: int, seconds: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._seconds = seconds
        self._timer = timer
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._generation = 0

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._timer() >= entry[0]:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def load(self, key: K, loader: Callable[[], Awaitable[V | None]]) -> V | None:
        """From the cache, else by `loader`. None is not kept."""
        found = self.get(key)
        if found is not None:
            return found
        generation, begun = self._generation, self._timer()
        value = await loader()
        if value is not None and generation == self._generation:
            self._entries[key] = (begun + self._seconds, value)
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
        return value

    def drop(self, key: K) -> None:
        self._generation += 1
        self._entries.pop(key, None)

    def drop_where(self, test: Callable[[V], bool]) -> None:
        self._generation += 1
        for key in [key for key, (_, value) in self._entries.items() if test(value)]:
            del self._entries[key]

    def clear(self) -> None:
        self._generation += 1
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
