"""The secrets by which an administrator opens a key: drawn here, kept under the tenant's own key in the KMS."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Final

from miyun.core.errors import InternalError
from miyun.core.ports import KeyDirectory, KeyRef
from miyun.gm import rand
from miyun.offerings.usbkey.model import Key
from miyun.offerings.usbkey.store import UsbKeyStore

ROOM: Final = "usbkey"
_MODE: Final = "SM4-GCM"
_PIN: Final = 16
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Secrets:
    admin_pin: str = field(repr=False)
    authentication_key: bytes = field(repr=False)


class Sealing:
    def __init__(self, *, store: UsbKeyStore, keys: KeyDirectory) -> None:
        self._store = store
        self._keys = keys

    async def make(self, tenant: str, key: str) -> tuple[Secrets, bytes]:
        """Fresh ones for a key, and what is stored of them."""
        made = Secrets("".join(secrets.choice(_ALPHABET) for _ in range(_PIN)), rand.token(16))
        ref = KeyRef(tenant, await self._sealing_key(tenant))
        plain = made.admin_pin.encode() + made.authentication_key
        [sealed] = await self._keys.encrypt(ref, _MODE, [(plain, b"", _bound(key))])
        return made, sealed

    async def open(self, key: Key) -> Secrets:
        ref = KeyRef(key.tenant, await self._sealing_key(key.tenant))
        [plain] = await self._keys.decrypt(ref, _MODE, [(key.sealed, _bound(key.id))])
        if plain is None:
            raise InternalError
        return Secrets(plain[:_PIN].decode(), plain[_PIN:])

    async def _sealing_key(self, tenant: str) -> str:
        known = await asyncio.to_thread(self._store.sealing_key, tenant)
        if known is None:
            made = await self._keys.create(tenant, "SM4", "encrypt", label="智能密码钥匙管理 USB keys", owner=ROOM)
            if await asyncio.to_thread(self._store.set_sealing_key, tenant, made.key):
                return made.key
            known = await asyncio.to_thread(self._store.sealing_key, tenant)
        assert known is not None
        return known


def _bound(key: str) -> bytes:
    return b"usbkey administrator 1\0" + key.encode()
