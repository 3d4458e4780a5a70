"""Replay nonces that no table has to remember until they are used (RFC 8555 6.5).

A nonce is time ‖ random ‖ MAC, so every worker knows those that any worker gave out. That it is used once is the
ledger's to decide: it remembers used ones for as long as they would still be accepted.
"""

from __future__ import annotations

import hmac
import struct
from datetime import UTC, datetime
from typing import Protocol

from miyun.core.digest import mac
from miyun.core.i18n import Text
from miyun.core.machine import machine_errors
from miyun.gm import rand
from miyun.offerings.ssl_certificate.errors import AcmeRefused
from miyun.offerings.ssl_certificate.model import NONCE_LIFETIME
from miyun.wire import base64url
from miyun.wire.errors import DecodeError

_HEAD = 16  # 4 octets of time, 12 of randomness
_SIZE = 32


class Deriver(Protocol):
    """The part of `hsm.port.Machine` used here."""

    async def derive(self, purpose: str, context: bytes, size: int = 32) -> bytes: ...


class Nonces:
    def __init__(self, machine: Deriver) -> None:
        self._machine = machine
        self._key = b""

    async def issue(self, now: datetime) -> str:
        """Raises MachineLocked, Unavailable before the first was issued or checked in this process."""
        head = struct.pack(">I", int(now.timestamp()) & 0xFFFFFFFF) + rand.token(_HEAD - 4)
        return base64url.encode(head + mac(await self._mac_key(), head)[: _SIZE - _HEAD])

    async def check(self, nonce: object, now: datetime) -> datetime:
        """Until when it has to be remembered. Raises AcmeRefused (badNonce)."""
        try:
            data = base64url.decode(nonce, "nonce")
        except DecodeError:
            data = b""
        head, tag = data[:_HEAD], data[_HEAD:]
        if len(data) != _SIZE or not hmac.compare_digest(mac(await self._mac_key(), head)[: _SIZE - _HEAD], tag):
            raise bad_nonce()
        until = datetime.fromtimestamp(struct.unpack(">I", head[:4])[0], UTC) + NONCE_LIFETIME
        if now >= until:
            raise bad_nonce()
        return until

    async def _mac_key(self) -> bytes:
        if not self._key:
            with machine_errors():
                self._key = await self._machine.derive("acme-nonce", b"1")
        return self._key


def bad_nonce() -> AcmeRefused:
    reason = Text("随机数无效、过期或已用过", "the nonce is not valid, too old, or was used")
    return AcmeRefused("badNonce", reason)
