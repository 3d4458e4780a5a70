"""The functions and structures of GM/T 0016 by ctypes. Nothing here decides anything: `token.py` does."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_byte, c_char, c_char_p, c_int32, c_ubyte, c_uint32, c_void_p
from pathlib import Path
from typing import Any, Final

from miyun.hsm.skf.errors import LibraryUnusable, TokenError
from miyun.wire.skf import Sar

OWN_LIBRARY: Final = Path(__file__).parent / "lib" / "libmiyun_skf.so"
COORDINATE: Final = 32
_SLOT: Final = 64
_BITS: Final = 256


class Version(Structure):
    _pack_ = 1
    _fields_ = (("major", c_ubyte), ("minor", c_ubyte))


class DeviceInfo(Structure):
    _pack_ = 1
    _fields_ = (
        ("version", Version),
        ("manufacturer", c_char * 64),
        ("issuer", c_char * 64),
        ("label", c_char * 32),
        ("serial", c_char * 32),
        ("hardware", Version),
        ("firmware", Version),
        ("symmetric", c_uint32),
        ("asymmetric", c_uint32),
        ("hashes", c_uint32),
        ("authentication", c_uint32),
        ("total_space", c_uint32),
        ("free_space", c_uint32),
        ("max_ecc_buffer", c_uint32),
        ("max_buffer", c_uint32),
        ("reserved", c_byte * 64),
    )


class PublicKeyBlob(Structure):
    _pack_ = 1
    _fields_ = (("bits", c_uint32), ("x", c_ubyte * _SLOT), ("y", c_ubyte * _SLOT))

    @classmethod
    def of(cls, point: bytes) -> PublicKeyBlob:
        """`point` is x‖y."""
        return cls(_BITS, slot(point[:COORDINATE]), slot(point[COORDINATE:]))

    @property
    def point(self) -> bytes:
        return bytes(self.x)[-COORDINATE:] + bytes(self.y)[-COORDINATE:]


class SignatureBlob(Structure):
    _pack_ = 1
    _fields_ = (("r", c_ubyte * _SLOT), ("s", c_ubyte * _SLOT))


class BlockCipherParam(Structure):
    _pack_ = 1
    _fields_ = (("iv", c_ubyte * 32), ("iv_size", c_uint32), ("padding", c_uint32), ("feedback", c_uint32))


def cipher_blob(size: int) -> type[Structure]:
    """ECCCIPHERBLOB with room for `size` octets."""

    class CipherBlob(Structure):
        _pack_ = 1
        _fields_ = (
            ("x", c_ubyte * _SLOT),
            ("y", c_ubyte * _SLOT),
            ("hash", c_ubyte * COORDINATE),
            ("size", c_uint32),
            ("cipher", c_ubyte * size),
        )

    return CipherBlob


def envelope_blob(size: int) -> type[Structure]:
    """ENVELOPEDKEYBLOB whose symmetric key has `size` octets."""

    class EnvelopeBlob(Structure):
        _pack_ = 1
        _fields_ = (
            ("version", c_uint32),
            ("algorithm", c_uint32),
            ("bits", c_uint32),
            ("private", c_ubyte * 64),
            ("public", PublicKeyBlob),
            ("cipher", cipher_blob(size)),
        )

    return EnvelopeBlob


def slot(value: bytes) -> Any:
    """A coordinate at the right of its slot."""
    return (c_ubyte * _SLOT)(*value.rjust(_SLOT, b"\0"))


_HANDLE: Final = c_void_p
_NUMBER: Final = POINTER(c_uint32)
_OUT: Final = POINTER(c_void_p)
_FUNCTIONS: Final[dict[str, tuple[Any, ...]]] = {
    "EnumDev": (c_int32, c_char_p, _NUMBER),
    "ConnectDev": (c_char_p, _OUT),
    "DisConnectDev": (_HANDLE,),
    "SetLabel": (_HANDLE, c_char_p),
    "GetDevInfo": (_HANDLE, POINTER(DeviceInfo)),
    "Transmit": (_HANDLE, c_char_p, c_uint32, c_char_p, _NUMBER),
    "GenRandom": (_HANDLE, c_char_p, c_uint32),
    "DevAuth": (_HANDLE, c_char_p, c_uint32),
    "ChangeDevAuthKey": (_HANDLE, c_char_p, c_uint32),
    "ChangePIN": (_HANDLE, c_uint32, c_char_p, c_char_p, _NUMBER),
    "GetPINInfo": (_HANDLE, c_uint32, _NUMBER, _NUMBER, POINTER(c_int32)),
    "VerifyPIN": (_HANDLE, c_uint32, c_char_p, _NUMBER),
    "UnblockPIN": (_HANDLE, c_char_p, c_char_p, _NUMBER),
    "ClearSecureState": (_HANDLE,),
    "CreateApplication": (_HANDLE, c_char_p, c_char_p, c_uint32, c_char_p, c_uint32, c_uint32, _OUT),
    "EnumApplication": (_HANDLE, c_char_p, _NUMBER),
    "DeleteApplication": (_HANDLE, c_char_p),
    "OpenApplication": (_HANDLE, c_char_p, _OUT),
    "CloseApplication": (_HANDLE,),
    "CreateContainer": (_HANDLE, c_char_p, _OUT),
    "DeleteContainer": (_HANDLE, c_char_p),
    "OpenContainer": (_HANDLE, c_char_p, _OUT),
    "CloseContainer": (_HANDLE,),
    "EnumContainer": (_HANDLE, c_char_p, _NUMBER),
    "ImportCertificate": (_HANDLE, c_int32, c_char_p, c_uint32),
    "ExportCertificate": (_HANDLE, c_int32, c_char_p, _NUMBER),
    "ExportPublicKey": (_HANDLE, c_int32, POINTER(PublicKeyBlob), _NUMBER),
    "GenECCKeyPair": (_HANDLE, c_uint32, POINTER(PublicKeyBlob)),
    "ImportECCKeyPair": (_HANDLE, c_void_p),
    "ECCSignData": (_HANDLE, c_char_p, c_uint32, POINTER(SignatureBlob)),
    "ECCDecrypt": (_HANDLE, c_void_p, c_char_p, _NUMBER),
    "GenerateAgreementDataWithECC": (_HANDLE, c_uint32, POINTER(PublicKeyBlob), c_char_p, c_uint32, _OUT),
    "GenerateAgreementDataAndKeyWithECC": (
        *(_HANDLE, c_uint32, *(POINTER(PublicKeyBlob),) * 3),
        *(c_char_p, c_uint32, c_char_p, c_uint32, _OUT),
    ),
    "GenerateKeyWithECC": (_HANDLE, *(POINTER(PublicKeyBlob),) * 2, c_char_p, c_uint32, _OUT),
    "EncryptInit": (_HANDLE, BlockCipherParam),
    "Encrypt": (_HANDLE, c_char_p, c_uint32, c_char_p, _NUMBER),
    "DecryptInit": (_HANDLE, BlockCipherParam),
    "Decrypt": (_HANDLE, c_char_p, c_uint32, c_char_p, _NUMBER),
    "CloseHandle": (_HANDLE,),
}
_AGREEMENT: Final = ("GenerateAgreementDataWithECC", "GenerateAgreementDataAndKeyWithECC", "GenerateKeyWithECC")
_SESSION: Final = ("EncryptInit", "Encrypt", "DecryptInit", "Decrypt", "CloseHandle")
_OPTIONAL: Final = frozenset({"ECCDecrypt", "Transmit", "SetLabel", *_AGREEMENT, *_SESSION})  # some leave them out


class Library:
    """`call` raises TokenError unless the function answers SAR_OK. Thread-safe as far as the library is."""

    def __init__(self, path: Path = OWN_LIBRARY) -> None:
        self.path = path
        try:
            loaded = ctypes.CDLL(str(path))
        except OSError as error:
            raise LibraryUnusable(path, "it cannot be loaded") from error
        self._functions = {}
        for name, arguments in _FUNCTIONS.items():
            function = getattr(loaded, f"SKF_{name}", None)
            if function is not None:
                function.argtypes, function.restype = arguments, c_uint32
                self._functions[name] = function
            elif name not in _OPTIONAL:
                raise LibraryUnusable(path, f"it has no function SKF_{name}")

    def call(self, name: str, *arguments: Any) -> None:
        function = self._functions.get(name)
        code = Sar.NOTSUPPORTYETERR if function is None else function(*arguments)
        if code != Sar.OK:
            raise TokenError(name, code)

    def octets(self, name: str, *before: Any) -> bytes:
        """What a function answers in a buffer whose size it is asked for first."""
        size = c_uint32(0)
        self.call(name, *before, None, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(name, *before, buffer, ctypes.byref(size))
        return buffer.raw[: size.value]

    def names(self, name: str, *before: Any) -> list[str]:
        """A list of texts that each end in a zero octet. Makers of tokens for Windows write GBK."""
        return [_text(entry) for entry in self.octets(name, *before).split(b"\0") if entry]

    def handle(self, name: str, *before: Any) -> c_void_p:
        made = c_void_p()
        self.call(name, *before, ctypes.byref(made))
        return made


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("gbk", "replace")
