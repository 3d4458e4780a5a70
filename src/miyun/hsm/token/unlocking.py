"""Unlocking a user's PIN from afar: what waits between the token's challenge and the administrator's answer.

The administrator's PIN never leaves the place that keeps it: what answers is its stretched form, enciphered to a key
that this token made for this one challenge. It counts as a try of that PIN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from miyun.gm import rand, sm2
from miyun.gm.errors import DecryptionFailed, GmError
from miyun.hsm.token.refusal import Refused
from miyun.hsm.token.state import Application
from miyun.hsm.token.vault import Vault, check_pin, wipe
from miyun.wire.errors import DecodeError
from miyun.wire.skf import PinType, Sar
from miyun.wire.skf_unlock import Challenge, parse_response

_STRETCHED: Final = 32


@dataclass(slots=True, repr=False)
class Unlocking:
    """One open challenge an application, for as long as the token's process lives."""

    vault: Vault
    _open: dict[bytes, tuple[bytearray, bytes]] = field(default_factory=dict)

    def challenge(self, name: str, application: Application) -> bytes:
        ((d, point),) = sm2.generate_many(1)
        nonce = rand.token(16)
        self._open[application.identity] = (bytearray(d), nonce)
        held = application.administrator
        return Challenge(
            serial=self.vault.state.serial,
            application=name,
            salt=held.salt,
            iterations=held.iterations,
            point=point,
            nonce=nonce,
        ).encode()

    def unlock(self, application: Application, response: bytes, new_pin: bytes) -> None:
        """Sets the user's PIN. A challenge is answered once, rightly or not."""
        check_pin(new_pin)
        waiting = self._open.get(application.identity)
        if waiting is None:
            raise Refused(Sar.NOTINITIALIZEERR)
        d, nonce = waiting
        try:
            answered = parse_response(response)
            stretched = sm2.decrypt(d, answered.ciphertext)
        except (DecodeError, DecryptionFailed, GmError):
            raise Refused(Sar.INDATAERR) from None
        if answered.nonce != nonce or len(stretched) != _STRETCHED:
            raise Refused(Sar.INDATAERR)
        del self._open[application.identity]
        wipe(d)
        key = self.vault.open_stretched(application, PinType.ADMIN, lambda held: stretched)
        try:
            self.vault.set_pin(application, PinType.USER, new_pin, key)
        finally:
            wipe(key)
