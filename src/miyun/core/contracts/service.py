"""Contracts: activation, what was bought and is left, what falls due, the exit."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from miyun.core import metering
from miyun.core.clock import SHANGHAI, Clock
from miyun.core.contracts import messages as m
from miyun.core.contracts.model import (
    Activated,
    Contract,
    ContractSpec,
    ContractState,
    Entitlement,
    EntitlementSpec,
    Instance,
    Item,
    ItemState,
)
from miyun.core.contracts.store import ContractStore
from miyun.core.digest import digest
from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.operation import Call, Role
from miyun.core.tenancy.account import AccountService
from miyun.core.tenancy.applications.store import ApplicationStore
from miyun.core.tenancy.model import Tenant

TOPIC_CONTRACT: Final = "core.contract"  # key: the tenant
_DUE_NEXT: Final = 10


class ContractService:
    def __init__(
        self,
        *,
        store: ContractStore,
        applications: ApplicationStore,
        accounts: AccountService,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._store = store
        self._applications = applications
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock

    # called by delivery, by jobs and by the dossier

    async def activate(self, spec: ContractSpec) -> Activated:
        """Open everything the contract buys, in one transaction. Activating the same document again changes nothing."""
        _check(spec)
        fingerprint = digest((b"rehearsal\0" if spec.rehearsal else b"contract\0") + spec.document).hex()
        known = await asyncio.to_thread(self._store.by_digest, fingerprint)
        created = False
        if known is None:
            known, created = await self._open(spec, fingerprint)
        logins = await self._accounts.open_tenant(known.tenant)
        opened = await asyncio.to_thread(self._store.list_instances, contract=known.id)
        instances = {instance.offering: instance.id for instance in opened}
        if created:
            await self._ledger.append(
                Entry(
                    operation="contract.activate",
                    outcome="ok",
                    at=self._clock.now(),
                    tenant=known.tenant,
                    role=Role.SYSTEM,
                    resource={"contract": known.id, **{f"instance.{o}": i for o, i in instances.items()}},
                    detail={"digest": fingerprint, "rehearsal": spec.rehearsal},
                )
            )
            await self._ledger.invalidate(TOPIC_CONTRACT, known.tenant)
        return Activated(known.tenant, known.id, instances, created, logins)

    async def _open(self, spec: ContractSpec, fingerprint: str) -> tuple[Contract, bool]:
        now = self._clock.now()
        tenant = None
        if spec.tenant is None:
            code = spec.tenant_code or "t" + secrets.token_hex(3)
            tenant = Tenant(new_id("ten"), code, spec.tenant_name, "active", now)
        contract = Contract(
            id=new_id("con"),
            tenant=tenant.id if tenant else spec.tenant or "",
            number=spec.number,
            title=spec.title,
            digest=fingerprint,
            document=spec.document,
            parties=tuple(spec.parties),
            term=spec.term,
            effective=spec.effective,
            rehearsal=spec.rehearsal,
            state=ContractState.ACTIVE,
            created_at=now,
        )
        # identifiers in the order of the contract's lines: what has to choose takes the first
        names = sorted(new_id("ins") for _ in spec.entitlements)
        opened = [_line(line, name, contract, now) for line, name in zip(spec.entitlements, names, strict=True)]
        items = [
            Item(new_id("itm"), contract.id, item.kind, item.data, item.due, ItemState.OPEN, now) for item in spec.items
        ]
        created = await asyncio.to_thread(
            self._store.activate, tenant=tenant, contract=contract, opened=opened, items_=items
        )
        if created:
            return contract, True
        first = await asyncio.to_thread(self._store.by_digest, fingerprint)
        if first is None and spec.tenant is not None:
            raise NotFound("tenant", spec.tenant)
        if first is None:
            raise AlreadyExists(kind="tenant", name=spec.tenant_code or "", field="tenant_code")
        return first, False

    async def end_due(self) -> list[str]:
        """Note contracts whose term is over. Changes no one's access: the term itself does."""
        now = self._clock.now()
        ended: list[str] = []
        for contract in await asyncio.to_thread(self._store.list_contracts, None):
            if contract.state == ContractState.ACTIVE and contract.state_at(now) == ContractState.ENDED:
                await self._move(contract, ContractState.ENDED, now)
                ended.append(contract.id)
        return ended

    async def terminate(self, contract: str, *, paper: str, by: str) -> None:
        """End before the term (解除), on a written paper; decrypt, verify and export stay open until exit is closed."""
        found = await self._contract(contract, None)
        if found.state != ContractState.ACTIVE:
            raise FailedPrecondition(state=found.state, field="contract")
        await self._move(found, ContractState.ENDED, self._clock.now(), by=by, reason=paper)

    async def onboarding_count(self, contract: str) -> m.OnboardingCount | None:
        """None when the contract buys no onboardings."""
        lines = await asyncio.to_thread(self._store.list_entitlements, contract)
        counted = [line for line in lines if line.counts_bindings]
        if not counted:
            return None
        bought = sum(line.quantity for line in counted)
        done = await asyncio.to_thread(self._applications.count_bindings, contract)
        return m.OnboardingCount(bought=bought, done=done, over=max(0, done - bought))

    # operations

    async def list_all(self, call: Call, request: m.Page) -> m.ContractList:
        return await self._list(None, call.now, request)

    async def list_own(self, call: Call, request: m.Page) -> m.ContractList:
        return await self._list(call.require_tenant(), call.now, request)

    async def get(self, call: Call, request: m.ContractName) -> m.ContractView:
        return view(await self._contract(request.contract, call.require_tenant()), call.now)

    async def document(self, call: Call, request: m.ContractName) -> m.ContractDocument:
        contract = await self._contract(request.contract, call.require_tenant())
        return m.ContractDocument(contract=contract.id, digest=contract.digest, document=json.loads(contract.document))

    async def list_instances(self, call: Call, request: m.Empty) -> m.InstanceList:
        tenant = call.require_tenant()
        contracts = {c.id: c for c in await asyncio.to_thread(self._store.list_contracts, tenant)}
        return m.InstanceList(
            items=[
                _instance(instance, contracts[instance.contract], call.now)
                for instance in await asyncio.to_thread(self._store.list_instances, tenant=tenant)
                if instance.contract in contracts
            ]
        )

    async def coverage(self, call: Call, request: m.Empty) -> m.Coverage:
        """What the tenant may use now."""
        usable = await asyncio.to_thread(self._store.usable, tenant=call.require_tenant())
        now = call.now
        return m.Coverage(
            items=[
                m.Covered(
                    offering=offering,
                    open=any(u.open_for(now, quota_free=False) for u in usable if u.offering == offering),
                    leaving=any(u.open_for(now, quota_free=True) for u in usable if u.offering == offering),
                )
                for offering in sorted({u.offering for u in usable})
            ]
        )

    async def overview(self, call: Call, request: m.ContractName) -> m.Overview:
        contract = await self._contract(request.contract, call.require_tenant())
        return await self.overview_of(contract, call.now)

    async def overview_any(self, call: Call, request: m.ContractName) -> m.Overview:
        """For the supplier, whose own metering it is."""
        return await self.overview_of(await self._contract(request.contract, None), call.now)

    async def overview_of(self, contract: Contract, now: datetime) -> m.Overview:
        lines = await asyncio.to_thread(self._store.list_entitlements, contract.id)
        hour = metering.clock_hour(now)
        used = await self._ledger.usage(
            instances=[line.instance for line in lines],
            start=metering.clock_hour(contract.created_at),
            end=hour + metering.HOUR,
        )
        whole = {(t.instance, t.meter): t for t in metering.totals(used)}
        current = {(u.instance, u.meter): u.units for u in used if u.window == hour}
        today = now.astimezone(SHANGHAI).date()
        due = [i for i in await asyncio.to_thread(self._store.list_items, contract.id) if i.state == ItemState.OPEN]
        return m.Overview(
            contract=view(contract, now),
            entitlements=[_entitlement(line, contract, whole, current) for line in lines],
            onboarding=await self.onboarding_count(contract.id),
            due_next=[
                m.DueItem(
                    item=item.id,
                    kind=item.kind,
                    due=item.due,
                    overdue=item.due is not None and item.due < today,
                    data=dict(item.data),
                )
                for item in due
                # a day of the term, or the last one for a notice, passes; nobody owed anything on it
                if item.due is not None and not (item.data.get("passes") and item.due < today)
            ][:_DUE_NEXT],
            as_of=now,
        )

    async def list_items(self, call: Call, request: m.ItemQuery) -> m.ItemList:
        contract = await self._contract(request.contract, call.require_tenant())
        found = await asyncio.to_thread(self._store.list_items, contract.id, kind=request.kind)
        return m.ItemList(
            items=[
                m.ItemView(
                    item=item.id,
                    kind=item.kind,
                    due=item.due,
                    state=item.state,
                    data=dict(item.data),
                    updated_at=item.updated_at,
                )
                for item in found
            ]
        )

    async def close_exit(self, call: Call, request: m.CloseExit) -> m.ContractView:
        """Only after the term, on the client's written permission; nothing of the tenant can be used afterwards."""
        contract = await self._contract(request.contract, None)
        state = contract.state_at(call.now)
        if state != ContractState.ENDED:
            raise FailedPrecondition(state=state, field="contract")
        if contract.state == ContractState.ACTIVE:  # the job that notes the end has not come by yet
            await asyncio.to_thread(self._store.move, contract.id, ContractState.ACTIVE, ContractState.ENDED)
        await asyncio.to_thread(
            self._store.move, contract.id, ContractState.ENDED, ContractState.EXIT_CLOSED, paper=request.paper
        )
        await self._ledger.invalidate(TOPIC_CONTRACT, contract.tenant)
        call.tenant = contract.tenant
        call.resource["contract"] = contract.id
        call.detail["paper"] = request.paper
        return view(await self._contract(contract.id, None), call.now)

    async def _list(self, tenant: str | None, now: datetime, request: m.Page) -> m.ContractList:
        found = await asyncio.to_thread(
            self._store.list_contracts, tenant, after=request.cursor or "", limit=request.limit + 1
        )
        shown = found[: request.limit]
        cursor = shown[-1].id if len(found) > request.limit else None
        return m.ContractList(items=[view(contract, now) for contract in shown], next_cursor=cursor)

    async def _contract(self, contract: str, tenant: str | None) -> Contract:
        found = await asyncio.to_thread(self._store.contract, contract, tenant)
        if found is None:
            raise NotFound("contract", contract)
        return found

    async def _move(
        self, contract: Contract, state: ContractState, now: datetime, *, by: str = "", reason: str = ""
    ) -> None:
        if not await asyncio.to_thread(self._store.move, contract.id, contract.state, state):
            return
        await self._ledger.append(
            Entry(
                operation=f"contract.{state}",
                outcome="ok",
                at=now,
                tenant=contract.tenant,
                principal=by,
                role=Role.SYSTEM,
                resource={"contract": contract.id},
                detail={"paper": reason} if reason else {},
            )
        )
        await self._ledger.invalidate(TOPIC_CONTRACT, contract.tenant)


