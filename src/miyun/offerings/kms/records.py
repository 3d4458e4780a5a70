"""Keys by reference, through a bounded cache that the ledger's invalidations keep true in every process."""

from __future__ import annotations

import asyncio
from typing import Final

from miyun.core.errors import Conflict, NotFound
from miyun.core.i18n import Text
from miyun.core.ledger.port import Ledger
from miyun.core.tenancy.cache import RowCache
from miyun.offerings.kms.errors import KeyNotEnabled, KeyUsageMismatch, KeyVersionRetired
from miyun.offerings.kms.model import Erasure, Key, KeyRecord, KeyState, KeyUsage, KeyVersion
from miyun.offerings.kms.store import KmsStore

KEY_TOPIC: Final = "kms.key"
ALIAS_TOPIC: Final = "kms.alias"
ALIAS_PREFIX: Final = "alias:"
_EVERYTHING: Final = "*"
_SIZE: Final = 10_000
_SECONDS: Final = 300.0
_CHANGED = Text("密钥同时被他人修改", "the key was changed by someone else at the same time")


class KeyRecords:
    """References are key identifiers or `alias:<name>`."""

    def __init__(self, *, store: KmsStore, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._records: RowCache[tuple[str, str], KeyRecord] = RowCache(size=_SIZE, seconds=_SECONDS)
        self._aliases: RowCache[tuple[str, str], str] = RowCache(size=_SIZE, seconds=_SECONDS)
        ledger.on_invalidate(self._invalidated)

    async def get(
        self, tenant: str, reference: str, *, application: str | None = None, field: str = "key"
    ) -> KeyRecord:
        """Raises NotFound, also for another tenant's key and one that does not serve `application`."""
        record = self._records.get((tenant, reference))
        if record is None:
            record = await self._find(tenant, reference, field)
        if record is None or not record.key.serves(application):
            raise NotFound("key", reference, field=field)
        return record

    async def _find(self, tenant: str, reference: str, field: str) -> KeyRecord | None:
        name = reference
        if reference.startswith(ALIAS_PREFIX):
            alias = reference[len(ALIAS_PREFIX) :]
            found = await self._aliases.load(
                (tenant, alias), lambda: asyncio.to_thread(self._store.alias, tenant, alias)
            )
            if found is None:
                raise NotFound("alias", alias, field=field)
            name = found
        return await self._records.load((tenant, name), lambda: asyncio.to_thread(self._store.find, tenant, name))

    async def usable(
        self, tenant: str, reference: str, *usages: KeyUsage, application: str | None = None, field: str = "key"
    ) -> KeyRecord:
        """An enabled key of one of the usages. Raises KeyNotEnabled, KeyUsageMismatch."""
        record = await self.get(tenant, reference, application=application, field=field)
        key = record.key
        if key.state is not KeyState.ENABLED:
            raise KeyNotEnabled(key=key.id, state=key.state.value, field=field)
        if key.usage not in usages:
            raise KeyUsageMismatch(key=key.id, usage=key.usage.value, state=key.state.value, field=field)
        return record

    async def fresh(self, tenant: str, reference: str) -> KeyRecord:
        """Past the cache: for deciding on a change."""
        known = await self.get(tenant, reference)
        record = await asyncio.to_thread(self._store.find, tenant, known.key.id)
        if record is None:
            raise NotFound("key", reference)
        return record

    async def change(
        self,
        new: Key,
        *,
        blobs: dict[int, bytes] | None = None,
        added: KeyVersion | None = None,
        erasure: Erasure | None = None,
    ) -> None:
        """Durable and known to every process when it returns. Raises Conflict when the key was changed in between."""
        done = await asyncio.to_thread(self._store.change, new, blobs=blobs, added=added, erasure=erasure)
        if not done:
            raise Conflict(_CHANGED, field="key")
        await self._ledger.invalidate(KEY_TOPIC, new.id)
        if erasure:
            await self._ledger.invalidate(ALIAS_TOPIC, new.tenant)

    async def alias_changed(self, tenant: str) -> None:
        await self._ledger.invalidate(ALIAS_TOPIC, tenant)

    def _invalidated(self, topic: str, key: str) -> None:
        if topic == KEY_TOPIC:
            self._records.drop_where(lambda record: record.key.id == key)
        elif topic == ALIAS_TOPIC:
            self._aliases.clear()
        elif topic == _EVERYTHING:
            self._records.clear()
            self._aliases.clear()


def version_for_decryption(record: KeyRecord, version: int | None, *, field: str = "key") -> int:
    """The version to decrypt or verify with: None means the current one. Raises NotFound, KeyVersionRetired."""
    key = record.key
    wanted = key.version if version is None else version
    if wanted not in record.versions or not record.versions[wanted].blob:
        raise NotFound("key version", f"{key.id} {wanted}", field=field)
    if wanted < key.min_decryption_version:
        raise KeyVersionRetired(
            key=key.id, version=wanted, minimum=key.min_decryption_version, state=key.state.value, field=field
        )
    return wanted
