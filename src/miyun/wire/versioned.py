"""Ciphertext that says under which version of its key it was made, so that keys can be rotated.

`"MY" ‖ 01 ‖ u32 key version ‖ body`; the body is what the cipher gave (iv ‖ ciphertext ‖ tag).
"""

from __future__ import annotations

from typing import Final

from miyun.wire.errors import DecodeError

_MAGIC: Final = b"MY\x01"
HEADER_SIZE: Final = len(_MAGIC) + 4


def pack(version: int, body: bytes) -> bytes:
    """`version` counts from 1."""
    return _MAGIC + version.to_bytes(4, "big") + body


def unpack(data: bytes) -> tuple[int, bytes]:
    """(key version, body). Raises DecodeError."""
    if len(data) <= HEADER_SIZE or not data.startswith(_MAGIC):
        raise DecodeError("not a ciphertext of this system", field="ciphertext")
    version = int.from_bytes(data[len(_MAGIC) : HEADER_SIZE], "big")
    if not 1 <= version <= 0x7FFFFFFF:
        raise DecodeError("no such key version", field="ciphertext")
    return version, data[HEADER_SIZE:]
