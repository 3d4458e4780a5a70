"""Use cases of performance records: record, confirm, withdraw, list, fetch a scan. Who may is in `records`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from miyun.core.clock import SHANGHAI
from miyun.core.contracts.model import Contract, Item
from miyun.core.contracts.store import ContractStore
from miyun.core.digest import digest
from miyun.core.errors import Conflict, InvalidArgument, NotFound, PermissionDenied
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call, Reply
from miyun.delivery import messages as m
from miyun.delivery.records import (
    EXTENSIONS,
    PAYMENT,
    STATES,
    Act,
    Record,
    State,
    Step,
    concerns_money,
    media_type_of,
    owed_by,
    repeats,
    side_of,
)
from miyun.delivery.store import RecordStore

_ONCE = Text("该事项已有有效记录，须先撤回", "a record of this stands; withdraw it first")
_SETTLED = Text("该记录已被确认或撤回", "the record was already confirmed or withdrawn")


class PerformanceService:
    def __init__(self, *, contracts: ContractStore, store: RecordStore) -> None:
        self._contracts = contracts
        self._store = store

    async def record(self, call: Call, request: m.PaperRequest) -> m.RecordView:
        return await self._record(call, await self._contract(request.contract, call.require_tenant()), request)

    async def record_any(self, call: Call, request: m.PaperRequest) -> m.RecordView:
        return await self._record(call, await self._contract(request.contract, None), request)

    async def confirm(self, call: Call, request: m.RecordName) -> m.RecordView:
        return await self._confirm(call, await self._contract(request.contract, call.require_tenant()), request)

    async def confirm_any(self, call: Call, request: m.RecordName) -> m.RecordView:
        return await self._confirm(call, await self._contract(request.contract, None), request)

    async def withdraw(self, call: Call, request: m.WithdrawRequest) -> m.RecordView:
        return await self._withdraw(call, await self._contract(request.contract, call.require_tenant()), request)

    async def withdraw_any(self, call: Call, request: m.WithdrawRequest) -> m.RecordView:
        return await self._withdraw(call, await self._contract(request.contract, None), request)

    async def list_records(self, call: Call, request: m.ContractName) -> m.RecordList:
        return await self._list(await self._contract(request.contract, call.require_tenant()))

    async def list_any(self, call: Call, request: m.ContractName) -> m.RecordList:
        return await self._list(await self._contract(request.contract, None))

    async def scan(self, call: Call, request: m.RecordName) -> Reply:
        contract = await self._contract(request.contract, call.require_tenant())
        found = await self._of(contract, request.record)
        content = await asyncio.to_thread(self._store.scan, found.id)
        name = f"{found.id}.{EXTENSIONS[found.media_type]}"
        headers = {"content-disposition": f'attachment; filename="{name}"', "x-content-type-options": "nosniff"}
        return Reply(content, found.media_type, headers=headers)

    async def _record(self, call: Call, contract: Contract, request: m.PaperRequest) -> m.RecordView:
        item = await self._item(contract, request.item)
        step, side = Step(request.step), side_of(call.principal.role)
        allowed = owed_by(item, step)
        if not allowed:
            raise InvalidArgument("step", Text("该事项没有这一步骤", "this item has no such step"))
        if side not in allowed:
            raise PermissionDenied(call_name(step, allowed))
        media_type = media_type_of(request.scan)
        if media_type is None:
            reason = Text(
                "应为书面文件的扫描件（PDF、OFD、JPEG、PNG、TIFF）",
                "it must be the scan of a paper (PDF, OFD, JPEG, PNG, TIFF)",
            )
            raise InvalidArgument("scan", reason)
        if request.done_on > call.now.astimezone(SHANGHAI).date():
            raise InvalidArgument("done_on", Text("日期在将来", "the day lies in the future"))
        if request.arrived_at > call.now:
            raise InvalidArgument("arrived_at", Text("到达时间在将来", "the time lies in the future"))
        made = Record(
            id=new_id("rec"),
            tenant=contract.tenant,
            contract=contract.id,
            item=item.id,
            step=step,
            side=side,
            done_on=request.done_on,
            paper=request.paper,
            delivered_by=request.delivered_by,
            arrived_at=request.arrived_at,
            amount=_amount(item, step, request.amount),
            note=request.note,
            media_type=media_type,
            size=len(request.scan),
            digest=digest(request.scan).hex(),
            principal=call.principal.id,
            name=call.principal.name,
            at=call.now,
            money=concerns_money(item, step),
        )
        if not await asyncio.to_thread(self._store.add, made, request.scan, once=not repeats(item)):
            raise Conflict(_ONCE, field="item")
        _note(call, made)
        call.detail.update(step=step, paper=made.paper, digest=made.digest)
        return _view(made, item)

    async def _confirm(self, call: Call, contract: Contract, request: m.RecordName) -> m.RecordView:
        found = await self._of(contract, request.record)
        side = side_of(call.principal.role)
        if found.state is not State.PENDING:
            raise Conflict(_SETTLED, field="record")
        if side == found.side or call.principal.id == found.principal:
            raise PermissionDenied("performance.confirm")
        return await self._act(call, contract, found, "confirmed", Act(side, *_who(call)))

    async def _withdraw(self, call: Call, contract: Contract, request: m.WithdrawRequest) -> m.RecordView:
        """By the party that recorded it; by the other one as long as it has not confirmed."""
        found = await self._of(contract, request.record)
        side = side_of(call.principal.role)
        if found.state is State.WITHDRAWN:
            raise Conflict(_SETTLED, field="record")
        if side != found.side and found.state is not State.PENDING:
            raise PermissionDenied("performance.withdraw")
        call.detail["reason"] = request.reason
        return await self._act(call, contract, found, "withdrawn", Act(side, *_who(call), reason=request.reason))

    async def _act(self, call: Call, contract: Contract, found: Record, kind: str, act: Act) -> m.RecordView:
        if not await asyncio.to_thread(self._store.settle, found.id, kind, act):
            raise Conflict(_SETTLED, field="record")
        settled = await self._of(contract, found.id)
        _note(call, settled)
        return _view(settled, await self._item(contract, settled.item))

    async def _list(self, contract: Contract) -> m.RecordList:
        items = {item.id: item for item in await asyncio.to_thread(self._contracts.list_items, contract.id)}
        records = await asyncio.to_thread(self._store.records, contract.id)
        return m.RecordList(items=[_view(record, items[record.item]) for record in records])

    async def _contract(self, contract: str, tenant: str | None) -> Contract:
        found = await asyncio.to_thread(self._contracts.contract, contract, tenant)
        if found is None:
            raise NotFound("contract", contract)
        return found

    async def _item(self, contract: Contract, item: str) -> Item:
        for found in await asyncio.to_thread(self._contracts.list_items, contract.id):
            if found.id == item:
                return found
        raise NotFound("item", item)

    async def _of(self, contract: Contract, record: str) -> Record:
        for found in await asyncio.to_thread(self._store.records, contract.id):
            if found.id == record:
                return found
        raise NotFound("record", record)


def call_name(step: Step, allowed: Sequence[str]) -> str:
    """What the refused caller lacks: "performance.record done (supplier)"."""
    return f"performance.record {step} ({', '.join(allowed)})"


def _amount(item: Item, step: Step, given: str | None) -> Decimal | None:
    """A sum belongs to an invoice and a payment, and only there. It need not be the instalment's: what was paid is
    recorded as it was, and the difference is shown. Raises InvalidArgument."""
    if not concerns_money(item, step):
        if given is not None:
            raise InvalidArgument("amount", Text("该步骤不涉及金额", "this step concerns no sum"))
        return None
    if given is None:
        raise InvalidArgument("amount", Text("缺少该字段", "it is required"))
    return Decimal(given)


def _who(call: Call) -> tuple[str, str, datetime]:
    return call.principal.id, call.principal.name, call.now


def _note(call: Call, record: Record) -> None:
    call.tenant = record.tenant
    call.resource.update(contract=record.contract, item=record.item, record=record.id)


def _view(record: Record, item: Item) -> m.RecordView:
    owed = item.data.get("amount") if item.kind == PAYMENT else None
    state = STATES[record.state]
    return m.RecordView(
        record=record.id,
        item=item.id,
        kind=item.kind,
        what=str(item.data.get("what", item.kind)),
        what_en=str(item.data.get("what_en", item.kind)),
        clause=str(item.data.get("clause", "")),
        step=record.step,
        side=record.side,
        state=record.state,
        state_zh=state.zh,
        state_en=state.en,
        done_on=record.done_on,
        paper=record.paper,
        delivered_by=record.delivered_by,
        arrived_at=record.arrived_at,
        amount=str(record.amount) if record.amount is not None else None,
        contractual_amount=owed,
        differs=record.amount is not None and owed is not None and record.amount != Decimal(owed),
        note=record.note,
        media_type=record.media_type,
        size=record.size,
        digest=record.digest,
        by=record.name,
        at=record.at,
        confirmed=_act_view(record.confirmed),
        withdrawn=_act_view(record.withdrawn),
    )


def _act_view(act: Act | None) -> m.ActView | None:
    return None if act is None else m.ActView(side=act.side, by=act.name, at=act.at, reason=act.reason)
