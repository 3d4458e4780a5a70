"""Use cases of key management. Every method serves one operation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from hmac import compare_digest
from typing import Any, Final

from miyun.core.clock import Clock
from miyun.core.errors import AlreadyExists, DecryptionFailed, FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ledger.port import Ledger
from miyun.core.machine import machine_errors
from miyun.core.operation import Call, Empty
from miyun.core.ports import ApplicationDirectory, KeyRef
from miyun.hsm.port import CipherMode, KeyAlgorithm, Machine
from miyun.offerings.kms import messages as m
from miyun.offerings.kms.directory import KeyDirectoryService
from miyun.offerings.kms.lifecycle import KeyLifecycle, next_rotation
from miyun.offerings.kms.model import Alias, Key, KeyRecord, KeyState, KeyUsage, KeyVerb
from miyun.offerings.kms.records import ALIAS_PREFIX, KeyRecords, version_for_decryption
from miyun.offerings.kms.store import KmsStore
from miyun.offerings.kms.transfer import KeyTransfer
from miyun.offerings.kms.uses import Uses
from miyun.wire import pem, versioned
from miyun.wire.errors import DecodeError

_GCM: Final = {KeyAlgorithm.SM4: CipherMode.SM4_GCM, KeyAlgorithm.AES_256: CipherMode.AES_256_GCM}


class KmsService:
    """`directory` is the port that other rooms get; `lifecycle` does the periodic work."""

    def __init__(
        self,
        *,
        store: KmsStore,
        machine: Machine,
        clock: Clock,
        ledger: Ledger,
        applications: ApplicationDirectory,
    ) -> None:
        self._applications = applications
        self.store = store
        self.ledger = ledger
        self._machine = machine
        self._clock = clock
        self._records = KeyRecords(store=store, ledger=ledger)
        self.lifecycle = KeyLifecycle(store=store, records=self._records, machine=machine, clock=clock, ledger=ledger)
        self.directory = KeyDirectoryService(
            records=self._records, lifecycle=self.lifecycle, machine=machine, uses=Uses(store=store)
        )
        self._transfer = KeyTransfer(store=store, lifecycle=self.lifecycle, machine=machine, clock=clock)

    # --- life of a key ---------------------------------------------------------------------------------------------

    async def create(self, call: Call, request: m.CreateKeyRequest) -> m.KeyDetail:
        tenant = call.require_tenant()
        if request.alias and await asyncio.to_thread(self.store.alias, tenant, request.alias):
            raise AlreadyExists(kind="alias", name=request.alias, field="alias")
        await self._check(tenant, request.applications)
        key = await self.lifecycle.create(
            tenant,
            KeyAlgorithm(request.algorithm),
            KeyUsage(request.usage),
            label=request.label,
            description=request.description,
            rotation_days=request.rotation_days or None,
            tags=request.tags,
            applications=request.applications,
        )
        call.resource["key"] = key.id
        if request.alias:
            try:
                await self._add_alias(call, request.alias, key)
            except AlreadyExists:
                await self.lifecycle.destroy_now(tenant, key.id, reason="not_created")
                raise
        return await self._detail(key)

    async def import_key(self, call: Call, request: m.ImportKeyRequest) -> m.KeyDetail:
        tenant = call.require_tenant()
        await self._check(tenant, request.applications)
        key = await self.lifecycle.create(
            tenant,
            KeyAlgorithm(request.algorithm),
            KeyUsage(request.usage),
            label=request.label,
            description=request.description,
            tags=request.tags,
            enveloped=request.enveloped,
            applications=request.applications,
        )
        call.resource["key"] = key.id
        return await self._detail(key)

    async def transport_key(self, call: Call, request: Empty) -> m.TransportKey:
        with machine_errors():
            spki = await self._machine.transport_key()
        return m.TransportKey(public_key=spki, public_key_pem=pem.encode("PUBLIC KEY", spki))

    async def get(self, call: Call, request: m.KeyRequest) -> m.KeyDetail:
        return await self._detail((await self._record(call, request.key)).key)

    async def list_keys(self, call: Call, request: m.ListKeysRequest) -> m.KeyPage:
        tag = None
        if request.tag is not None:
            name, sign, value = request.tag.partition("=")
            if not sign:
                raise InvalidArgument("tag", Text("格式为 名称=值", "write name=value"))
            tag = (name, value)
        found = await asyncio.to_thread(
            self.store.page,
            call.require_tenant(),
            state=KeyState(request.state) if request.state else None,
            algorithm=KeyAlgorithm(request.algorithm) if request.algorithm else None,
            text=request.text,
            tag=tag,
            limit=request.limit,
            cursor=request.cursor,
        )
        items, more = found[: request.limit], len(found) > request.limit
        return m.KeyPage(items=[view_of(key) for key in items], next_cursor=items[-1].id if more else None)

    async def update(self, call: Call, request: m.UpdateKeyRequest) -> m.KeyDetail:
        record = await self._records.fresh(call.require_tenant(), request.key)
        old = record.key
        call.resource["key"] = old.id
        new = old
        if request.label is not None:
            new = replace(new, label=request.label)
        if request.description is not None:
            new = replace(new, description=request.description)
        if request.tags is not None:
            new = replace(new, tags=request.tags)
        if request.rotation_days is not None:
            days = request.rotation_days or None
            due = next_rotation(old.algorithm, old.origin, days, self._clock.now())
            new = replace(new, rotation_days=days, next_rotation_at=due)
        if request.min_decryption_version is not None:
            if request.min_decryption_version > old.version:
                raise InvalidArgument(
                    "min_decryption_version",
                    Text(f"不能高于当前版本 {old.version}", f"not above the current version {old.version}"),
                )
            if request.min_decryption_version < old.min_decryption_version and not request.reopen_versions:
                reason = Text(
                    f"不能低于现值 {old.min_decryption_version}；确要重新开放旧版本，请给出 reopen_versions",
                    f"not below its present value {old.min_decryption_version}; to open retired versions again, say "
                    "reopen_versions",
                )
                raise InvalidArgument("min_decryption_version", reason)
            call.detail["min_decryption_version"] = [old.min_decryption_version, request.min_decryption_version]
            new = replace(new, min_decryption_version=request.min_decryption_version)
        return await self._detail(await self.lifecycle.update(record, new))

    async def allow(self, call: Call, request: m.KeyApplicationRequest) -> m.KeyDetail:
        """Open a key to an application of the tenant."""
        tenant = call.require_tenant()
        record = await self._records.fresh(tenant, request.key)
        await self._applications.get(tenant, request.application)
        return await self._open(call, record, request.application, record.key.applications | {request.application})

    async def disallow(self, call: Call, request: m.KeyApplicationRequest) -> m.KeyDetail:
        """Its owner keeps the key; what other applications were given ends at once."""
        record = await self._records.fresh(call.require_tenant(), request.key)
        if request.application not in record.key.applications:
            raise NotFound("application", request.application)
        return await self._open(call, record, request.application, record.key.applications - {request.application})

    async def enable(self, call: Call, request: m.KeyRequest) -> m.KeyDetail:
        return await self._move(call, request.key, KeyVerb.ENABLE)

    async def disable(self, call: Call, request: m.KeyRequest) -> m.KeyDetail:
        return await self._move(call, request.key, KeyVerb.DISABLE)

    async def schedule_deletion(self, call: Call, request: m.ScheduleDeletionRequest) -> m.KeyDetail:
        return await self._move(call, request.key, KeyVerb.SCHEDULE_DELETION, days=request.days)

    async def cancel_deletion(self, call: Call, request: m.KeyRequest) -> m.KeyDetail:
        return await self._move(call, request.key, KeyVerb.CANCEL_DELETION)

    async def rotate(self, call: Call, request: m.KeyRequest) -> m.KeyDetail:
        key = await self.lifecycle.rotate(call.require_tenant(), request.key)
        call.resource["key"] = key.id
        call.detail["version"] = key.version
        return await self._detail(key)

    async def versions(self, call: Call, request: m.KeyRequest) -> m.VersionList:
        record = await self._record(call, request.key)
        key = record.key
        items = [
            m.VersionView(
                version=v.version,
                created_at=v.created_at,
                current=v.version == key.version,
                decrypts=bool(v.blob) and v.version >= key.min_decryption_version,
                public_key=v.public,
            )
            for v in sorted(record.versions.values(), key=lambda v: -v.version)
        ]
        return m.VersionList(items=items)

    async def public_key(self, call: Call, request: m.PublicKeyRequest) -> m.PublicKeyView:
        record = await self._record(call, request.key)
        number = record.key.version if request.version is None else request.version
        version = record.versions.get(number)
        if version is None:
            raise NotFound("key version", f"{record.key.id} {number}", field="version")
        if version.public is None:
            raise InvalidArgument("key", Text("对称密钥没有公钥", "a symmetric key has no public key"))
        return m.PublicKeyView(
            key=record.key.id,
            version=number,
            algorithm=record.key.algorithm.value,
            public_key=version.public,
            public_key_pem=pem.encode("PUBLIC KEY", version.public),
        )

    async def backup(self, call: Call, request: m.KeyRequest) -> m.BackupView:
        record = await self._records.fresh(call.require_tenant(), request.key)
        call.resource["key"] = record.key.id
        blob = await self._transfer.backup(record)
        return m.BackupView(key=record.key.id, versions=len(record.versions), backup=blob)

    async def restore(self, call: Call, request: m.RestoreKeyRequest) -> m.RestoreKeyView:
        action, key, versions = await self._transfer.restore(
            call.require_tenant(), request.backup, conflict=request.conflict, dry_run=request.dry_run
        )
        if action == "refuse" and not request.dry_run:
            raise AlreadyExists(kind="key", name=key, field="conflict")
        call.resource["key"] = key
        call.detail["action"] = action
        return m.RestoreKeyView(action=action, key=key, versions=versions, dry_run=request.dry_run)

    # --- aliases ---------------------------------------------------------------------------------------------------

    async def create_alias(self, call: Call, request: m.AliasRequest) -> m.AliasView:
        record = await self._living(call, request.key)
        return await self._add_alias(call, request.alias, record.key)

    async def move_alias(self, call: Call, request: m.AliasRequest) -> m.AliasView:
        record = await self._living(call, request.key)
        tenant = call.require_tenant()
        if not await asyncio.to_thread(self.store.move_alias, tenant, request.alias, record.key.id):
            raise NotFound("alias", request.alias)
        await self._records.alias_changed(tenant)
        return m.AliasView(alias=request.alias, key=record.key.id, created_at=call.now)

    async def delete_alias(self, call: Call, request: m.DeleteAliasRequest) -> Empty:
        tenant = call.require_tenant()
        if not await asyncio.to_thread(self.store.delete_alias, tenant, request.alias):
            raise NotFound("alias", request.alias)
        await self._records.alias_changed(tenant)
        return Empty()

    async def list_aliases(self, call: Call, request: m.ListAliasesRequest) -> m.AliasPage:
        found = await asyncio.to_thread(
            self.store.aliases, call.require_tenant(), limit=request.limit, cursor=request.cursor
        )
        items, more = found[: request.limit], len(found) > request.limit
        return m.AliasPage(
            items=[m.AliasView(alias=a.name, key=a.key, created_at=a.created_at) for a in items],
            next_cursor=items[-1].name if more else None,
        )

    # --- use -------------------------------------------------------------------------------------------------------

    async def data_key(self, call: Call, request: m.DataKeyRequest) -> m.DataKeyView:
        record = await self._record(call, request.key)
        ref = KeyRef(record.key.tenant, record.key.id, record.key.version)
        plaintext, wrapped = await self.directory.data_key(
            ref, size=request.size, aad=request.associated_data, with_plaintext=request.plaintext
        )
        version = record.key.version
        return m.DataKeyView(
            key=record.key.id, version=version, wrapped=versioned.pack(version, wrapped), plaintext=plaintext
        )

    async def unwrap(self, call: Call, request: m.UnwrapRequest) -> m.UnwrappedView:
        record = await self._record(call, request.key)
        version, body = _unpacked(request.wrapped)
        ref = KeyRef(record.key.tenant, record.key.id, version)
        (plaintext,) = await self.directory.decrypt(ref, _gcm_of(record), [(body, request.associated_data)])
        if plaintext is None:
            raise DecryptionFailed
        return m.UnwrappedView(key=record.key.id, version=version, plaintext=plaintext)

    async def rewrap(self, call: Call, request: m.RewrapRequest) -> m.RewrapView:
        """One bad item does not fail the others."""
        old = await self._record(call, request.key)
        target = old if request.new_key is None else await self._record(call, request.new_key, field="new_key")
        call.resource["new_key"] = target.key.id
        new = KeyRef(target.key.tenant, target.key.id, target.key.version)
        results: list[m.RewrapResult | None] = [None] * len(request.items)
        by_version: dict[int, list[tuple[int, bytes]]] = {}
        for index, item in enumerate(request.items):
            try:
                version, body = versioned.unpack(item.wrapped)
                version_for_decryption(old, version)
            except DecodeError:
                results[index] = m.RewrapResult(wrapped=None, error="InvalidArgument", reference=item.reference)
            except (NotFound, FailedPrecondition) as error:
                results[index] = m.RewrapResult(wrapped=None, error=error.code, reference=item.reference)
            else:
                by_version.setdefault(version, []).append((index, body))
        for version, group in by_version.items():
            chosen = [request.items[index] for index, _ in group]
            answers = await self.directory.rewrap(
                KeyRef(old.key.tenant, old.key.id, version),
                new,
                _gcm_of(old),
                [(body, item.associated_data) for (_, body), item in zip(group, chosen, strict=True)],
                [i.associated_data if i.new_associated_data is None else i.new_associated_data for i in chosen],
            )
            for (index, _), item, answer in zip(group, chosen, answers, strict=True):
                wrapped = None if answer is None else versioned.pack(target.key.version, answer)
                failure = "DecryptionFailed" if answer is None else None
                results[index] = m.RewrapResult(wrapped=wrapped, error=failure, reference=item.reference)
        return m.RewrapView(
            key=target.key.id, version=target.key.version, items=[result for result in results if result is not None]
        )

    async def mac(self, call: Call, request: m.MacRequest) -> m.MacView:
        record = await self._usable_mac(call, request.key)
        version = record.key.version
        with machine_errors():
            macs = await self._machine.mac(record.wrapped[version], request.items)
        return m.MacView(key=record.key.id, version=version, macs=macs)

    async def verify_mac(self, call: Call, request: m.VerifyMacRequest) -> m.VerifyMacView:
        record = await self._usable_mac(call, request.key)
        key = record.wrapped[version_for_decryption(record, request.version, field="version")]
        with machine_errors():
            right = await self._machine.mac(key, [item.data for item in request.items])
        return m.VerifyMacView(
            valid=[compare_digest(item.mac, expected) for item, expected in zip(request.items, right, strict=True)]
        )

    # --- helpers ---------------------------------------------------------------------------------------------------

    async def _record(self, call: Call, reference: str, *, field: str = "key") -> KeyRecord:
        record = await self._records.get(call.require_tenant(), reference, application=call.application, field=field)
        call.resource.setdefault("key", record.key.id)
        return record

    async def _check(self, tenant: str, applications: Sequence[str]) -> None:
        """Raises NotFound for one that is not the tenant's."""
        for application in applications:
            await self._applications.get(tenant, application)

    async def _usable_mac(self, call: Call, reference: str) -> KeyRecord:
        record = await self._records.usable(
            call.require_tenant(), reference, KeyUsage.MAC, application=call.application
        )
        call.resource["key"] = record.key.id
        return record

    async def _open(self, call: Call, record: KeyRecord, application: str, applications: frozenset[str]) -> m.KeyDetail:
        call.resource.update(key=record.key.id, application=application)
        changed = await self.lifecycle.update(record, replace(record.key, applications=applications))
        return await self._detail(changed)

    async def _living(self, call: Call, reference: str) -> KeyRecord:
        record = await self._record(call, reference)
        if record.key.state is KeyState.DESTROYED:
            raise NotFound("key", reference)
        if reference.startswith(ALIAS_PREFIX):
            raise InvalidArgument("key", Text("别名须指向密钥标识", "an alias names a key by its identifier"))
        return record

    async def _move(self, call: Call, reference: str, verb: KeyVerb, *, days: int | None = None) -> m.KeyDetail:
        key = await self.lifecycle.move(call.require_tenant(), reference, verb, deletion_days=days)
        call.resource["key"] = key.id
        return await self._detail(key)

    async def _add_alias(self, call: Call, name: str, key: Key) -> m.AliasView:
        alias = Alias(name, key.id, call.now)
        if not await asyncio.to_thread(self.store.add_alias, key.tenant, alias):
            raise AlreadyExists(kind="alias", name=name, field="alias")
        await self._records.alias_changed(key.tenant)
        return m.AliasView(alias=name, key=key.id, created_at=call.now)

    async def _detail(self, key: Key) -> m.KeyDetail:
        aliases = await asyncio.to_thread(self.store.aliases, key.tenant, key=key.id)
        return m.KeyDetail(**_fields(key), aliases=[alias.name for alias in aliases])


