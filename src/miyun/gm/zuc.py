"""ZUC (GB/T 33133): the keystream, encryption 128-EEA3 and the MAC 128-EIA3. Keys and IVs are 16 bytes.

COUNT (32 bits), BEARER (5 bits) and DIRECTION (1 bit) make the IV: never use one combination twice under a key.
"""

import hmac

from miyun.gm import _check
from miyun.gm.errors import InvalidInput, InvalidSignature
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer

_WORDS = 1 << 24
_BITS = 1 << 32


def keystream(key: Buffer, iv: Buffer, words: int) -> bytes:
    """`words` words of 4 bytes each, at most 2^24."""
    if not 0 <= words <= _WORDS:
        raise InvalidInput(f"ask for 0 … {_WORDS} words of the keystream")
    return provider().zuc_xor(_key(key), _check.sized(iv, 16, "iv"), bytes(4 * words))


def _key(key: Buffer) -> Buffer:
    return _check.sized(key, 16, "ZUC key")


def _head(count: int, bearer: int, direction: int) -> tuple[bytes, int]:
    if not (0 <= count < 1 << 32 and 0 <= bearer < 32 and direction in (0, 1)):
        raise InvalidInput("COUNT has 32 bits, BEARER 5 and DIRECTION 1")
    return count.to_bytes(4, "big"), bearer << 3


def _bits(data: Buffer, bits: int | None) -> int:
    most = 8 * len(data)
    if bits is None:
        bits = most
    if not 0 <= bits <= most or bits >= _BITS:
        raise InvalidInput("the count of bits is at most that of the data, and below 2^32")
    return bits


def eea3(key: Buffer, count: int, bearer: int, direction: int, data: Buffer, bits: int | None = None) -> bytes:
    """Encrypt or decrypt the first `bits` bits (all by default); the bits after them come out as zeros."""
    data, (head, middle) = _check.data(data), _head(count, bearer, direction)
    bits = _bits(data, bits)
    whole, spare = -(-bits // 8), -bits % 8
    half = head + bytes([middle | direction << 2]) + bytes(3)
    out = bytearray(provider().zuc_xor(_key(key), half + half, bytes(data)[:whole]))
    if spare:
        out[-1] &= 0xFF << spare & 0xFF
    return bytes(out) + bytes(len(data) - whole)


def eia3(key: Buffer, count: int, bearer: int, direction: int, message: Buffer, bits: int | None = None) -> bytes:
    """The MAC of 4 bytes over the first `bits` bits (all by default)."""
    message, (head, middle) = _check.data(message, "message"), _head(count, bearer, direction)
    half = head + bytes([middle]) + bytes(3)
    turned = bytearray(half)
    turned[0] ^= direction << 7
    turned[6] ^= direction << 7
    return provider().zuc_mac(_key(key), half + bytes(turned), message, _bits(message, bits))


def eia3_verify(
    key: Buffer, count: int, bearer: int, direction: int, message: Buffer, mac: Buffer, bits: int | None = None
) -> None:
    """Raise InvalidSignature unless `mac` is right. Constant time in the MAC."""
    expected = eia3(key, count, bearer, direction, message, bits)
    if not hmac.compare_digest(expected, bytes(_check.data(mac, "mac"))):
        raise InvalidSignature