def _check(spec: ContractSpec) -> None:
    """Raises InvalidArgument naming the field."""
    offerings = [line.offering for line in spec.entitlements]
    if not offerings:
        raise InvalidArgument("entitlements", Text("合同未列出任何服务。", "the contract lists no service."))
    if twice := sorted({slug for slug in offerings if offerings.count(slug) > 1}):
        listed = ", ".join(twice)
        raise InvalidArgument(
            "entitlements",
            Text(
                f"价格明细有两行都是 {listed}；请在附件中更明确地写出服务名称。",
                f"two rows of the price list are {listed}; name the services there more exactly.",
            ),
        )
    if any(line.quantity < 1 for line in spec.entitlements):
        raise InvalidArgument("quantity", Text("数量须为正整数。", "a quantity is a positive whole number."))
    for name, term in (("term", spec.term), ("effective", spec.effective)):
        if term.last < term.first:
            raise InvalidArgument(name, Text("终止日早于起始日。", "the last day is before the first."))
    if spec.effective != spec.term and not spec.rehearsal:
        raise InvalidArgument("effective", Text("只有预演可以平移服务期。", "only a rehearsal may shift the term."))


def _line(line: EntitlementSpec, name: str, contract: Contract, now: datetime) -> tuple[Instance, Entitlement]:
    instance = Instance(name, contract.tenant, contract.id, line.offering, line.plan, now)
    entitlement = Entitlement(
        id=new_id("ent"),
        contract=contract.id,
        instance=instance.id,
        offering=line.offering,
        plan=line.plan,
        quantity=line.quantity,
        hourly_capacity=line.hourly_capacity,
        overuse=line.overuse,
        counts_bindings=line.counts_bindings,
        clause=line.clause,
    )
    return instance, entitlement


