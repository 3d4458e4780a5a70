"""Random bytes of the operating system behind a continuous health test."""

import os
import threading

from miyun.gm.errors import InvalidInput, SelfTestFailed

_BLOCK = 16
_LIMIT = 1 << 26
_lock = threading.Lock()
_last = b""


def token(n: int) -> bytes:
    """`n` random bytes. SelfTestFailed when two successive 16-byte blocks of the source are equal (a stuck source)."""
    global _last
    if not 0 <= n <= _LIMIT:
        raise InvalidInput(f"ask for 0 … {_LIMIT} random bytes")
    drawn = os.urandom(n + _BLOCK)
    with _lock:
        # The extra block kept for the next comparison is never part of an output.
        previous, _last = _last, drawn[n:]
    sequence = previous + drawn
    for start in range(len(previous), len(sequence) - _BLOCK + 1, _BLOCK):
        if sequence[start : start + _BLOCK] == previous:
            raise SelfTestFailed("random source repeats itself")
        previous = sequence[start : start + _BLOCK]
    return drawn[:n]
