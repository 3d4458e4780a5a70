"""The registration authority as the room's service holds it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from miyun.core import listing
from miyun.core.clock import Clock
from miyun.core.i18n import Text
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Call
from miyun.offerings.certificate.applications import messages as m
from miyun.offerings.certificate.applications.batches.service import Batches
from miyun.offerings.certificate.applications.batches.store import BatchStore
from miyun.offerings.certificate.applications.desk import Desk, view
from miyun.offerings.certificate.applications.files import Files
from miyun.offerings.certificate.applications.fulfilment import Fulfilment
from miyun.offerings.certificate.applications.model import State
from miyun.offerings.certificate.applications.pairs import Pairs
from miyun.offerings.certificate.applications.store import SORTING, ApplicationStore
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.escrow.centre import KeyCentre
from miyun.offerings.certificate.issuance import Issuance
from miyun.offerings.certificate.outside.store import OutsideStore
from miyun.offerings.certificate.revocation import Revocation

_COLUMNS: Final[tuple[listing.Column[m.ApplicationView], ...]] = (
    listing.Column("application", Text("申请编号", "Application"), lambda item: item.application),
    listing.Column("kind", Text("类型", "Kind"), lambda item: item.kind),
    listing.Column("state", Text("状态", "State"), lambda item: item.state),
    listing.Column("template", Text("模板", "Template"), lambda item: item.template),
    listing.Column("batch", Text("批次", "Batch"), lambda item: item.batch),
    listing.Column("reference", Text("批内编号", "Reference"), lambda item: item.reference),
    listing.Column("subject", Text("主体", "Subject"), lambda item: item.subject),
    listing.Column("names", Text("名称", "Names"), lambda item: item.names),
    listing.Column("applicant", Text("申请人", "Applicant"), lambda item: item.applicant),
    listing.Column("applied_at", Text("申请时间", "Applied"), lambda item: item.applied_at),
    listing.Column("reviewer", Text("审核人", "Reviewer"), lambda item: item.reviewer),
    listing.Column("reviewed_at", Text("审核时间", "Reviewed"), lambda item: item.reviewed_at),
    listing.Column("reason", Text("审核意见", "Reason"), lambda item: item.reason),
    listing.Column("certificate", Text("证书", "Certificate"), lambda item: item.certificate),
    listing.Column("finished_at", Text("办结时间", "Finished"), lambda item: item.finished_at),
)


class Applications:
    """`desk` takes and decides, `files` hands out, `fulfilment` issues what was approved. `batches` are many at once,
    `pairs` what other rooms apply for."""

    def __init__(
        self,
        *,
        store: ApplicationStore,
        batches: BatchStore,
        outside: OutsideStore,
        authorities: Authorities,
        issuance: Issuance,
        centre: KeyCentre,
        revocation: Revocation,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._store = store
        self.fulfilment = Fulfilment(
            store=store, issuance=issuance, centre=centre, revocation=revocation, ledger=ledger, clock=clock
        )
        self.desk = Desk(
            store=store,
            outside=outside,
            authorities=authorities,
            issuance=issuance,
            centre=centre,
            fulfilment=self.fulfilment,
        )
        self.pairs = Pairs(
            desk=self.desk,
            store=store,
            issuance=issuance,
            authorities=authorities,
            centre=centre,
            fulfilment=self.fulfilment,
        )
        self.files = Files(desk=self.desk, store=store, outside=outside, authorities=authorities, centre=centre)

        self.batches = Batches(
            store=batches,
            applications=store,
            desk=self.desk,
            files=self.files,
            issuance=issuance,
            fulfilment=self.fulfilment,
        )

    async def register(self, tenant: str, start: datetime, end: datetime) -> bytes:
        """What was decided in a period, as CSV."""
        found = await asyncio.to_thread(self._store.finished_between, tenant, start, end)
        return listing.csv_of([view(item) for item in found], _COLUMNS, "zh")

    async def page(self, call: Call, request: m.ListRequest) -> m.ApplicationPage:
        sort = SORTING.sort(request.sort)
        mine = call.application or (call.principal.id if request.mine else None)
        rows = await asyncio.to_thread(
            self._store.page,
            call.require_tenant(),
            applicant=mine,
            text=request.text,
            state=State(request.state) if request.state else None,
            template=request.template,
            batch=request.batch,
            sort=sort,
            place=SORTING.place(sort, request.cursor),
            limit=request.limit,
        )
        items = rows[: request.limit]
        more = None
        if len(rows) > request.limit:
            last = items[-1]
            value = str(last.subject) if sort.field == "subject" else getattr(last, sort.field)
            more = SORTING.cursor(sort, value, last.id)
        return m.ApplicationPage(items=[view(item) for item in items], next_cursor=more)

    export = listing.exporting(page, m.ListRequest, _COLUMNS, name="applications")
