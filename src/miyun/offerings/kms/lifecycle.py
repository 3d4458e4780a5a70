"""A key's life: creation, states, versions, the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from miyun.core.clock import Clock
from miyun.core.digest import digest
from miyun.core.errors import Conflict, InvalidArgument, MiyunError
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.machine import machine_errors
from miyun.hsm.port import KeyAlgorithm, Machine, WrappedKey
from miyun.offerings.kms.errors import KeyNotEnabled, KeyStateConflict
from miyun.offerings.kms.model import (
    MAX_DELETION_DAYS,
    MAX_ROTATION_DAYS,
    MIN_DELETION_DAYS,
    MIN_ROTATION_DAYS,
    ROTATES_BY_ITSELF,
    TRANSITIONS,
    USAGES,
    Erasure,
    Key,
    KeyOrigin,
    KeyRecord,
    KeyState,
    KeyUsage,
    KeyVerb,
    KeyVersion,
)
from miyun.offerings.kms.records import KeyRecords
from miyun.offerings.kms.store import KmsStore
from miyun.offerings.kms.uses import ROTATE_AT

log = logging.getLogger("miyun.kms")

_VERB_TEXTS: Final[Mapping[KeyVerb | str, Text]] = {
    KeyVerb.ENABLE: Text("启用", "enabling it"),
    KeyVerb.DISABLE: Text("停用", "disabling it"),
    KeyVerb.SCHEDULE_DELETION: Text("计划销毁", "scheduling its deletion"),
    KeyVerb.CANCEL_DELETION: Text("取消销毁计划", "cancelling its deletion"),
    KeyVerb.DESTROY: Text("销毁", "destroying it"),
    "update": Text("修改", "changing it"),
}
_SYSTEM: Final = "system"


class KeyLifecycle:
    def __init__(self, *, store: KmsStore, records: KeyRecords, machine: Machine, clock: Clock, ledger: Ledger) -> None:
        self._store = store
        self._records = records
        self._machine = machine
        self._clock = clock
        self._ledger = ledger

    async def create(
        self,
        tenant: str,
        algorithm: KeyAlgorithm,
        usage: KeyUsage,
        *,
        label: str,
        owner: str = "",
        description: str = "",
        rotation_days: int | None = None,
        tags: Mapping[str, str] | None = None,
        enveloped: bytes | None = None,
        applications: Iterable[str] = (),
    ) -> Key:
        """`enveloped`: import this instead of generating. Raises InvalidArgument naming the field."""
        check_usage(algorithm, usage)
        origin = KeyOrigin.GENERATED if enveloped is None else KeyOrigin.IMPORTED
        now = self._clock.now()
        key = Key(
            id=new_id("key"),
            tenant=tenant,
            algorithm=algorithm,
            usage=usage,
            label=label,
            description=description,
            owner=owner,
            origin=origin,
            state=KeyState.ENABLED,
            version=1,
            min_decryption_version=1,
            created_at=now,
            rotation_days=rotation_days,
            next_rotation_at=next_rotation(algorithm, origin, rotation_days, now),
            tags=tags or {},
            applications=frozenset(applications),
        )
        with machine_errors():
            if enveloped is None:
                wrapped = await self._machine.generate(algorithm, key.binding(1))
            else:
                wrapped = await self._machine.import_key(algorithm, key.binding(1), enveloped)
        await self.add(key, [KeyVersion(1, wrapped.blob, wrapped.public, now)])
        return key

    async def add(self, key: Key, versions: Iterable[KeyVersion]) -> None:
        if not await asyncio.to_thread(self._store.add, key, list(versions)):
            raise Conflict(Text("已有相同标识的密钥", "there is a key of this identifier"), field="key")

    async def move(self, tenant: str, reference: str, verb: KeyVerb, *, deletion_days: int | None = None) -> Key:
        """Along the table of transitions; all versions are bound to the new state in the machine."""
        record = await self._records.fresh(tenant, reference)
        old = record.key
        state = next_state(old, verb)
        deletion_at = None
        if state is KeyState.PENDING_DELETION:
            days = MAX_DELETION_DAYS if deletion_days is None else deletion_days
            if not MIN_DELETION_DAYS <= days <= MAX_DELETION_DAYS:
                raise InvalidArgument(
                    "days",
                    Text(
                        f"等待期为 {MIN_DELETION_DAYS} 至 {MAX_DELETION_DAYS} 天",
                        f"the waiting time is {MIN_DELETION_DAYS} to {MAX_DELETION_DAYS} days",
                    ),
                )
            deletion_at = self._clock.now() + timedelta(days=days)
        new = replace(old, state=state, deletion_at=deletion_at, revision=old.revision + 1)
        await self._records.change(new, blobs=await self._rebound(record, new))
        return new

    async def update(self, record: KeyRecord, new: Key) -> Key:
        """Attributes that the machine does not know: label, tags, rotation, lowest version to decrypt."""
        if record.key.state is KeyState.DESTROYED:
            raise _conflict(record.key, "update")
        changed = replace(new, revision=record.key.revision + 1)
        await self._records.change(changed)
        return changed

    async def rotate(self, tenant: str, reference: str) -> Key:
        """A new version, from now on the current one; older ones still decrypt and verify."""
        record = await self._records.fresh(tenant, reference)
        old = record.key
        if old.state is not KeyState.ENABLED:
            raise KeyNotEnabled(key=old.id, state=old.state.value, field="key")
        now = self._clock.now()
        version = max(record.versions) + 1
        with machine_errors():
            wrapped = await self._machine.generate(old.algorithm, old.binding(version))
        new = replace(
            old,
            version=version,
            next_rotation_at=next_rotation(old.algorithm, old.origin, old.rotation_days, now),
            revision=old.revision + 1,
        )
        await self._records.change(new, added=KeyVersion(version, wrapped.blob, wrapped.public, now))
        return new

    async def destroy_now(self, tenant: str, reference: str, *, reason: str) -> None:
        """Erases every version's wrapped key. Without it nobody, the machine included, has the key any more."""
        record = await self._records.fresh(tenant, reference)
        old = record.key
        if old.state is KeyState.DESTROYED:
            return
        now = self._clock.now()
        erasure = Erasure(
            id=new_id("era"),
            tenant=tenant,
            key=old.id,
            label=old.label,
            algorithm=old.algorithm,
            fingerprints={number: digest(v.blob).hex() for number, v in record.versions.items()},
            reason=reason,
            destroyed_at=now,
        )
        new = replace(
            old,
            state=KeyState.DESTROYED,
            destroyed_at=now,
            deletion_at=None,
            next_rotation_at=None,
            revision=old.revision + 1,
        )
        await self._records.change(new, blobs=dict.fromkeys(record.versions, b""), erasure=erasure)
        # Bound anew, so that the machine puts away what it may have in the clear; nothing is kept of the result.
        try:
            await self._rebound(record, new)
        except MiyunError as error:  # a machine that is locked or down has nothing in the clear
            log.warning("key %s was erased, but not put away in the machine: %s", old.id, error.code)
        await self._record_erasure(erasure)

    # --- periodic --------------------------------------------------------------------------------------------------

    async def rotate_due(self) -> int:
        """Rotates the keys whose time has come, and those that have encrypted half as often as they may. One that
        someone else changes meanwhile waits for the next round."""
        done = 0
        due = await asyncio.to_thread(self._store.due_for_rotation, self._clock.now())
        worn = await asyncio.to_thread(self._store.worn, ROTATE_AT)
        for tenant, key in dict.fromkeys((*due, *worn)):
            try:
                new = await self.rotate(tenant, key)
            except (Conflict, KeyNotEnabled):
                continue
            done += 1
            await self._ledger.append(
                self._entry("kms.key.rotate", tenant, key, {"version": new.version, "automatic": True})
            )
        return done

    async def destroy_due(self) -> int:
        """Destroys what was scheduled, and tells the ledger of erasures that a crash kept from it."""
        done = 0
        for tenant, key in await asyncio.to_thread(self._store.due_for_destruction, self._clock.now()):
            record = await self._records.fresh(tenant, key)
            if record.key.state is not KeyState.PENDING_DELETION or not self._is_due(record.key):
                continue  # cancelled in between
            try:
                await self.destroy_now(tenant, key, reason="scheduled")
            except Conflict:
                continue
            done += 1
        for erasure in await asyncio.to_thread(self._store.unrecorded_erasures):
            await self._record_erasure(erasure)
        return done

    def _is_due(self, key: Key) -> bool:
        return key.deletion_at is not None and key.deletion_at <= self._clock.now()

    async def _record_erasure(self, erasure: Erasure) -> None:
        detail = {
            "erasure": erasure.id,
            "reason": erasure.reason,
            "wrapped_sm3": {str(version): mark for version, mark in erasure.fingerprints.items()},
        }
        await self._ledger.append(self._entry("kms.key.destroyed", erasure.tenant, erasure.key, detail))
        await asyncio.to_thread(self._store.mark_recorded, erasure.id)

    def _entry(self, operation: str, tenant: str, key: str, detail: Mapping[str, object]) -> Entry:
        return Entry(
            operation=operation,
            outcome="ok",
            at=self._clock.now(),
            tenant=tenant,
            principal=_SYSTEM,
            role=_SYSTEM,
            resource={"key": key},
            detail=detail,
        )

    async def _rebound(self, record: KeyRecord, new: Key) -> dict[int, bytes]:
        async def bound(version: int, key: WrappedKey) -> tuple[int, bytes]:
            return version, (await self._machine.rebind(key, new.binding(version))).blob

        with machine_errors():
            return dict(await asyncio.gather(*(bound(number, key) for number, key in record.wrapped.items())))


