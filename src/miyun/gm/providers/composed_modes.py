"""Modes and MACs of SM4 that libcrypto lacks, composed over its block cipher and counter mode.

Plain Python, without secret-indexed tables but not constant time in its integers: for machines without the C extension.
"""

import hmac
from collections.abc import Callable

from .composed import Ghash
from .port import Buffer

Ecb = Callable[[Buffer, Buffer, bool], bytes]
"""(key, whole blocks, encrypt) → whole blocks"""


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def _split(data: Buffer) -> list[bytes]:
    raw = bytes(data)
    return [raw[start : start + 16] for start in range(0, len(raw), 16)]


def bc(ecb: Ecb, key: Buffer, iv: Buffer, data: Buffer, encrypt: bool) -> bytes:
    """Block chaining, GB/T 17964."""
    total, out = bytes(iv), []
    for block in _split(data):
        if encrypt:
            out.append(ecb(key, _xor(block, total), True))
            total = _xor(total, out[-1])
        else:
            out.append(_xor(ecb(key, block, False), total))
            total = _xor(total, block)
    return b"".join(out)


def ofbnlf(ecb: Ecb, key: Buffer, iv: Buffer, data: Buffer, encrypt: bool) -> bytes:
    """Output feedback with a nonlinear function, GB/T 17964: every block has its own key."""
    once, out = bytes(iv), []
    for block in _split(data):
        once = ecb(key, once, True)
        out.append(ecb(once, block, encrypt))
    return b"".join(out)


def _twice(t: bytes, gb: bool) -> bytes:
    """Times x in GF(2^128), in the bit order of GB/T 17964 or of IEEE 1619."""
    if gb:
        value = int.from_bytes(t, "big")
        return (value >> 1 ^ (0xE1 << 120) * (value & 1)).to_bytes(16, "big")
    value = int.from_bytes(t, "little")
    return ((value << 1 & (1 << 128) - 1) ^ 0x87 * (value >> 127)).to_bytes(16, "little")


def xts(ecb: Ecb, key: Buffer, tweak: Buffer, data: Buffer, gb: bool, encrypt: bool) -> bytes:
    """XTS with ciphertext stealing; a block or more."""
    key, blocks = bytes(key), _split(data)
    tail = blocks.pop() if len(blocks[-1]) < 16 else b""
    tweaks = [ecb(key[16:], tweak, True)]
    while len(tweaks) < len(blocks) + bool(tail):
        tweaks.append(_twice(tweaks[-1], gb))
    if tail and not encrypt:
        tweaks[-2:] = reversed(tweaks[-2:])
    masks = b"".join(tweaks[: len(blocks)])
    out = _xor(ecb(key[:16], _xor(b"".join(blocks), masks), encrypt), masks)
    if not tail:
        return out
    whole = out[-16:]
    last = ecb(key[:16], _xor(tail + whole[len(tail) :], tweaks[-1]), encrypt)
    return out[:-16] + _xor(last, tweaks[-1]) + whole[: len(tail)]


def hctr(ecb: Ecb, key: Buffer, hash_key: Buffer, tweak: Buffer, data: Buffer, encrypt: bool) -> bytes:
    """HCTR, GB/T 17964; a block or more."""
    ghash = Ghash(bytes(hash_key))
    first, rest = bytes(data[:16]), bytes(data[16:])

    def hashed(part: bytes) -> bytes:
        return ghash(part + bytes(tweak), (8 * (len(part) + 16)).to_bytes(16, "big"))

    before = _xor(first, hashed(rest))
    after = ecb(key, before, encrypt)
    start = int.from_bytes(_xor(before, after), "big")
    counters = b"".join((start ^ counter).to_bytes(16, "big") for counter in range(1, -(-len(rest) // 16) + 1))
    rest = _xor(rest, ecb(key, counters, True)[: len(rest)])
    return _xor(after, hashed(rest)) + rest


def cmac(ecb: Ecb, cbc_mac: Callable[[Buffer, Buffer], bytes], key: Buffer, data: Buffer) -> bytes:
    """CMAC, algorithm 5 of GB/T 15852.1."""
    data = bytes(data)
    subkey = _double(ecb(key, bytes(16), True))
    whole = len(data) - ((len(data) - 1) % 16 + 1 if data else 0)
    last = data[whole:]
    if len(last) < 16:
        subkey, last = _double(subkey), (last + b"\x80").ljust(16, b"\0")
    return cbc_mac(key, data[:whole] + _xor(last, subkey))


def _double(t: bytes) -> bytes:
    value = int.from_bytes(t, "big")
    return ((value << 1 & (1 << 128) - 1) ^ 0x87 * (value >> 127)).to_bytes(16, "big")


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // 16) * 16, b"\0")


class Ccm:
    """SM4-CCM under one key and nonce."""

    def __init__(
        self,
        ecb: Ecb,
        ctr: Callable[[Buffer, Buffer, Buffer], bytes],
        cbc_mac: Callable[[Buffer, Buffer], bytes],
        key: Buffer,
        nonce: Buffer,
    ) -> None:
        self._ecb, self._ctr, self._cbc_mac, self._key = ecb, ctr, cbc_mac, key
        self._nonce = bytes(nonce)
        self._length_size = 15 - len(self._nonce)

    def _counter(self, value: int) -> bytes:
        return bytes([self._length_size - 1]) + self._nonce + value.to_bytes(self._length_size, "big")

    def _tag(self, plaintext: bytes, aad: Buffer, tag_size: int) -> bytes:
        aad = bytes(aad)
        head = b""
        if aad:
            if len(aad) < 0xFF00:
                head = len(aad).to_bytes(2, "big")
            elif len(aad) < 1 << 32:
                head = b"\xff\xfe" + len(aad).to_bytes(4, "big")
            else:
                head = b"\xff\xff" + len(aad).to_bytes(8, "big")
        flags = (0x40 if aad else 0) | (tag_size - 2) // 2 << 3 | (self._length_size - 1)
        b0 = bytes([flags]) + self._nonce + len(plaintext).to_bytes(self._length_size, "big")
        mac = self._cbc_mac(self._key, b0 + _padded(head + aad) + _padded(plaintext))
        return _xor(mac, self._ecb(self._key, self._counter(0), True))[:tag_size]

    def encrypt(self, data: Buffer, aad: Buffer, tag_size: int) -> bytes:
        plaintext = bytes(data)
        return self._ctr(self._key, self._counter(1), plaintext) + self._tag(plaintext, aad, tag_size)

    def decrypt(self, data: Buffer, aad: Buffer, tag_size: int) -> bytes | None:
        if len(data) < tag_size:
            return None
        size = len(data) - tag_size
        plaintext = self._ctr(self._key, self._counter(1), bytes(data[:size]))
        right = hmac.compare_digest(self._tag(plaintext, aad, tag_size), bytes(data[size:]))
        return plaintext if right else None
