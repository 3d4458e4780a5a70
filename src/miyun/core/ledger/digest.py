"""Which SM3 the ledger uses: that of `gm`, in one place."""

from __future__ import annotations

try:
    from miyun.gm.sm3 import digest as sm3
except ImportError:
    import hashlib

    def sm3(data: bytes) -> bytes:
        return hashlib.new("sm3", data).digest()


__all__ = ["sm3"]
