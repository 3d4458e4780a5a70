"""The list of certificates that near their end, and reminders in the ledger, once for each step."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from miyun.core import listing
from miyun.core.clock import Clock
from miyun.core.i18n import Text
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.operation import Call
from miyun.offerings.certificate.applications.model import renewable_from
from miyun.offerings.certificate.expiry import messages as m
from miyun.offerings.certificate.expiry.store import SORTING, ExpiryStore
from miyun.offerings.certificate.model import Certificate, serial_text
from miyun.offerings.certificate.templates import TEMPLATES

STEPS: Final = (1, 7, 14, 30)  # days before the end at which a reminder is given; the shortest that applies
_BATCH: Final = 500

_COLUMNS: Final[tuple[listing.Column[m.ExpiringView], ...]] = (
    listing.Column("serial", Text("序列号", "Serial"), lambda item: item.serial),
    listing.Column("subject", Text("主体", "Subject"), lambda item: item.subject),
    listing.Column("template", Text("模板", "Template"), lambda item: item.template),
    listing.Column("not_after", Text("到期", "Expires"), lambda item: item.not_after),
    listing.Column("days_left", Text("剩余天数", "Days left"), lambda item: item.days_left),
)


class Expiry:
    def __init__(self, *, store: ExpiryStore, ledger: Ledger, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock

    async def page(self, call: Call, request: m.ExpiringRequest) -> m.ExpiringPage:
        sort = SORTING.sort(request.sort)
        rows = await asyncio.to_thread(
            self._store.page,
            call.require_tenant(),
            after=call.now,
            until=call.now + timedelta(days=request.days),
            text=request.text,
            sort=sort,
            place=SORTING.place(sort, request.cursor),
            limit=request.limit,
        )
        items = rows[: request.limit]
        more = None
        if len(rows) > request.limit:
            more = SORTING.cursor(sort, getattr(items[-1], sort.field), serial_text(items[-1].serial))
        return m.ExpiringPage(items=[_view(item, call.now) for item in items], next_cursor=more)

    export = listing.exporting(page, m.ExpiringRequest, _COLUMNS, name="expiring")

    async def remind(self) -> int:
        """Each certificate once for each step. A crash may repeat a reminder, and loses none."""
        given = 0
        for days in STEPS:
            while True:
                now = self._clock.now()
                items = await asyncio.to_thread(self._store.to_remind, now, days, _BATCH)
                for item in items:
                    await self._ledger.append(
                        Entry(
                            operation="certificate.expiry.reminder",
                            outcome="ok",
                            at=now,
                            tenant=item.tenant or "",
                            role="system",
                            resource={"certificate": serial_text(item.serial)},
                            detail={"days": days, "subject": item.subject[:200]},
                        )
                    )
                await asyncio.to_thread(self._store.reminded, items, days, now)
                given += len(items)
                if len(items) < _BATCH:
                    break
        return given


def _view(item: Certificate, now: datetime) -> m.ExpiringView:
    template = TEMPLATES.get(item.template)  # None: one of the tenant's own
    return m.ExpiringView(
        serial=serial_text(item.serial),
        subject=item.subject,
        template=item.template,
        not_after=item.not_after,
        days_left=(item.not_after - now).days,
        renewable=(template is None or template.tenants) and now >= renewable_from(item.not_before, item.not_after),
        application=item.application,
    )
