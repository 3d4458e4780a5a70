"""What may they use? Implements `core.access.Entitlements`.

application → live bindings → instances; tenant people → any instance of the tenant. An instance fits an operation when
it is of the operation's own offering, or when its offering includes the operation. Only the contract's term decides
whether it is open; late money never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from miyun.core.access import Entitled
from miyun.core.contracts.model import Overuse, Usable
from miyun.core.contracts.service import TOPIC_CONTRACT
from miyun.core.contracts.store import ContractStore
from miyun.core.errors import NotEntitled, NotFound
from miyun.core.i18n import Text
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Operation, Principal, Role
from miyun.core.registry import Registry
from miyun.core.tenancy.applications.directory import TOPIC_APPLICATION, TOPIC_CREDENTIAL
from miyun.core.tenancy.applications.store import ApplicationStore
from miyun.core.tenancy.cache import RowCache
from miyun.core.tenancy.errors import GrantRequired, SeveralInstances
from miyun.core.tenancy.model import CACHE_KEYS

_MEMO: Final = 512  # operations remembered of a snapshot


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """All instances a subject may use, and for operations asked before: those that fit, own offering first."""

    tenant: str
    application: str | None
    usable: tuple[Usable, ...]
    fits: dict[str, tuple[Usable, ...]] = field(default_factory=dict)


class TenancyEntitlements:
    def __init__(
        self, *, contracts: ContractStore, applications: ApplicationStore, registry: Registry, ledger: Ledger
    ) -> None:
        self._contracts = contracts
        self._applications = applications
        self._registry = registry
        self._snapshots: RowCache[str, _Snapshot] = RowCache(size=8192, seconds=CACHE_KEYS)
        ledger.on_invalidate(self._forget)

    async def resolve(
        self, principal: Principal, operation: Operation, *, instance: str | None, now: datetime
    ) -> Entitled:
        tenant = principal.tenant
        if tenant is None:
            raise GrantRequired(permission=operation.id, field="tenant")
        subject = tenant
        if principal.role is Role.APPLICATION:
            subject = principal.id if _single_purpose(principal) else principal.application or ""
        snapshot = self._snapshots.get(subject)
        if snapshot is None:
            snapshot = await self._snapshots.load(subject, lambda: self._load(principal, tenant))
            assert snapshot is not None
        if operation.offering in self._registry.core_prefixes:
            if instance is not None:
                _named(snapshot.usable, instance)
            return Entitled(tenant, instance)
        chosen = self._choose(snapshot, operation, instance, now)
        meter, entitlement = operation.meter, chosen.entitlement
        limit = entitlement.hourly_limit(meter.name) if meter and meter.hourly_quota else None
        return Entitled(
            tenant, chosen.instance, chosen.binding, hourly_limit=limit, refuse=entitlement.overuse is Overuse.REFUSE
        )

    def of_application(self, operation: Operation) -> Callable[[str, str, datetime], Awaitable[Entitled]]:
        """Whether an application (tenant, application, now) may use `operation`, asked when it is not it that calls:
        its people log in to it."""

        async def entitled(tenant: str, application: str, now: datetime) -> Entitled:
            principal = Principal(application, Role.APPLICATION, "", tenant=tenant, application=application)
            return await self.resolve(principal, operation, instance=None, now=now)

        return entitled

    def _choose(self, snapshot: _Snapshot, operation: Operation, instance: str | None, now: datetime) -> Usable:
        fitting = snapshot.fits.get(operation.id)
        if fitting is None:
            fitting = tuple(u for u in snapshot.usable if u.offering == operation.offering) + tuple(
                u
                for u in snapshot.usable
                if u.offering != operation.offering
                and u.offering in self._registry.offerings
                and self._registry.allows(u.offering, operation)
            )
            if len(snapshot.fits) < _MEMO:
                snapshot.fits[operation.id] = fitting
        if instance is not None:
            named = _named(snapshot.usable, instance)
            fitting = tuple(u for u in fitting if u is named)
        if len(fitting) == 1 and fitting[0].open_for(now, quota_free=operation.quota_free):
            return fitting[0]
        usable = [u for u in fitting if u.open_for(now, quota_free=operation.quota_free)]
        if not usable:
            raise NotEntitled(service=operation.offering)
        own = [u for u in usable if u.offering == operation.offering]
        if len(own) > 1:
            # an instance in term is meant before one whose term is over and that is only open for leaving
            own = [u for u in own if u.open_for(now, quota_free=False)] or own
        if len(own) > 1:
            raise SeveralInstances(
                "instance",
                Text(
                    f"有 {len(own)} 个实例符合：{'、'.join(u.instance for u in own)}。",
                    f"{len(own)} instances fit: {', '.join(u.instance for u in own)}.",
                ),
            )
        # Operations that another service includes are not counted against a bought quantity: the oldest serves.
        return own[0] if own else usable[0]

    async def _load(self, principal: Principal, tenant: str) -> _Snapshot:
        usable = await asyncio.to_thread(self._contracts.usable, tenant=tenant)
        if principal.role is not Role.APPLICATION:
            return _Snapshot(tenant, None, tuple(usable))
        application = principal.application or ""
        bound = {b.instance: b for b in await asyncio.to_thread(self._applications.bindings_of, application)}
        if _single_purpose(principal):  # it sees its own binding only
            found = await asyncio.to_thread(self._applications.find_credential, principal.id)
            bound = {instance: b for instance, b in bound.items() if found and b.id == found[0].binding}
        mine = tuple(replace(u, binding=bound[u.instance].id) for u in usable if u.instance in bound)
        return _Snapshot(tenant, application, mine)

    def _forget(self, topic: str, key: str) -> None:
        if topic == TOPIC_APPLICATION:
            self._snapshots.drop_where(lambda snapshot: snapshot.application == key)
        elif topic == TOPIC_CREDENTIAL:
            self._snapshots.drop(key)
        elif topic == TOPIC_CONTRACT:
            self._snapshots.drop_where(lambda snapshot: snapshot.tenant == key)
        elif topic == "*":  # the ledger was out of reach: anything may have changed meanwhile
            self._snapshots.clear()


def _single_purpose(principal: Principal) -> bool:
    return principal.id.startswith("bc_")


def _named(usable: tuple[Usable, ...], instance: str) -> Usable:
    """The named instance, if it is the subject's."""
    for candidate in usable:
        if candidate.instance == instance:
            return candidate
    raise NotFound("instance", instance)
