"""SM3 (GB/T 32905) and HMAC-SM3 for signing requests: OpenSSL's by way of hashlib, else written out in Python."""

from __future__ import annotations

import hashlib
import struct
from typing import Protocol


class Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


def new(data: bytes = b"") -> Hash:
    """A computation to feed with `update`."""
    try:
        return hashlib.new("sm3", data)
    except ValueError:  # an OpenSSL without SM3
        return PortableSm3(data)


def digest(data: bytes) -> bytes:
    return new(data).digest()


def hmac(key: bytes, data: bytes) -> bytes:
    """HMAC-SM3 (RFC 2104), 32 bytes. `hmac.new` needs hashlib to know the hash, which it may not."""
    block = (digest(key) if len(key) > 64 else key).ljust(64, b"\0")
    inner = digest(bytes(octet ^ 0x36 for octet in block) + data)
    return digest(bytes(octet ^ 0x5C for octet in block) + inner)


_MASK = 0xFFFFFFFF
_START = (
    0x7380166F,
    0x4914B2B9,
    0x172442D7,
    0xDA8A0600,
    0xA96F30BC,
    0x163138AA,
    0xE38DEE4D,
    0xB0FB0E4E,
)


def _rotate(value: int, bits: int) -> int:
    bits %= 32
    return (value << bits | value >> 32 - bits) & _MASK if bits else value


_CONSTANTS = tuple(_rotate(0x79CC4519 if j < 16 else 0x7A879D8A, j) for j in range(64))


class PortableSm3:
    """Slow, about 1 MB/s: enough to sign requests."""

    def __init__(self, data: bytes = b"") -> None:
        self._state: tuple[int, ...] = _START
        self._rest = b""
        self._size = 0
        self.update(data)

    def update(self, data: bytes, /) -> None:
        self._size += len(data)
        pending = self._rest + data
        whole = len(pending) - len(pending) % 64
        for offset in range(0, whole, 64):
            self._state = _compress(self._state, pending[offset : offset + 64])
        self._rest = pending[whole:]

    def digest(self) -> bytes:
        padding = b"\x80" + b"\0" * ((55 - self._size) % 64) + struct.pack(">Q", self._size * 8)
        state: tuple[int, ...] = self._state
        tail = self._rest + padding
        for offset in range(0, len(tail), 64):
            state = _compress(state, tail[offset : offset + 64])
        return struct.pack(">8I", *state)


def _compress(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    words = list(struct.unpack(">16I", block))
    for j in range(16, 68):
        x = words[j - 16] ^ words[j - 9] ^ _rotate(words[j - 3], 15)
        words.append(x ^ _rotate(x, 15) ^ _rotate(x, 23) ^ _rotate(words[j - 13], 7) ^ words[j - 6])
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        twelve = _rotate(a, 12)
        ss1 = _rotate((twelve + e + _CONSTANTS[j]) & _MASK, 7)
        ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
        gg = e ^ f ^ g if j < 16 else (e & f) | (~e & g)
        tt1 = (ff + d + (ss1 ^ twelve) + (words[j] ^ words[j + 4])) & _MASK
        tt2 = (gg + h + ss1 + words[j]) & _MASK
        a, b, c, d = tt1, a, _rotate(b, 9), c
        e, f, g, h = (tt2 ^ _rotate(tt2, 9) ^ _rotate(tt2, 17)) & _MASK, e, _rotate(f, 19), g
    return tuple(new ^ old for new, old in zip((a, b, c, d, e, f, g, h), state, strict=True))
