"""The system's libcrypto, opened at run time by ctypes (docs/adr/0001-libcrypto-by-ctypes.md).

Only functions that OpenSSL 3.0 and later export are declared. ctypes releases the GIL during each call.
"""

import ctypes
import ctypes.util
import sys
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_ubyte, c_uint, c_void_p
from functools import cache

from miyun.gm.errors import ProviderUnavailable

_SM2_NID = 1172
_SONAMES = ("libcrypto.so.4", "libcrypto.so.3")

# name -> (result, arguments)
_PROTOTYPES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "OpenSSL_version": (c_char_p, (c_int,)),
    "OpenSSL_version_num": (ctypes.c_ulong, ()),
    "ERR_clear_error": (None, ()),
    "EVP_sm3": (c_void_p, ()),
    "EVP_sm4_ecb": (c_void_p, ()),
    "EVP_sm4_cbc": (c_void_p, ()),
    "EVP_sm4_ctr": (c_void_p, ()),
    "EVP_sm4_cfb128": (c_void_p, ()),
    "EVP_sm4_ofb": (c_void_p, ()),
    "EVP_Digest": (c_int, (c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p)),
    "EVP_MD_CTX_new": (c_void_p, ()),
    "EVP_MD_CTX_free": (None, (c_void_p,)),
    "EVP_MD_CTX_copy_ex": (c_int, (c_void_p, c_void_p)),
    "EVP_DigestInit_ex": (c_int, (c_void_p, c_void_p, c_void_p)),
    "EVP_DigestUpdate": (c_int, (c_void_p, c_void_p, c_size_t)),
    "EVP_DigestFinal_ex": (c_int, (c_void_p, c_void_p, c_void_p)),
    "HMAC": (c_void_p, (c_void_p, c_void_p, c_int, c_void_p, c_size_t, c_void_p, c_void_p)),
    "PKCS5_PBKDF2_HMAC": (c_int, (c_void_p, c_int, c_void_p, c_int, c_int, c_void_p, c_int, c_void_p)),
    "EVP_CIPHER_CTX_new": (c_void_p, ()),
    "EVP_CIPHER_CTX_free": (None, (c_void_p,)),
    "EVP_CIPHER_CTX_set_padding": (c_int, (c_void_p, c_int)),
    "EVP_CipherInit_ex": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_int)),
    "EVP_CipherUpdate": (c_int, (c_void_p, c_void_p, POINTER(c_int), c_void_p, c_int)),
    "BN_new": (c_void_p, ()),
    "BN_bin2bn": (c_void_p, (c_void_p, c_int, c_void_p)),
    "BN_clear_free": (None, (c_void_p,)),
    "EC_GROUP_new_by_curve_name": (c_void_p, (c_int,)),
    "EC_POINT_new": (c_void_p, (c_void_p,)),
    "EC_POINT_clear_free": (None, (c_void_p,)),
    "EC_POINT_mul": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)),
    "EC_POINT_oct2point": (c_int, (c_void_p, c_void_p, c_void_p, c_size_t, c_void_p)),
    "EC_POINT_point2oct": (c_size_t, (c_void_p, c_void_p, c_int, c_void_p, c_size_t, c_void_p)),
    "EVP_PKEY_free": (None, (c_void_p,)),
    "EVP_PKEY_CTX_new": (c_void_p, (c_void_p, c_void_p)),
    "EVP_PKEY_CTX_new_from_name": (c_void_p, (c_void_p, c_char_p, c_char_p)),
    "EVP_PKEY_CTX_free": (None, (c_void_p,)),
    "EVP_PKEY_fromdata_init": (c_int, (c_void_p,)),
    "EVP_PKEY_fromdata": (c_int, (c_void_p, POINTER(c_void_p), c_int, c_void_p)),
    "EVP_PKEY_sign_init": (c_int, (c_void_p,)),
    "EVP_PKEY_sign": (c_int, (c_void_p, c_void_p, POINTER(c_size_t), c_void_p, c_size_t)),
    "EVP_PKEY_verify_init": (c_int, (c_void_p,)),
    "EVP_PKEY_verify": (c_int, (c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)),
}


class Parameter(ctypes.Structure):
    """OSSL_PARAM of OpenSSL 3."""

    _fields_ = (
        ("key", c_char_p),
        ("data_type", c_uint),
        ("data", c_void_p),
        ("data_size", c_size_t),
        ("return_size", c_size_t),
    )


_UNSIGNED, _UTF8, _OCTETS = 2, 4, 5
_KEYPAIR, _PUBLIC = 0x87, 0x86


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in _PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError as missing:
            raise ProviderUnavailable(f"libcrypto has no {name}; OpenSSL 3.0 or later is needed") from missing
        function.restype = result
        function.argtypes = arguments
    return library


@cache
def load() -> ctypes.CDLL:
    """The declared library; ProviderUnavailable when there is none with SM2, SM3 and SM4."""
    found = ctypes.util.find_library("crypto")
    for name in (*_SONAMES, *([found] if found else [])):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library = _declare(library)
        if not (library.EVP_sm3() and library.EVP_sm4_ctr() and group(library)):
            raise ProviderUnavailable("this libcrypto was built without SM2, SM3 or SM4")
        return library
    raise ProviderUnavailable("no libcrypto (OpenSSL 3.0 or later) found on this system")


@cache
def group(library: ctypes.CDLL) -> int:
    """The EC_GROUP of sm2p256v1, made once and only read afterwards."""
    return library.EC_GROUP_new_by_curve_name(_SM2_NID)


def version(library: ctypes.CDLL) -> str:
    return library.OpenSSL_version(0).decode()


def secret(data: bytes | bytearray | memoryview) -> ctypes.Array:
    """A C copy of secret bytes; the caller wipes it with `wipe`."""
    return (c_ubyte * len(data)).from_buffer_copy(data)


def wipe(buffer: ctypes.Array) -> None:
    ctypes.memset(buffer, 0, ctypes.sizeof(buffer))


def pkey(library: ctypes.CDLL, public: bytes, d: ctypes.Array | None = None) -> int:
    """An EVP_PKEY of SM2; 0 when libcrypto refuses the point. The caller frees it."""
    point = ctypes.create_string_buffer(public, len(public))
    name = ctypes.create_string_buffer(b"SM2")
    parameters = [
        Parameter(b"group", _UTF8, ctypes.addressof(name), 3, 0),
        Parameter(b"pub", _OCTETS, ctypes.addressof(point), len(public), 0),
    ]
    native = None
    if d is not None:
        native = secret(bytes(d)[::-1] if sys.byteorder == "little" else bytes(d))
        parameters.append(Parameter(b"priv", _UNSIGNED, ctypes.addressof(native), 32, 0))
    array = (Parameter * (len(parameters) + 1))(*parameters, Parameter(None, 0, None, 0, 0))
    context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    key = c_void_p()
    try:
        if library.EVP_PKEY_fromdata_init(context) != 1:
            return 0
        selection = _PUBLIC if d is None else _KEYPAIR
        if library.EVP_PKEY_fromdata(context, ctypes.byref(key), selection, ctypes.byref(array)) != 1:
            library.ERR_clear_error()
            return 0
        return key.value or 0
    finally:
        library.EVP_PKEY_CTX_free(context)
        if native is not None:
            wipe(native)
