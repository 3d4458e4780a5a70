"""Backup and restore of single keys. A backup holds wrapped keys only; a MAC keeps its attributes from being changed.

`HMAC-SM3 (32) ‖ JSON`; the MAC key is derived in the machine for the tenant, so a backup of one tenant is none of
another.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from hmac import compare_digest
from typing import Final, Literal

import msgspec

from miyun.core.clock import Clock
from miyun.core.digest import SIZE, mac
from miyun.core.errors import FailedPrecondition
from miyun.core.ids import new_id
from miyun.core.machine import machine_errors
from miyun.hsm.errors import UnknownKey, WrongBinding
from miyun.hsm.port import KeyAlgorithm, KeyBinding, Machine, WrappedKey
from miyun.offerings.kms.errors import InvalidKeyBackup
from miyun.offerings.kms.lifecycle import KeyLifecycle
from miyun.offerings.kms.model import Key, KeyOrigin, KeyRecord, KeyState, KeyUsage, KeyVersion
from miyun.offerings.kms.store import KmsStore

Action = Literal["create", "skip", "new_key", "refuse"]
_FORMAT: Final = "miyun-key-backup-1"


class _Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    blob: bytes
    public: bytes | None
    created_at: datetime
    uses: int = 0


class _Backup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    tenant: str
    key: str
    algorithm: KeyAlgorithm
    usage: KeyUsage
    label: str
    description: str
    owner: str
    state: str  # that the wrapped keys are bound to
    version: int
    min_decryption_version: int
    created_at: datetime
    made_at: datetime
    tags: dict[str, str]
    versions: list[_Version]
    applications: list[str] = []


_decode = msgspec.json.Decoder(_Backup).decode


class KeyTransfer:
    def __init__(self, *, store: KmsStore, lifecycle: KeyLifecycle, machine: Machine, clock: Clock) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._machine = machine
        self._clock = clock

    async def backup(self, record: KeyRecord) -> bytes:
        key = record.key
        if key.state is KeyState.DESTROYED:
            raise FailedPrecondition(state=key.state.value, field="key")
        body = msgspec.json.encode(
            _Backup(
                format=_FORMAT,
                tenant=key.tenant,
                key=key.id,
                algorithm=key.algorithm,
                usage=key.usage,
                label=key.label,
                description=key.description,
                owner=key.owner,
                state=key.state.value,
                version=key.version,
                min_decryption_version=key.min_decryption_version,
                created_at=key.created_at,
                made_at=self._clock.now(),
                tags=dict(key.tags),
                applications=sorted(key.applications),
                versions=[
                    _Version(v.version, v.blob, v.public, v.created_at, v.uses)
                    for v in record.versions.values()
                    if v.blob
                ],
            )
        )
        return await self._mac(key.tenant, body) + body

    async def restore(
        self, tenant: str, blob: bytes, *, conflict: Literal["refuse", "skip", "new_key"], dry_run: bool
    ) -> tuple[Action, str, int]:
        """(what was or would be done, key, versions). A restored key is disabled until somebody enables it.

        A destroyed key counts as existing: its erasure stays true, so only `new_key` brings the material back."""
        content = await self._open(tenant, blob)
        name, action = content.key, "create"
        if await asyncio.to_thread(self._store.exists, content.key):
            action = conflict
            if action == "new_key":
                name = new_id("key")
        count = len(content.versions)
        if action in ("skip", "refuse"):
            return action, name, count  # type: ignore[return-value]
        key = Key(
            id=name,
            tenant=tenant,
            algorithm=content.algorithm,
            usage=content.usage,
            label=content.label,
            description=content.description,
            owner=content.owner,
            origin=KeyOrigin.RESTORED,
            state=KeyState.DISABLED,
            version=content.version,
            min_decryption_version=content.min_decryption_version,
            created_at=content.created_at,
            tags=content.tags,
            applications=frozenset(content.applications),
        )
        # Bound anew also in a dry run: that shows whether this machine can read the backup at all.
        versions = [await self._rebound(content, version, key) for version in content.versions]
        if not dry_run:
            await self._lifecycle.add(key, versions)
        return action, name, count  # type: ignore[return-value]

    async def _rebound(self, content: _Backup, version: _Version, key: Key) -> KeyVersion:
        old = KeyBinding(content.tenant, content.key, version.version, content.state)
        wrapped = WrappedKey(content.algorithm, old, version.blob, version.public)
        with machine_errors():
            try:
                new = await self._machine.rebind(wrapped, key.binding(version.version))
            except (UnknownKey, WrongBinding):
                raise InvalidKeyBackup from None
        return KeyVersion(version.version, new.blob, version.public, version.created_at, version.uses)

    async def _open(self, tenant: str, blob: bytes) -> _Backup:
        given, body = blob[:SIZE], blob[SIZE:]
        if not compare_digest(given, await self._mac(tenant, body)):
            raise InvalidKeyBackup
        try:
            content = _decode(body)
        except msgspec.DecodeError:
            raise InvalidKeyBackup from None
        if content.format != _FORMAT or content.tenant != tenant or not content.versions:
            raise InvalidKeyBackup
        return content

    async def _mac(self, tenant: str, body: bytes) -> bytes:
        with machine_errors():
            key = await self._machine.derive("key-backup", tenant.encode())
        return mac(key, body)
