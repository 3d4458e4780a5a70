"""Nonces seen, until they expire, in bounded memory."""

from __future__ import annotations

from miyun.core.errors import Overloaded, ReplayedRequest

_BUCKET = 32  # seconds
CAPACITY = 4_000_000


class Nonces:
    """Sets by expiry. 64 bits of the hash are kept: a false refusal needs a collision within one validity window.

    After the clock was set back, a nonce that was already forgotten could come again; therefore whatever expires no
    later than the last forgotten nonce (`horizon`) is refused as well."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._buckets: dict[int, set[int]] = {}
        self._count = 0
        self.horizon = 0

    def __len__(self) -> int:
        return self._count

    def use(self, nonce: bytes, expires: int, now: float) -> None:
        """Raises ReplayedRequest when seen before, Overloaded when there is no room."""
        self._forget(now)
        value = int.from_bytes(nonce[:8])
        if expires <= self.horizon or any(value in bucket for bucket in self._buckets.values()):
            raise ReplayedRequest
        if self._count >= self._capacity:
            raise Overloaded(retry_after=_BUCKET)
        self._add(value, expires)

    def restore(self, nonce: bytes, expires: int) -> None:
        """From the journal or the checkpoint."""
        self._add(int.from_bytes(nonce[:8]), expires)

    def _add(self, value: int, expires: int) -> None:
        bucket = self._buckets.setdefault(expires // _BUCKET, set())
        before = len(bucket)
        bucket.add(value)
        self._count += len(bucket) - before

    def _forget(self, now: float) -> None:
        current = int(now) // _BUCKET
        if self._buckets and min(self._buckets) < current:
            for number in [number for number in self._buckets if number < current]:
                self._count -= len(self._buckets.pop(number))
                self.horizon = max(self.horizon, (number + 1) * _BUCKET - 1)
