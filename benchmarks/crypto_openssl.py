"""The system's libcrypto as a peer: contexts made once, then the bare calls, as `openssl speed` does it.

A call by ctypes adds under a microsecond to what takes from 200 µs (SM2) or works on whole buffers.
"""

import ctypes
from collections.abc import Callable
from ctypes import byref, c_int, c_size_t, c_void_p

from miyun.gm import sm2
from miyun.gm.errors import ProviderUnavailable
from miyun.gm.providers import libcrypto

_MORE: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "EVP_PKEY_CTX_set1_id": (c_int, (c_void_p, c_void_p, c_int)),
    "EVP_MD_CTX_set_pkey_ctx": (None, (c_void_p, c_void_p)),
    "EVP_DigestSignInit": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)),
    "EVP_DigestSign": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_size_t)),
    "EVP_DigestVerifyInit": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)),
    "EVP_DigestVerify": (c_int, (c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)),
    "EVP_PKEY_encrypt_init": (c_int, (c_void_p,)),
    "EVP_PKEY_decrypt_init": (c_int, (c_void_p,)),
    "EVP_PKEY_encrypt": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_size_t)),
    "EVP_PKEY_decrypt": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_size_t)),
    "EVP_PKEY_keygen_init": (c_int, (c_void_p,)),
    "EVP_PKEY_keygen": (c_int, (c_void_p, c_void_p)),
}


def openssl() -> "OpenSsl | None":
    """The peer, or None when this system has no libcrypto 3 with GM algorithms."""
    try:
        return OpenSsl(libcrypto.load())
    except ProviderUnavailable:
        return None


class OpenSsl:
    """Each method makes a ready call; a failure of libcrypto ends the measurement."""

    def __init__(self, library: ctypes.CDLL) -> None:
        for name, (result, arguments) in _MORE.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self._lib = library
        self._out = ctypes.create_string_buffer(2 << 20)
        self._size = c_size_t()
        self._md = library.EVP_sm3()

    def _key(self, public: bytes, d: bytes | None = None) -> tuple[int, int]:
        key = libcrypto.pkey(self._lib, public, None if d is None else libcrypto.secret(d))
        context = self._lib.EVP_PKEY_CTX_new(key, None)
        return key, context

    def _message_context(self, public: bytes, d: bytes | None) -> tuple[int, int]:
        key, context = self._key(public, d)
        _good(self._lib.EVP_PKEY_CTX_set1_id(context, sm2.DEFAULT_ID, len(sm2.DEFAULT_ID)))
        message = self._lib.EVP_MD_CTX_new()
        self._lib.EVP_MD_CTX_set_pkey_ctx(message, context)
        return key, message

    def sign(self, d: bytes, public: bytes) -> Callable[[bytes], None]:
        key, context = self._message_context(public, d)
        lib, out, size, md = self._lib, self._out, self._size, self._md

        def call(message: bytes) -> None:
            size.value = 80
            _good(lib.EVP_DigestSignInit(context, None, md, None, key))
            _good(lib.EVP_DigestSign(context, out, byref(size), message, len(message)))

        return call

    def verify(self, public: bytes) -> Callable[[bytes, bytes], None]:
        key, context = self._message_context(public, None)
        lib, md = self._lib, self._md

        def call(message: bytes, signature: bytes) -> None:
            _good(lib.EVP_DigestVerifyInit(context, None, md, None, key))
            _good(lib.EVP_DigestVerify(context, signature, len(signature), message, len(message)))

        return call

    def sign_digest(self, d: bytes, public: bytes) -> Callable[[bytes], None]:
        _, context = self._key(public, d)
        lib, out, size = self._lib, self._out, self._size
        _good(lib.EVP_PKEY_sign_init(context))

        def call(e: bytes) -> None:
            size.value = 80
            _good(lib.EVP_PKEY_sign(context, out, byref(size), e, 32))

        return call

    def verify_digest(self, public: bytes) -> Callable[[bytes, bytes], None]:
        _, context = self._key(public)
        _good(self._lib.EVP_PKEY_verify_init(context))
        lib = self._lib
        return lambda e, signature: _good(lib.EVP_PKEY_verify(context, signature, len(signature), e, 32))

    def encrypt(self, public: bytes, plaintext: bytes) -> bytes:
        """One ciphertext in GM/T 0009's encoding."""
        _, context = self._key(public)
        self._size.value = 1024
        _good(self._lib.EVP_PKEY_encrypt_init(context))
        _good(self._lib.EVP_PKEY_encrypt(context, self._out, byref(self._size), plaintext, len(plaintext)))
        return self._out.raw[: self._size.value]

    def decrypt(self, d: bytes, public: bytes) -> Callable[[bytes], None]:
        _, context = self._key(public, d)
        lib, out, size = self._lib, self._out, self._size
        _good(lib.EVP_PKEY_decrypt_init(context))

        def call(ciphertext: bytes) -> None:
            size.value = 1024
            _good(lib.EVP_PKEY_decrypt(context, out, byref(size), ciphertext, len(ciphertext)))

        return call

    def generate(self) -> Callable[[], None]:
        context = self._lib.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
        lib = self._lib
        _good(lib.EVP_PKEY_keygen_init(context))

        def call() -> None:
            made = c_void_p()
            _good(lib.EVP_PKEY_keygen(context, byref(made)))
            lib.EVP_PKEY_free(made)

        return call

    def digest(self) -> Callable[[bytes], None]:
        lib, out, md = self._lib, self._out, self._md
        return lambda data: _good(lib.EVP_Digest(data, len(data), out, None, md, None))

    def hmac(self, key: bytes) -> Callable[[bytes], None]:
        lib, out, md = self._lib, self._out, self._md

        def call(data: bytes) -> None:
            lib.HMAC(md, key, len(key), data, len(data), out, None)

        return call

    def cipher(self, name: str, key: bytes, iv: bytes) -> Callable[[bytes], None]:
        """Encryption by EVP_sm4_<name>, the key schedule kept."""
        lib, out, done = self._lib, self._out, c_int()
        context = lib.EVP_CIPHER_CTX_new()
        _good(lib.EVP_CipherInit_ex(context, getattr(lib, f"EVP_sm4_{name}")(), None, key, iv, 1))

        def call(data: bytes) -> None:
            _good(lib.EVP_CipherInit_ex(context, None, None, None, iv, 1))
            _good(lib.EVP_CipherUpdate(context, out, byref(done), data, len(data)))

        return call


def _good(result: int) -> None:
    if result != 1:
        raise RuntimeError("libcrypto refused a call of the measurement")
