"""Usage statement (用量结算单) and clock hours, straight from the ledger, so that they cannot disagree with it."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Final

from miyun.core import metering
from miyun.core.clock import SHANGHAI
from miyun.core.contracts import messages as m
from miyun.core.contracts.model import Contract
from miyun.core.contracts.service import ContractService, view
from miyun.core.contracts.store import ContractStore
from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ledger.port import Head, Ledger
from miyun.core.operation import Call

ROLLING_RECORDS: Final = 500_000  # of the journal; more takes too long to go through while someone waits
_MAX_DAYS: Final = 1100


class UsageService:
    def __init__(self, *, store: ContractStore, contracts: ContractService, ledger: Ledger) -> None:
        self._store = store
        self._contracts = contracts
        self._ledger = ledger

    async def statement(self, call: Call, request: m.StatementQuery) -> m.Statement:
        return await self._statement(call, request, call.require_tenant())

    async def statement_any(self, call: Call, request: m.StatementQuery) -> m.Statement:
        """For the supplier, whose own metering it is."""
        return await self._statement(call, request, None)

    async def _statement(self, call: Call, request: m.StatementQuery, tenant: str | None) -> m.Statement:
        found = await asyncio.to_thread(self._store.contract, request.contract, tenant)
        if found is None:
            raise NotFound("contract", request.contract)
        return await self.statement_of(
            found, now=call.now, first=request.first_day, last=request.last_day, rolling=request.rolling
        )

    async def statement_of(
        self,
        contract: Contract,
        *,
        now: datetime,
        first: date | None = None,
        last: date | None = None,
        rolling: bool = False,
    ) -> m.Statement:
        """For the dossier too. The head names the journal that the figures were read from, or a longer one."""
        first = first or min(contract.effective.first, contract.created_at.astimezone(SHANGHAI).date())
        last = last or max(first, min(contract.effective.last, now.astimezone(SHANGHAI).date()))
        _check_days(first, last)
        lines = {line.instance: line for line in await asyncio.to_thread(self._store.list_entitlements, contract.id)}
        start, end = metering.day_start(first), metering.day_start(last) + 24 * metering.HOUR
        used = await self._ledger.usage(instances=sorted(lines), start=start, end=end)
        head = await self._ledger.head()
        peaks, note = await self._rolling(set(lines), start, end, head) if rolling else ({}, "")
        statement: list[m.StatementLine] = []
        for total in metering.totals(used):
            line = lines[total.instance]
            peak_units, peak_at = peaks.get((total.instance, total.meter), (None, None))
            statement.append(
                m.StatementLine(
                    instance=total.instance,
                    offering=line.offering,
                    plan=line.plan,
                    quantity=line.quantity,
                    meter=total.meter,
                    hourly_limit=line.hourly_limit(total.meter),
                    units=total.units,
                    refused=total.refused,
                    over=total.over,
                    hours_used=total.hours,
                    peak_hour=total.peak_at,
                    peak_hour_units=total.peak_units,
                    rolling_peak_units=peak_units,
                    rolling_peak_at=peak_at,
                )
            )
        return m.Statement(
            contract=view(contract, now),
            first_day=first,
            last_day=last,
            made_at=now,
            lines=statement,
            onboarding=await self._contracts.onboarding_count(contract.id),
            head_size=head.size,
            head_link=head.link.hex(),
            head_root=head.root.hex(),
            note=note,
        )

    async def hours(self, call: Call, request: m.HoursQuery) -> m.HourList:
        instance = await asyncio.to_thread(self._store.instance, request.instance, call.require_tenant())
        if instance is None:
            raise NotFound("instance", request.instance)
        _check_days(request.first_day, request.last_day)
        used = await self._ledger.usage(
            instances=[instance.id],
            start=metering.day_start(request.first_day),
            end=metering.day_start(request.last_day) + 24 * metering.HOUR,
        )
        ordered = sorted(used, key=lambda row: (row.meter, row.window))
        return m.HourList(
            items=[
                m.HourView(meter=u.meter, hour=u.window, units=u.units, refused=u.refused, over=u.over) for u in ordered
            ]
        )

    async def _rolling(
        self, instances: set[str], start: datetime, end: datetime, head: Head
    ) -> tuple[dict[tuple[str, str], tuple[int, datetime | None]], str]:
        if head.size > ROLLING_RECORDS:
            return {}, f"rolling hours are not computed over more than {ROLLING_RECORDS} records"
        events: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
        async for record in self._ledger.scan():
            entry = record.entry
            if entry.instance in instances and entry.units and entry.outcome == "ok" and start <= entry.at < end:
                events.setdefault((entry.instance, entry.meter), []).append((entry.at, entry.units))
        return {key: metering.rolling_peak(sorted(group)) for key, group in events.items()}, ""


def _check_days(first: date, last: date) -> None:
    if last < first or (last - first).days > _MAX_DAYS:
        reason = Text("须不早于起始日，且不超过三年。", "it must follow the first day, by three years at most.")
        raise InvalidArgument("last_day", reason)
