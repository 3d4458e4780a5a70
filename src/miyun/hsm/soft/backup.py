"""A VSM's root for the backup of the whole platform: enciphered under a passphrase by PBKDF2-SM3 and SM4-GCM.

`magic ‖ u32 iterations ‖ salt (16) ‖ nonce (12) ‖ SM4-GCM(JSON)`; the part before the nonce is the associated data.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from miyun.gm import kdf, rand, sm4
from miyun.gm.errors import DecryptionFailed as GmDecryptionFailed
from miyun.hsm.errors import DecryptionFailed, InvalidRequest
from miyun.hsm.soft.home import State

MIN_PASSPHRASE: Final = 12
_HEAD: Final = struct.Struct("!8sI16s")
_MAGIC: Final = b"MYROOT\x00\x01"
_ITERATIONS: Final = 200_000
_MAX_ITERATIONS: Final = 2_000_000
_NONCE: Final = 12


class RootBackup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    root: bytes
    state: State

    def __repr__(self) -> str:
        return f"RootBackup({self.state.name})"


def encipher(backup: RootBackup, passphrase: str) -> bytes:
    """Takes a good part of a second, on purpose. Raises InvalidRequest for a short passphrase."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise InvalidRequest("passphrase", f"at least {MIN_PASSPHRASE} characters")
    salt, nonce = rand.token(16), rand.token(_NONCE)
    head = _HEAD.pack(_MAGIC, _ITERATIONS, salt)
    key = kdf.pbkdf2(passphrase.encode(), salt, _ITERATIONS, 16)
    return head + nonce + sm4.encrypt_gcm(key, nonce, msgspec.json.encode(backup), head)


def decipher(blob: bytes, passphrase: str) -> RootBackup:
    """Raises InvalidRequest when it is no backup, DecryptionFailed for a wrong passphrase or a damaged one."""
    if len(blob) < _HEAD.size + _NONCE or len(blob) > 65536:
        raise InvalidRequest("blob", "not a backup of a root")
    magic, iterations, salt = _HEAD.unpack_from(blob)
    if magic != _MAGIC or not 10_000 <= iterations <= _MAX_ITERATIONS:
        raise InvalidRequest("blob", "not a backup of a root")
    body = blob[_HEAD.size :]
    try:
        key = kdf.pbkdf2(passphrase.encode(), salt, iterations, 16)
        plain = sm4.decrypt_gcm(key, body[:_NONCE], body[_NONCE:], blob[: _HEAD.size])
        return msgspec.json.decode(plain, type=RootBackup)
    except (GmDecryptionFailed, msgspec.DecodeError):
        raise DecryptionFailed("the passphrase is wrong or the backup is damaged") from None
