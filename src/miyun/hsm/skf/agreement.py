"""Session keys that two tokens agree on by their containers' encryption keys (GM/T 0016, 7.6), over any library.

One side calls `begin` and sends `ephemeral`; the other calls `answer` and sends its own; the first calls `finish`."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_uint32, c_void_p

from miyun.gm import sm2
from miyun.hsm.skf.library import BlockCipherParam, Library, PublicKeyBlob
from miyun.hsm.skf.token import Container
from miyun.wire.skf import Algorithm

_BLOCK = 16
_PKCS5 = 1


class SessionKey:
    """Of SM4-CBC with padding. `close` it."""

    def __init__(self, library: Library, handle: c_void_p) -> None:
        self._library = library
        self._handle = handle

    def close(self) -> None:
        self._library.call("CloseHandle", self._handle)

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        return self._run("Encrypt", iv, data)

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        return self._run("Decrypt", iv, data)

    def _run(self, function: str, iv: bytes, data: bytes) -> bytes:
        parameters = BlockCipherParam((ctypes.c_ubyte * 32)(*iv), len(iv), _PKCS5, 0)
        self._library.call(f"{function}Init", self._handle, parameters)
        size = c_uint32(len(data) + _BLOCK)
        buffer = ctypes.create_string_buffer(size.value)
        self._library.call(function, self._handle, data, len(data), buffer, byref(size))
        return buffer.raw[: size.value]


class Agreement:
    """What the side that began goes on with; `ephemeral` (04‖x‖y) is for the other. `close` it."""

    def __init__(self, library: Library, handle: c_void_p, ephemeral: bytes) -> None:
        self._library = library
        self._handle = handle
        self.ephemeral = ephemeral

    def close(self) -> None:
        self._library.call("CloseHandle", self._handle)

    def finish(self, public: bytes, ephemeral: bytes, user_id: bytes = sm2.DEFAULT_ID) -> SessionKey:
        """With the other's public and ephemeral keys, once."""
        made = self._library.handle(
            "GenerateKeyWithECC", self._handle, byref(_blob(public)), byref(_blob(ephemeral)), user_id, len(user_id)
        )
        return SessionKey(self._library, made)


def begin(container: Container, user_id: bytes = sm2.DEFAULT_ID) -> Agreement:
    blob = PublicKeyBlob()
    library, arguments = container.library, (int(Algorithm.SM4_CBC), byref(blob), user_id, len(user_id))
    handle = library.handle("GenerateAgreementDataWithECC", container.handle, *arguments)
    return Agreement(library, handle, b"\4" + blob.point)


def answer(
    container: Container,
    public: bytes,
    ephemeral: bytes,
    *,
    peer_id: bytes = sm2.DEFAULT_ID,
    user_id: bytes = sm2.DEFAULT_ID,
) -> tuple[bytes, SessionKey]:
    """The own ephemeral key for the side that began, whose keys these are, and the session key."""
    blob = PublicKeyBlob()
    handle = container.library.handle(
        "GenerateAgreementDataAndKeyWithECC",
        container.handle,
        int(Algorithm.SM4_CBC),
        byref(_blob(public)),
        byref(_blob(ephemeral)),
        byref(blob),
        user_id,
        len(user_id),
        peer_id,
        len(peer_id),
    )
    return b"\4" + blob.point, SessionKey(container.library, handle)


def _blob(point: bytes) -> PublicKeyBlob:
    return PublicKeyBlob.of(point[1:])
