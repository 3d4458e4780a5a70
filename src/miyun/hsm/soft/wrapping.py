"""The form in which keys leave the VSM: `version ‖ nonce ‖ SM4-GCM(key)`, bound to what the key is.

The associated data is the length-prefixed tenant ‖ key ‖ version ‖ state ‖ algorithm, so that a row of the database
cannot be given to another tenant, another key or an earlier state.
"""

from __future__ import annotations

from typing import Final

from miyun.gm import kdf, rand, sm3, sm4
from miyun.gm.errors import DecryptionFailed
from miyun.hsm.errors import UnknownKey, WrongBinding
from miyun.hsm.port import KeyAlgorithm, KeyBinding, WrappedKey

ROOT_SIZE: Final = 32
_BLOB_VERSION: Final = 1
_NONCE: Final = 12
_TAG: Final = 16
_HANDLE_LABEL: Final = b"miyun key handle 1"
_AAD_LABEL: Final = b"miyun wrapped key 1"


def lengths(*parts: bytes) -> bytes:
    """Each part after its u32 length: no two different lists give the same octets."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def associated_data(algorithm: KeyAlgorithm, binding: KeyBinding) -> bytes:
    return _AAD_LABEL + lengths(
        binding.tenant.encode(),
        binding.key.encode(),
        str(binding.version).encode(),
        binding.state.encode(),
        algorithm.encode(),
    )


def handle_of(key: WrappedKey) -> bytes:
    """The 32 octets by which client and VSM name a wrapped key under its binding."""
    return sm3.digest(_HANDLE_LABEL + lengths(key.blob, associated_data(key.algorithm, key.binding)))


class StorageKey:
    """The SM4 key under which everything is stored, derived from the root."""

    __slots__ = ("key",)

    def __init__(self, root: bytes) -> None:
        self.key = bytearray(kdf.hkdf(root, b"miyun vsm", b"storage key 1", 16))

    def wrap(self, algorithm: KeyAlgorithm, binding: KeyBinding, secret: bytes | bytearray) -> bytes:
        nonce = rand.token(_NONCE)
        aad = associated_data(algorithm, binding)
        return bytes((_BLOB_VERSION,)) + nonce + sm4.encrypt_gcm(self.key, nonce, bytes(secret), aad)

    def unwrap(self, key: WrappedKey) -> bytearray:
        blob = key.blob
        if len(blob) <= 1 + _NONCE + _TAG or blob[0] != _BLOB_VERSION:
            raise UnknownKey("not a wrapped key of this system")
        aad = associated_data(key.algorithm, key.binding)
        try:
            return bytearray(sm4.decrypt_gcm(self.key, blob[1 : 1 + _NONCE], blob[1 + _NONCE :], aad))
        except DecryptionFailed:
            raise WrongBinding("the wrapped key does not belong to what it is presented as") from None
