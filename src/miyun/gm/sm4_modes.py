"""SM4 in the further modes of GB/T 17964-2021: CFB, OFB, XTS, BC, OFBNLF and HCTR. None of them authenticates.

Keys, IVs and tweaks are 16 bytes, but the key of XTS is 32. New protocols take GCM or CCM of `sm4`; these modes serve
storage (XTS, HCTR) and what exists already.
"""

from typing import Literal

from miyun.gm import _check
from miyun.gm.errors import InvalidInput
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer
from miyun.gm.sm4 import checked_key, whole_blocks

Standard = Literal["GB", "IEEE"]
"""How the tweak of XTS doubles: as in GB/T 17964, or as in IEEE 1619. The results differ from the second block on."""
_XTS_LIMIT = 1 << 24  # bytes: 2^20 blocks, the most IEEE 1619 allows under one tweak


def _iv(iv: Buffer, name: str = "iv") -> Buffer:
    return _check.sized(iv, 16, name)


def encrypt_cfb(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """CFB with 128-bit feedback; any length. Never use one IV twice under a key."""
    return provider().sm4_cfb(checked_key(key), _iv(iv), _check.data(data), True)


def decrypt_cfb(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """Undo `encrypt_cfb`."""
    return provider().sm4_cfb(checked_key(key), _iv(iv), _check.data(data), False)


def ofb(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """Encrypt or decrypt in OFB; any length. Never use one IV twice under a key."""
    return provider().sm4_ofb(checked_key(key), _iv(iv), _check.data(data))


def encrypt_bc(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """Block chaining of whole blocks, without padding."""
    return provider().sm4_bc(checked_key(key), _iv(iv), whole_blocks(data), True)


def decrypt_bc(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """Undo `encrypt_bc`."""
    return provider().sm4_bc(checked_key(key), _iv(iv), whole_blocks(data), False)


def encrypt_ofbnlf(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """Output feedback with a nonlinear function, of whole blocks, without padding."""
    return provider().sm4_ofbnlf(checked_key(key), _iv(iv), whole_blocks(data), True)


def decrypt_ofbnlf(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """Undo `encrypt_ofbnlf`."""
    return provider().sm4_ofbnlf(checked_key(key), _iv(iv), whole_blocks(data), False)


def _block_or_more(data: Buffer, mode: str) -> Buffer:
    data = _check.data(data)
    if len(data) < 16:
        raise InvalidInput(f"{mode} takes 16 bytes or more, not {len(data)}")
    return data


def _xts(key: Buffer, tweak: Buffer, data: Buffer, standard: Standard, encrypt: bool) -> bytes:
    if standard not in ("GB", "IEEE"):
        raise InvalidInput("the standard of XTS is 'GB' (GB/T 17964) or 'IEEE' (IEEE 1619)")
    data = _block_or_more(data, "XTS")
    if len(data) > _XTS_LIMIT:
        raise InvalidInput(f"XTS takes at most {_XTS_LIMIT} bytes under one tweak")
    return provider().sm4_xts(_check.sized(key, 32, "XTS key"), _iv(tweak, "tweak"), data, standard == "GB", encrypt)


def encrypt_xts(key: Buffer, tweak: Buffer, data: Buffer, *, standard: Standard) -> bytes:
    """XTS with ciphertext stealing, 16 bytes to 16 MiB. The tweak is the sector's number, little-endian, as a rule.

    The key is two keys of 16 bytes, one after the other; make them differ.
    """
    return _xts(key, tweak, data, standard, True)


def decrypt_xts(key: Buffer, tweak: Buffer, data: Buffer, *, standard: Standard) -> bytes:
    """Undo `encrypt_xts`; the standard must be the same."""
    return _xts(key, tweak, data, standard, False)


def _hctr(key: Buffer, hash_key: Buffer, tweak: Buffer, data: Buffer, encrypt: bool) -> bytes:
    hash_key = _check.sized(hash_key, 16, "hash key")
    return provider().sm4_hctr(checked_key(key), hash_key, _iv(tweak, "tweak"), _block_or_more(data, "HCTR"), encrypt)


def encrypt_hctr(key: Buffer, hash_key: Buffer, tweak: Buffer, data: Buffer) -> bytes:
    """HCTR: every bit of the output depends on every bit of the data; 16 bytes or more."""
    return _hctr(key, hash_key, tweak, data, True)


def decrypt_hctr(key: Buffer, hash_key: Buffer, tweak: Buffer, data: Buffer) -> bytes:
    """Undo `encrypt_hctr`."""
    return _hctr(key, hash_key, tweak, data, False)