def next_state(key: Key, verb: KeyVerb) -> KeyState:
    """Raises KeyStateConflict."""
    try:
        return TRANSITIONS[key.state, verb]
    except KeyError:
        raise _conflict(key, verb) from None


def _conflict(key: Key, verb: KeyVerb | str) -> KeyStateConflict:
    text = _VERB_TEXTS[verb]
    return KeyStateConflict(key=key.id, state=key.state.value, verb_zh=text.zh, verb_en=text.en, field="key")


def check_usage(algorithm: KeyAlgorithm, usage: KeyUsage) -> None:
    if usage not in USAGES[algorithm]:
        fitting = "、".join(sorted(USAGES[algorithm]))
        raise InvalidArgument("usage", Text(f"{algorithm} 支持：{fitting}", f"{algorithm} serves for: {fitting}"))


def next_rotation(
    algorithm: KeyAlgorithm, origin: KeyOrigin, rotation_days: int | None, now: datetime
) -> datetime | None:
    """Raises InvalidArgument for a period that this key cannot have."""
    if rotation_days is None:
        return None
    if algorithm not in ROTATES_BY_ITSELF or origin is KeyOrigin.IMPORTED:
        raise InvalidArgument(
            "rotation_days",
            Text(
                "非对称密钥与导入的密钥只能手工轮换",
                "asymmetric and imported keys are rotated by hand only",
            ),
        )
    if not MIN_ROTATION_DAYS <= rotation_days <= MAX_ROTATION_DAYS:
        raise InvalidArgument(
            "rotation_days",
            Text(f"{MIN_ROTATION_DAYS} 至 {MAX_ROTATION_DAYS} 天", f"{MIN_ROTATION_DAYS} to {MAX_ROTATION_DAYS} days"),
        )
    return now + timedelta(days=rotation_days)
