"""A token, its applications and containers, over any library of GM/T 0016.

Signatures are DER SEQUENCE{r, s} over the SM3 digest e; public keys 04‖x‖y. Every object is closed by its `with`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref, c_int32, c_uint32, c_void_p
from dataclasses import dataclass
from typing import Any, Final

from miyun.gm import sm2, sm4
from miyun.hsm.skf.errors import TokenError
from miyun.hsm.skf.library import (
    COORDINATE,
    DeviceInfo,
    Library,
    PublicKeyBlob,
    SignatureBlob,
    cipher_blob,
    envelope_blob,
    slot,
)
from miyun.wire import oid
from miyun.wire.cms import parse_enveloped_key
from miyun.wire.errors import DecodeError
from miyun.wire.skf import Algorithm, PinType, Right, Sar

_ANSWER: Final = 4096
_CHALLENGE: Final = 8


@dataclass(frozen=True, slots=True)
class TokenInfo:
    name: str
    label: str
    serial: str
    manufacturer: str


@dataclass(frozen=True, slots=True)
class PinInfo:
    maximum: int
    remaining: int
    factory: bool


def token_names(library: Library) -> list[str]:
    """The tokens that are plugged in."""
    return library.names("EnumDev", 1)


@contextmanager
def connected(library: Library, name: str) -> Iterator[Token]:
    """Raises TokenError, DEVICE_REMOVED when it is not there."""
    handle = library.handle("ConnectDev", name.encode())
    try:
        yield Token(library, handle, name)
    finally:
        library.call("DisConnectDev", handle)


class Token:
    """A connected token. All that is open in it is closed with it."""

    def __init__(self, library: Library, handle: c_void_p, name: str) -> None:
        self._library = library
        self._handle = handle
        self.name = name

    def info(self) -> TokenInfo:
        info = DeviceInfo()
        self._library.call("GetDevInfo", self._handle, byref(info))
        return TokenInfo(
            self.name,
            info.label.decode("utf-8", "replace"),
            info.serial.decode("ascii", "replace"),
            info.manufacturer.decode("utf-8", "replace"),
        )

    def set_label(self, label: str) -> None:
        self._library.call("SetLabel", self._handle, label.encode())

    def random(self, size: int) -> bytes:
        buffer = ctypes.create_string_buffer(size)
        self._library.call("GenRandom", self._handle, buffer, size)
        return buffer.raw

    def authenticate(self, key: bytes) -> None:
        """By the device authentication key: what managing applications needs."""
        challenge = self.random(_CHALLENGE).ljust(sm4.BLOCK_SIZE, b"\0")
        answer = sm4.encrypt_ecb(key, challenge)
        self._library.call("DevAuth", self._handle, answer, len(answer))

    def change_authentication_key(self, key: bytes) -> None:
        self._library.call("ChangeDevAuthKey", self._handle, key, len(key))

    def transmit(self, command: bytes) -> bytes:
        """A command of the token's maker."""
        buffer, size = ctypes.create_string_buffer(_ANSWER), c_uint32(_ANSWER)
        self._library.call("Transmit", self._handle, command, len(command), buffer, byref(size))
        return buffer.raw[: size.value]

    def applications(self) -> list[str]:
        return self._library.names("EnumApplication", self._handle)

    def create_application(self, name: str, *, admin_pin: str, user_pin: str, tries: int = 5) -> Application:
        arguments = (name.encode(), admin_pin.encode(), tries, user_pin.encode(), tries, int(Right.USER))
        return Application(self._library, self._library.handle("CreateApplication", self._handle, *arguments), name)

    def open_application(self, name: str) -> Application:
        return Application(self._library, self._library.handle("OpenApplication", self._handle, name.encode()), name)

    def delete_application(self, name: str) -> None:
        self._library.call("DeleteApplication", self._handle, name.encode())


class Application:
    def __init__(self, library: Library, handle: c_void_p, name: str) -> None:
        self._library = library
        self._handle = handle
        self.name = name

    def close(self) -> None:
        self._library.call("CloseApplication", self._handle)

    # --- PINs: TokenError carries the tries left ---------------------------------------------------------------------

    def verify_pin(self, pin: str, kind: PinType = PinType.USER) -> None:
        self._pin("VerifyPIN", int(kind), pin.encode())

    def change_pin(self, old: str, new: str, kind: PinType = PinType.USER) -> None:
        self._pin("ChangePIN", int(kind), old.encode(), new.encode())

    def unblock_pin(self, admin_pin: str, new: str) -> None:
        self._pin("UnblockPIN", admin_pin.encode(), new.encode())

    def pin_info(self, kind: PinType = PinType.USER) -> PinInfo:
        maximum, remaining, factory = c_uint32(), c_uint32(), c_int32()
        self._library.call("GetPINInfo", self._handle, int(kind), byref(maximum), byref(remaining), byref(factory))
        return PinInfo(maximum.value, remaining.value, bool(factory.value))

    def log_out(self) -> None:
        self._library.call("ClearSecureState", self._handle)

    def _pin(self, function: str, *arguments: Any) -> None:
        tries = c_uint32()
        try:
            self._library.call(function, self._handle, *arguments, byref(tries))
        except TokenError as error:
            error.tries = (
                tries.value if error.code == Sar.PIN_INCORRECT else 0 if error.code == Sar.PIN_LOCKED else None
            )
            raise

    # --- containers --------------------------------------------------------------------------------------------------

    def containers(self) -> list[str]:
        return self._library.names("EnumContainer", self._handle)

    def create_container(self, name: str) -> Container:
        return Container(self._library, self._library.handle("CreateContainer", self._handle, name.encode()), name)

    def open_container(self, name: str) -> Container:
        return Container(self._library, self._library.handle("OpenContainer", self._handle, name.encode()), name)

    def delete_container(self, name: str) -> None:
        self._library.call("DeleteContainer", self._handle, name.encode())