def view(contract: Contract, now: datetime) -> m.ContractView:
    return m.ContractView(
        contract=contract.id,
        tenant=contract.tenant,
        number=contract.number,
        title=contract.title,
        state=contract.state_at(now),
        rehearsal=contract.rehearsal,
        first_day=contract.effective.first,
        last_day=contract.effective.last,
        contractual_first_day=contract.term.first,
        contractual_last_day=contract.term.last,
        parties=[{"side": p.side, "name": p.name, **p.detail} for p in contract.parties],
        digest=contract.digest,
        created_at=contract.created_at,
    )


def _instance(instance: Instance, contract: Contract, now: datetime) -> m.InstanceView:
    return m.InstanceView(
        instance=instance.id,
        offering=instance.offering,
        plan=instance.plan,
        contract=contract.id,
        state=contract.state_at(now),
        rehearsal=contract.rehearsal,
        first_day=contract.effective.first,
        last_day=contract.effective.last,
        created_at=instance.created_at,
    )


def _entitlement(
    line: Entitlement,
    contract: Contract,
    whole: Mapping[tuple[str, str], metering.MeterTotal],
    current: Mapping[tuple[str, str], int],
) -> m.EntitlementView:
    names = sorted(set(line.hourly_capacity) | {meter for instance, meter in whole if instance == line.instance})
    return m.EntitlementView(
        entitlement=line.id,
        contract=line.contract,
        instance=line.instance,
        offering=line.offering,
        plan=line.plan,
        quantity=line.quantity,
        overuse=line.overuse,
        clause=line.clause,
        first_day=contract.effective.first,
        last_day=contract.effective.last,
        meters=[_meter(line, name, whole.get((line.instance, name)), current) for name in names],
    )


def _meter(
    line: Entitlement, meter: str, total: metering.MeterTotal | None, current: Mapping[tuple[str, str], Any]
) -> m.MeterUse:
    limit = line.hourly_limit(meter)
    used = current.get((line.instance, meter), 0)
    return m.MeterUse(
        meter=meter,
        limit=limit,
        used_this_hour=used,
        left_this_hour=None if limit is None else max(0, limit - used),
        warning=0 if limit is None else metering.warning(used, limit),
        total=total.units if total else 0,
        refused=total.refused if total else 0,
        over=total.over if total else 0,
    )
