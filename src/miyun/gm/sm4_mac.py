"""MACs of GB/T 15852.1 over SM4: CBC-MAC (algorithm 1), EMAC (algorithm 2) and CMAC (algorithm 5), 16 bytes each.

Take CMAC. CBC-MAC is safe for messages of one fixed length, or with padding "M3", only.
"""

import hmac
from typing import Literal

from miyun.gm import _check
from miyun.gm.errors import InvalidInput, InvalidSignature
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer
from miyun.gm.sm4 import checked_key

Padding = Literal["M2", "M3"]
"""Methods of GB/T 15852.1, 6.3: M2 appends 80 and zeros; M3 puts the length in bits first and appends zeros."""


def _padded(data: Buffer, padding: Padding) -> bytes:
    raw = bytes(_check.data(data))
    if padding == "M2":
        raw += b"\x80"
        return raw.ljust(-(-len(raw) // 16) * 16, b"\0")
    if padding == "M3":
        return (8 * len(raw)).to_bytes(16, "big") + raw.ljust(max(1, -(-len(raw) // 16)) * 16, b"\0")
    raise InvalidInput("the padding of a MAC is 'M2' or 'M3'")


def cbc_mac(key: Buffer, data: Buffer, *, padding: Padding) -> bytes:
    """CBC-MAC, algorithm 1."""
    return provider().sm4_cbc_mac(checked_key(key), _padded(data, padding))


def emac(key: Buffer, key2: Buffer, data: Buffer, *, padding: Padding) -> bytes:
    """EMAC, algorithm 2: CBC-MAC under the first key, encrypted under the second."""
    return provider().sm4_ecb(checked_key(key2), cbc_mac(key, data, padding=padding), True)


def cmac(key: Buffer, data: Buffer) -> bytes:
    """CMAC, algorithm 5; any length, no padding to choose."""
    return provider().sm4_cmac(checked_key(key), _check.data(data))


def _verify(expected: bytes, tag: Buffer) -> None:
    if not hmac.compare_digest(expected, bytes(_check.data(tag, "tag"))):
        raise InvalidSignature


def cbc_mac_verify(key: Buffer, data: Buffer, tag: Buffer, *, padding: Padding) -> None:
    """Raise InvalidSignature unless `tag` is the whole CBC-MAC. Constant time in the tag."""
    _verify(cbc_mac(key, data, padding=padding), tag)


def emac_verify(key: Buffer, key2: Buffer, data: Buffer, tag: Buffer, *, padding: Padding) -> None:
    """Raise InvalidSignature unless `tag` is the whole EMAC. Constant time in the tag."""
    _verify(emac(key, key2, data, padding=padding), tag)


def cmac_verify(key: Buffer, data: Buffer, tag: Buffer) -> None:
    """Raise InvalidSignature unless `tag` is the whole CMAC. Constant time in the tag."""
    _verify(cmac(key, data), tag)
