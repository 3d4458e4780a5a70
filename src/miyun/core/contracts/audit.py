"""The audit trail as its readers see it: a tenant its own records, the platform's audit administrators all."""

from __future__ import annotations

from miyun.core.contracts import messages as m
from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ledger.port import Ledger, Record
from miyun.core.operation import Call

_DIGITS = 18  # of a sequence number, and of what the ledger is ever asked for


class AuditService:
    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    async def records(self, call: Call, request: m.RecordQuery) -> m.RecordList:
        return await self._records(call.require_tenant(), request)

    async def all_records(self, call: Call, request: m.RecordQuery) -> m.RecordList:
        return await self._records(None, request)

    async def proof(self, call: Call, request: m.RecordName) -> m.ProofView:
        return await self._proof(call.require_tenant(), request.seq)

    async def any_proof(self, call: Call, request: m.RecordName) -> m.ProofView:
        return await self._proof(None, request.seq)

    async def _records(self, tenant: str | None, request: m.RecordQuery) -> m.RecordList:
        start = None
        if request.cursor is not None:
            if not (request.cursor.isascii() and request.cursor.isdigit() and len(request.cursor) <= _DIGITS):
                raise InvalidArgument("cursor", Text("不是上页返回的游标。", "it is not a previous page's cursor."))
            start = int(request.cursor)
        found = await self._ledger.records(
            tenant=tenant,
            operation=request.operation,
            instance=request.instance,
            start=start,
            limit=request.limit + 1,
            newest_first=True,
        )
        shown = found[: request.limit]
        cursor = str(found[request.limit].seq) if len(found) > request.limit else None
        return m.RecordList(items=[_view(record) for record in shown], next_cursor=cursor)

    async def _proof(self, tenant: str | None, seq: int) -> m.ProofView:
        head = await self._ledger.head()
        found: list[Record] = []
        if seq < head.size:
            found = await self._ledger.records(tenant=None, start=seq, limit=1, newest_first=False)
        if not found or found[0].seq != seq or (tenant is not None and found[0].entry.tenant != tenant):
            raise NotFound("record", str(seq))
        path = await self._ledger.proof(seq, head.size)
        return m.ProofView(
            seq=seq,
            record=found[0].raw,
            size=head.size,
            root=head.root.hex(),
            link=head.link.hex(),
            path=[node.hex() for node in path],
        )


def _view(record: Record) -> m.RecordView:
    entry = record.entry
    return m.RecordView(
        seq=record.seq,
        at=entry.at,
        operation=entry.operation,
        outcome=entry.outcome,
        code=entry.code,
        tenant=entry.tenant,
        instance=entry.instance,
        binding=entry.binding,
        principal=entry.principal,
        role=entry.role,
        request_id=entry.request_id,
        resource=dict(entry.resource),
        meter=entry.meter,
        units=entry.units,
        detail=dict(entry.detail),
    )
