"""How often each version of a key has encrypted with a random nonce.

NIST SP 800-38D section 8.3 allows one key 2^32 invocations of GCM with random 96-bit nonces. Uses are counted in blocks
that a process reserves in the database before it uses them: the count is durable, never too low, and asks the database
once for 65,536 uses. What a process had left when it ended is lost to the count's precision, not to its truth.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from miyun.offerings.kms.errors import KeyWornOut
from miyun.offerings.kms.store import KmsStore

LIMIT: Final = 1 << 32
ROTATE_AT: Final = 1 << 31  # keys that rotate by themselves do so here
BLOCK: Final = 1 << 16
_SIZE: Final = 10_000


class Uses:
    def __init__(self, *, store: KmsStore, limit: int = LIMIT, block: int = BLOCK) -> None:
        self._store = store
        self._limit = limit
        self._block = block
        self._left: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._lock = asyncio.Lock()

    async def take(self, key: str, version: int, count: int) -> None:
        """Raises KeyWornOut when the version has no `count` uses left."""
        place = key, version
        left = self._left.get(place, 0)
        if left >= count:
            self._left[place] = left - count
            return
        async with self._lock:
            while (missing := count - self._left.get(place, 0)) > 0:
                reserved = max(self._block, missing)
                if not await self._reserve(key, version, reserved):
                    reserved = missing  # close to the limit there may be less than a block
                    if not await self._reserve(key, version, reserved):
                        raise KeyWornOut(key=key, state=version, field="key")
                self._left[place] = self._left.get(place, 0) + reserved
                self._left.move_to_end(place)
                if len(self._left) > _SIZE:
                    self._left.popitem(last=False)
            self._left[place] -= count

    async def _reserve(self, key: str, version: int, count: int) -> bool:
        return await asyncio.to_thread(self._store.reserve_uses, key, version, count, self._limit)
