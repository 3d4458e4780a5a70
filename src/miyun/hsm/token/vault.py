"""The token's keys: under which PIN they open, and how they lie on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from miyun.gm import kdf, rand, sm2, sm4
from miyun.gm.errors import DecryptionFailed
from miyun.hsm.soft.wrapping import lengths
from miyun.hsm.token.refusal import Refused
from miyun.hsm.token.state import Application, KeyPair, Pin, State, TokenFolder
from miyun.wire.skf import PIN_SIZES, PinType, Sar

ITERATIONS: Final = 50_000
MAX_TRIES: Final = 15
_SALT: Final = 16
_NONCE: Final = 12

Stretched = Callable[[Pin], bytes]


class Vault:
    """The state of one token, and the only place where wrapped things are opened."""

    def __init__(self, folder: TokenFolder, state: State) -> None:
        self.state = state
        self._folder = folder
        self._secret = folder.secret()
        self._device_key = bytearray(kdf.hkdf(self._secret, b"miyun token", b"device key 1", 16))

    @classmethod
    def make(cls, folder: TokenFolder, *, serial: str, label: str, authentication_key: bytes) -> Vault:
        """A new token in an empty directory."""
        vault = cls(folder, State(serial=serial, label=label, authentication=b""))
        vault.set_authentication_key(authentication_key)
        return vault

    def save(self) -> None:
        self._folder.save(self.state)

    def reload(self) -> None:
        """What is on disk instead of what could not be written."""
        stored = self._folder.load()
        if stored is not None:
            self.state = stored

    # --- the device authentication key -------------------------------------------------------------------------------

    def authentication_key(self) -> bytearray:
        return self._unwrap(self._device_key, self.state.authentication, b"authentication")

    def set_authentication_key(self, key: bytes) -> None:
        self.state.authentication = self._wrap(self._device_key, key, b"authentication")
        self.save()

    # --- PINs --------------------------------------------------------------------------------------------------------

    def new_pins(self, administrator: tuple[bytes, int], user: tuple[bytes, int]) -> tuple[bytes, Pin, Pin]:
        """(identity, administrator's PIN, user's PIN) of a new application, whose key is made here. Each PIN comes with
        the wrong tries that lock it."""
        identity, key = rand.token(16), bytearray(rand.token(16))
        try:
            made = [
                self._pin(identity, kind, pin, tries, key, factory=True)
                for kind, (pin, tries) in ((PinType.ADMIN, administrator), (PinType.USER, user))
            ]
        finally:
            wipe(key)
        return identity, made[0], made[1]

    def open(self, application: Application, kind: PinType, pin: bytes) -> bytearray:
        """The application's key. Raises Refused with the tries left."""
        if len(pin) not in PIN_SIZES:
            raise Refused(Sar.PIN_LEN_RANGE, _of(application, kind).remaining)
        return self.open_stretched(application, kind, lambda held: stretch(pin, held.salt, held.iterations))

    def open_stretched(self, application: Application, kind: PinType, stretched: Stretched) -> bytearray:
        """As `open`, by what becomes of a PIN. A try is counted, durably, before it is looked at."""
        held = _of(application, kind)
        if held.remaining == 0:
            raise Refused(Sar.PIN_LOCKED, 0)
        held.remaining -= 1
        self.save()
        try:
            key = self._unwrap(
                self._under(application.identity, kind, stretched(held)), held.wrapped, application.identity
            )
        except DecryptionFailed:
            raise Refused(Sar.PIN_LOCKED if held.remaining == 0 else Sar.PIN_INCORRECT, held.remaining) from None
        held.remaining = held.maximum
        self.save()
        return key

    def set_pin(self, application: Application, kind: PinType, pin: bytes, key: bytearray) -> None:
        """A new PIN for the application's key, with all its tries."""
        held = self._pin(application.identity, kind, pin, _of(application, kind).maximum, key, factory=False)
        if kind is PinType.USER:
            application.user = held
        else:
            application.administrator = held
        self.save()

    def _pin(self, identity: bytes, kind: PinType, pin: bytes, tries: int, key: bytearray, *, factory: bool) -> Pin:
        check_pin(pin)
        if not 1 <= tries <= MAX_TRIES:
            raise Refused(Sar.INVALIDPARAMERR)
        salt = rand.token(_SALT)
        wrapped = self._wrap(self._under(identity, kind, stretch(pin, salt, ITERATIONS)), key, identity)
        return Pin(
            salt=salt, iterations=ITERATIONS, maximum=tries, remaining=tries, wrapped=wrapped, factory=factory
        )  # fmt: skip

    def _under(self, identity: bytes, kind: PinType, stretched: bytes) -> bytes:
        return kdf.hkdf(stretched, self._secret, b"miyun token pin 1" + lengths(identity, kind.name.encode()), 16)

    # --- private keys and files --------------------------------------------------------------------------------------

    def key_pair(self, application_key: bytearray, place: bytes, d: bytes) -> KeyPair:
        """`place` names application, container and use: a key opens nowhere else."""
        return KeyPair(point=sm2.public_key(d)[1:], wrapped=self._wrap(application_key, d, place))

    def private(self, application_key: bytearray, place: bytes, pair: KeyPair) -> bytearray:
        return self._unwrap(application_key, pair.wrapped, place)

    def wrap_content(self, application_key: bytearray, place: bytes, content: bytes) -> bytes:
        return self._wrap(application_key, content, place)

    def unwrap_content(self, application_key: bytearray, place: bytes, wrapped: bytes) -> bytes:
        return bytes(self._unwrap(application_key, wrapped, place))

    def _wrap(self, key: bytes | bytearray, secret: bytes | bytearray, place: bytes) -> bytes:
        nonce = rand.token(_NONCE)
        return nonce + sm4.encrypt_gcm(key, nonce, secret, self._bound(place))

    def _unwrap(self, key: bytes | bytearray, wrapped: bytes, place: bytes) -> bytearray:
        return bytearray(sm4.decrypt_gcm(key, wrapped[:_NONCE], wrapped[_NONCE:], self._bound(place)))

    def _bound(self, place: bytes) -> bytes:
        return b"miyun token 1" + lengths(self.state.serial.encode(), place)


def check_pin(pin: bytes) -> None:
    """6 to 16 printable ASCII characters. Raises Refused."""
    if len(pin) not in PIN_SIZES:
        raise Refused(Sar.PIN_LEN_RANGE)
    if not all(0x21 <= octet <= 0x7E for octet in pin):
        raise Refused(Sar.PIN_INVALID)


def stretch(pin: bytes, salt: bytes, iterations: int) -> bytes:
    """What becomes of a PIN before the device secret joins it."""
    return kdf.pbkdf2(pin, salt, iterations, 32)


def wipe(secret: bytearray) -> None:
    secret[:] = bytes(len(secret))


def _of(application: Application, kind: PinType) -> Pin:
    return application.user if kind is PinType.USER else application.administrator