def view_of(key: Key) -> m.KeyView:
    return m.KeyView(**_fields(key))


def _fields(key: Key) -> dict[str, Any]:
    return {
        "key": key.id,
        "algorithm": key.algorithm.value,
        "usage": key.usage.value,
        "label": key.label,
        "description": key.description,
        "owner": key.owner,
        "applications": sorted(key.applications),
        "origin": key.origin.value,
        "state": key.state.value,
        "version": key.version,
        "min_decryption_version": key.min_decryption_version,
        "created_at": key.created_at,
        "rotation_days": key.rotation_days,
        "next_rotation_at": key.next_rotation_at,
        "deletion_at": key.deletion_at,
        "destroyed_at": key.destroyed_at,
        "tags": dict(key.tags),
    }


def _gcm_of(record: KeyRecord) -> CipherMode:
    try:
        return _GCM[record.key.algorithm]
    except KeyError:
        raise InvalidArgument("key", Text("需要 SM4 或 AES-256 密钥", "an SM4 or AES-256 key is needed")) from None


def _unpacked(wrapped: bytes) -> tuple[int, bytes]:
    try:
        return versioned.unpack(wrapped)
    except DecodeError:
        raise InvalidArgument(
            "wrapped", Text("不是本系统生成的数据密钥", "not a data key wrapped by this system")
        ) from None
