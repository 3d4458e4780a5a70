"""Identifiers: a prefix that tells the kind, and 128 sortable bits (48 bits of milliseconds, 80 of randomness)."""

from __future__ import annotations

import os
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS = range(120, -1, -10)
_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """For example `key_06f3k2v8q0...`: sorts by creation time within a prefix; those of one process always do."""
    global _last
    with _lock:
        drawn = int.from_bytes(os.urandom(10))
        value = (time.time_ns() // 1_000_000) << 80 | drawn
        if value <= _last:  # of the same millisecond, or the clock was set back: as random a step beyond the last
            value = _last + 1 + (drawn >> 8)
        _last = value
    return prefix + "_" + "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])