class Container:
    def __init__(self, library: Library, handle: c_void_p, name: str) -> None:
        self.library = library
        self.handle = handle
        self.name = name

    def close(self) -> None:
        self.library.call("CloseContainer", self.handle)

    def generate(self) -> bytes:
        """A new signing key pair: its public key."""
        blob = PublicKeyBlob()
        self.library.call("GenECCKeyPair", self.handle, int(Algorithm.SM2_SIGN), byref(blob))
        return b"\4" + blob.point

    def public_key(self, *, signing: bool = True) -> bytes | None:
        """None when there is no such key pair."""
        blob = PublicKeyBlob()
        size = c_uint32(ctypes.sizeof(blob))
        try:
            self.library.call("ExportPublicKey", self.handle, int(signing), byref(blob), byref(size))
        except TokenError as error:
            if error.code == Sar.KEYNOTFOUNTERR:
                return None
            raise
        return b"\4" + blob.point

    def certificate(self, *, signing: bool = True) -> bytes | None:
        """DER, None when there is none."""
        try:
            return self.library.octets("ExportCertificate", self.handle, int(signing))
        except TokenError as error:
            if error.code == Sar.CERTNOTFOUNTERR:
                return None
            raise

    def import_certificate(self, certificate: bytes, *, signing: bool = True) -> None:
        self.library.call("ImportCertificate", self.handle, int(signing), certificate, len(certificate))

    def sign_digest(self, e: bytes) -> bytes:
        blob = SignatureBlob()
        self.library.call("ECCSignData", self.handle, e, len(e), byref(blob))
        r, s = bytes(blob.r)[-COORDINATE:], bytes(blob.s)[-COORDINATE:]
        return sm2.encode_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))

    def sign(self, message: bytes, user_id: bytes = sm2.DEFAULT_ID) -> bytes:
        """Over e = SM3(Z_A‖message)."""
        public = self.public_key()
        if public is None:
            raise TokenError("ExportPublicKey", Sar.KEYNOTFOUNTERR)
        return self.sign_digest(sm2.message_digest(public, message, user_id))

    def import_key_pair(self, enveloped: bytes) -> None:
        """The encryption key pair as a certification authority sends it: EnvelopedKey DER of GB/T 35276. Raises
        DecodeError for what is none, TokenError for what is not for this container's signing key."""
        envelope = parse_enveloped_key(enveloped)
        if envelope.symmetric_algorithm != oid.SM4_ECB:
            raise DecodeError("SM4-ECB", field="symAlgID")
        cipher = _cipher(sm2.convert_ciphertext(envelope.encrypted_symmetric_key, "asn1", "c1c3c2"))
        blob = envelope_blob(cipher.size)()
        blob.version, blob.algorithm, blob.bits = 1, int(Algorithm.SM4_ECB), 256
        blob.private[:] = envelope.encrypted_private_key.rjust(64, b"\0")
        blob.public = PublicKeyBlob.of(envelope.point[1:])
        blob.cipher = type(blob.cipher).from_buffer_copy(cipher)
        self.library.call("ImportECCKeyPair", self.handle, ctypes.cast(byref(blob), c_void_p))

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Of an SM2Cipher DER, by the encryption key."""
        blob = _cipher(sm2.convert_ciphertext(ciphertext, "asn1", "c1c3c2"))
        return self.library.octets("ECCDecrypt", self.handle, ctypes.cast(byref(blob), c_void_p))


def _cipher(raw: bytes) -> Any:
    """ECCCIPHERBLOB of 04‖x‖y‖C3‖C2."""
    x, y, digest, cipher = raw[1:33], raw[33:65], raw[65:97], raw[97:]
    blob = cipher_blob(len(cipher))()
    blob.x, blob.y = slot(x), slot(y)
    blob.hash[:] = digest
    blob.size = len(cipher)
    blob.cipher[:] = cipher
    return blob
