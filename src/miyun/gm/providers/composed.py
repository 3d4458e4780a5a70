"""Constructions that a provider without the C extension builds from its own primitives.

SM2 encryption (GB/T 32918.4) over point multiplication and SM3; GCM over SM4-CTR and GHASH. GHASH here is plain Python
integer arithmetic: slow and not constant time, which is why the fallback announces itself.
"""

import hmac
from collections.abc import Callable, Sequence

from miyun.gm.curve import decode_point
from miyun.gm.errors import InvalidKey

from .port import Buffer

_R = 0xE1 << 120


def _ghash_tables(h: int) -> list[int]:
    """H·x^i for i = 0..127, so that a product is a sum of selected entries."""
    powers = [h]
    for _ in range(127):
        last = powers[-1]
        powers.append((last >> 1) ^ (_R if last & 1 else 0))
    return powers


def _nibble_tables(h: int) -> list[list[int]]:
    powers = _ghash_tables(h)
    tables = []
    for position in range(32):
        bits = powers[4 * position : 4 * position + 4]
        row = [0] * 16
        for value in range(16):
            for bit in range(4):
                if value >> (3 - bit) & 1:
                    row[value] ^= bits[bit]
        tables.append(row)
    return tables


class Ghash:
    """GHASH of NIST SP 800-38D under one hash key."""

    def __init__(self, h: bytes) -> None:
        self._tables = _nibble_tables(int.from_bytes(h, "big"))

    def __call__(self, *parts: Buffer) -> bytes:
        """Hash the parts, each padded with zeros to whole blocks."""
        y = 0
        for part in parts:
            data = bytes(part)
            for start in range(0, len(data), 16):
                y ^= int.from_bytes(data[start : start + 16].ljust(16, b"\0"), "big")
                product = 0
                for position, table in enumerate(self._tables):
                    product ^= table[y >> (124 - 4 * position) & 15]
                y = product
        return y.to_bytes(16, "big")


def _lengths(aad: Buffer, data: bytes) -> bytes:
    return (8 * len(aad)).to_bytes(8, "big") + (8 * len(data)).to_bytes(8, "big")


class Gcm:
    """SM4-GCM under one key over `ecb(block) -> block` and `ctr(counter, data) -> data` with a 128-bit counter."""

    def __init__(self, ecb: Callable[[bytes], bytes], ctr: Callable[[bytes, bytes], bytes]) -> None:
        self._ecb = ecb
        self._ctr128 = ctr
        self._ghash = Ghash(ecb(bytes(16)))

    def _j0(self, nonce: Buffer) -> bytes:
        if len(nonce) == 12:
            return bytes(nonce) + b"\0\0\0\1"
        return self._ghash(nonce, (8 * len(nonce)).to_bytes(16, "big"))

    def _ctr(self, j0: bytes, data: bytes) -> bytes:
        """Counter mode from inc32(J0): GCM wraps the low 32 bits, the primitive all 128."""
        prefix, low = j0[:12], (int.from_bytes(j0[12:], "big") + 1) & 0xFFFFFFFF
        until_wrap = ((1 << 32) - low) * 16
        out = self._ctr128(prefix + low.to_bytes(4, "big"), data[:until_wrap])
        if len(data) > until_wrap:
            out += self._ctr128(prefix + bytes(4), data[until_wrap:])
        return out

    def _tag(self, j0: bytes, aad: Buffer, ciphertext: bytes) -> bytes:
        hashed = self._ghash(aad, ciphertext, _lengths(aad, ciphertext))
        return bytes(a ^ b for a, b in zip(hashed, self._ecb(j0), strict=True))

    def encrypt(self, items: Sequence[tuple[Buffer, Buffer, Buffer]], tag_size: int, /) -> list[bytes]:
        return [self._encrypt(nonce, data, aad, tag_size) for nonce, data, aad in items]

    def decrypt(self, items: Sequence[tuple[Buffer, Buffer, Buffer]], tag_size: int, /) -> list[bytes | None]:
        return [self._decrypt(nonce, data, aad, tag_size) for nonce, data, aad in items]

    def _encrypt(self, nonce: Buffer, data: Buffer, aad: Buffer, tag_size: int) -> bytes:
        j0 = self._j0(nonce)
        ciphertext = self._ctr(j0, bytes(data))
        return ciphertext + self._tag(j0, aad, ciphertext)[:tag_size]

    def _decrypt(self, nonce: Buffer, data: Buffer, aad: Buffer, tag_size: int) -> bytes | None:
        if len(data) < tag_size:
            return None
        ciphertext, tag = bytes(data[: len(data) - tag_size]), bytes(data[len(data) - tag_size :])
        j0 = self._j0(nonce)
        if not hmac.compare_digest(self._tag(j0, aad, ciphertext)[:tag_size], tag):
            return None
        return self._ctr(j0, ciphertext)


def sm2_kdf(sm3: Callable[[bytes], bytes], z: bytes, length: int) -> bytes:
    """The key derivation function of GB/T 32918.4, 5.4.3."""
    blocks = (sm3(z + counter.to_bytes(4, "big")) for counter in range(1, -(-length // 32) + 1))
    return b"".join(blocks)[:length]


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def sm2_encrypt(
    sm3: Callable[[bytes], bytes],
    multiply: Callable[[bytes, bytes | None], bytes],
    public: bytes,
    plaintext: bytes,
    k: bytes,
) -> bytes | None:
    """Encrypt with the given k; None when the KDF output is all zero and another k must be drawn."""
    c1, shared = multiply(k, None), multiply(k, public)
    x2, y2 = shared[1:33], shared[33:]
    t = sm2_kdf(sm3, x2 + y2, len(plaintext))
    if plaintext and not any(t):
        return None
    return c1 + sm3(x2 + plaintext + y2) + _xor(plaintext, t)


def sm2_decrypt(
    sm3: Callable[[bytes], bytes], multiply: Callable[[bytes, bytes | None], bytes], d: bytes, ciphertext: bytes
) -> bytes | None:
    """Decrypt raw 04‖x‖y‖C3‖C2; None for every kind of wrong ciphertext."""
    c1, c3, c2 = ciphertext[:65], ciphertext[65:97], ciphertext[97:]
    try:
        decode_point(c1)
        shared = multiply(d, c1)
    except InvalidKey:
        return None
    x2, y2 = shared[1:33], shared[33:]
    t = sm2_kdf(sm3, x2 + y2, len(c2))
    plaintext = _xor(c2, t)
    right = hmac.compare_digest(sm3(x2 + plaintext + y2), c3)
    if not right or (c2 and not any(t)):
        return None
    return plaintext
