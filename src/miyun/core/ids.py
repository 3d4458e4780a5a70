"""Identifiers: a prefix that tells the kind, and 128 sortable bits (48 bits of milliseconds, 80 of randomness)."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u


def new_id(prefix: str) -> str:
    """For example `key_06f3k2v8q0...`: sorts by creation time within a prefix."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return prefix + "_" + "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
