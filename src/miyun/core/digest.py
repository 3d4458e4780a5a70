"""The platform's own hash, MAC and encryption: the one place where core reaches algorithms, so that it names none."""

from __future__ import annotations

from collections.abc import Sequence

from miyun.gm import kdf, sm3, sm4
from miyun.gm.errors import DecryptionFailed
from miyun.gm.providers.port import Hash

SIZE = 32  # octets of a digest and of a MAC


def digest(data: bytes) -> bytes:
    """32-octet digest."""
    return sm3.digest(data)


def digest_many(items: Sequence[bytes]) -> list[bytes]:
    """The digests of many short messages at once."""
    return sm3.digest_many(items)


def mac(key: bytes, data: bytes) -> bytes:
    """32-octet keyed MAC."""
    return sm3.hmac(key, data)


def encrypt(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    """Authenticated encryption of a backup's segment: ciphertext ‖ 16-octet tag. 16-octet key, 12-octet nonce."""
    return sm4.encrypt_gcm(key, nonce, data, aad)


def decrypt(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes | None:
    """None when key, nonce, data or aad is not what it was."""
    try:
        return sm4.decrypt_gcm(key, nonce, data, aad)
    except DecryptionFailed:
        return None


def hasher() -> Hash:
    """A digest to feed with `update`, for files."""
    return sm3.new()


def stretch(passphrase: str, salt: bytes, iterations: int, size: int) -> bytes:
    """Key octets from a passphrase, as slow as `iterations`."""
    return kdf.pbkdf2(passphrase.encode(), salt, iterations, size)
