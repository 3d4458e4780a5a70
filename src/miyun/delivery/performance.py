"""Gathering the facts of a contract's performance from what really happened: ledger, probes, rooms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from miyun.core.catalogue import Evidence
from miyun.core.clock import SHANGHAI, Clock
from miyun.core.contracts.model import Contract, Entitlement, Instance
from miyun.core.contracts.store import ContractStore
from miyun.core.i18n import Text
from miyun.core.ledger.anchors import anchor_files, load_anchor
from miyun.core.ledger.port import Ledger
from miyun.core.ports import CertificateIssuer
from miyun.core.registry import Registry
from miyun.core.tenancy.applications.store import ApplicationStore
from miyun.delivery.acceptance.model import Facts, Incident, InstanceFact, LedgerFact, LevelFact
from miyun.delivery.service_levels import Availability, availability, availability_target
from miyun.delivery.store import DeliveryStore, RecordStore

PROVEN_RECORDS: Final = 2_000  # a dossier proves this many records of a tenant one by one; more are sampled evenly


async def proven_records(journal: Path, ledger: Ledger, tenant: str) -> LedgerFact | None:
    """Proofs against the newest anchor that is time-stamped; None when there is none yet."""
    newest_first = reversed(list(anchor_files(journal)))
    anchor = next((a for a in map(load_anchor, newest_first) if a.token is not None), None)
    if anchor is None:
        return None
    size = anchor.head.size
    found: list[tuple[int, bytes]] = []
    before: int | None = size - 1
    while before is not None and before >= 0 and len(found) < 100_000:
        page = await ledger.records(tenant=tenant, start=before, limit=500)
        found += [(r.seq, r.raw) for r in page]
        before = page[-1].seq - 1 if len(page) == 500 else None
    found.reverse()
    step = max(1, -(-len(found) // PROVEN_RECORDS))
    chosen = found[::step]
    records = [(seq, raw, await ledger.proof(seq, size)) for seq, raw in chosen]
    return LedgerFact(anchor=anchor.path.read_bytes(), records=records, total=len(found))


class Gatherer:
    """`services`: room slug → service, for their evidence; `selftest` and `machine` answer about the platform."""

    def __init__(
        self,
        *,
        contracts: ContractStore,
        applications: ApplicationStore,
        store: DeliveryStore,
        records: RecordStore,
        registry: Registry,
        services: Mapping[str, Any],
        ledger: Ledger,
        issuer: CertificateIssuer,
        clock: Clock,
        journal: Path,
        selftest: Callable[[], Mapping[str, Any]],
        platform: Callable[[], Awaitable[Mapping[str, str]]],
    ) -> None:
        self._contracts = contracts
        self._applications = applications
        self._store = store
        self._records = records
        self._registry = registry
        self._services = services
        self._ledger = ledger
        self._issuer = issuer
        self._clock = clock
        self._journal = journal
        self._selftest = selftest
        self._platform = platform

    async def facts(self, contract: Contract) -> Facts:
        now = self._clock.now()
        document = json.loads(contract.document)
        opened = self._contracts.list_instances(contract=contract.id)
        lines = {line.instance: line for line in self._contracts.list_entitlements(contract.id)}
        start, end = contract.effective.start.astimezone(UTC), min(now, contract.effective.end.astimezone(UTC))
        usage = await self._ledger.usage(instances=[i.id for i in opened], start=start, end=now)
        levels, incidents = await self._levels(start, end, contract)
        return Facts(
            contract_id=contract.id,
            tenant=contract.tenant,
            contract=document["contract"],
            findings=document["findings"],
            source=document["source"].encode(),
            rehearsal=contract.rehearsal,
            contractual_term=_stated_term(document["contract"]),
            effective_term=(contract.effective.first, contract.effective.last),
            generated_at=now,
            instances=[self._instance(i, lines[i.id], document) for i in opened],
            usage=[
                {
                    "instance": u.instance,
                    "meter": u.meter,
                    "window": u.window.isoformat(),
                    "units": u.units,
                    "refused": u.refused,
                    "over": u.over,
                }
                for u in usage
            ],
            levels=levels,
            incidents=incidents,
            obligations=self._obligations(contract, now),
            papers=[(record, self._records.scan(record.id)) for record in self._records.records(contract.id)],
            applications=self._onboarded(contract),
            selftest=await asyncio.to_thread(self._selftest),
            platform=await self._platform(),
            ledger=await proven_records(self._journal, self._ledger, contract.tenant),
            trust=await self._issuer.trust_anchors(),
            intermediates=await self._issuer.intermediates(),
            evidence=await self._evidence(contract, opened, start, now),
        )

    def _instance(self, instance: Instance, line: Entitlement, document: Mapping[str, Any]) -> InstanceFact:
        offering = self._registry.offerings[instance.offering]
        plan = next((p for p in offering.plans if p.slug == instance.plan), None)
        limits = [line.hourly_limit(meter) for meter in line.hourly_capacity]
        written: Mapping[str, Any] = next(
            (s for s in document["contract"]["services"] if s.get("offering") == instance.offering), {}
        )
        return InstanceFact(
            instance=instance.id,
            offering=instance.offering,
            name=offering.name.zh,
            line=str(written.get("name") or offering.name.zh),
            quantity=Decimal(line.quantity),
            unit=plan.unit.zh if plan else "",
            hourly_capacity=limits[0] if limits else None,
        )

    async def _levels(
        self, start: datetime, end: datetime, contract: Contract
    ) -> tuple[list[LevelFact], list[Incident]]:
        measured = await asyncio.to_thread(self.availability, start, end)
        failed = await self._ledger.records(tenant=contract.tenant, limit=500)
        failures = [r.entry for r in failed if r.entry.outcome == "failed"]
        incidents = [
            Incident(o.began, o.ended, o.code, sum(o.began <= f.at < (o.ended or end) for f in failures))
            for o in measured.outages
        ]
        target, contractual = availability_target(json.loads(contract.document)["contract"])
        level = LevelFact(
            name=Text("服务可用率", "Availability"),
            target=f"{target}%",
            measured=f"{measured.percent}%" if measured.percent is not None else "未观测",
            contractual=contractual,
            note=measured.note,
        )
        return [level], incidents

    def availability(self, start: datetime, end: datetime) -> Availability:
        return availability(self._store.probes(start, end), start, end)

    def _obligations(self, contract: Contract, now: datetime) -> list[dict[str, Any]]:
        today = now.astimezone(SHANGHAI).date()
        rows = []
        for item in self._contracts.list_items(contract.id):
            state = str(item.state)
            if state == "open" and item.due is not None:
                past = "passed" if item.data.get("passes") else "overdue"
                state = past if item.due < today else "due"
            row = {**item.data, "item": item.id, "kind": item.kind, "date": item.due}
            rows.append({**row, "state": _STATES.get(state, state)})
        return rows

    def _onboarded(self, contract: Contract) -> list[dict[str, Any]]:
        rows = []
        for application in self._applications.list_applications(contract.tenant, limit=500):
            bound = self._applications.bindings_of(application.id)
            names = [
                self._registry.offerings[b.offering].name.zh for b in bound if b.offering in self._registry.offerings
            ]
            rows.append({"application": application.id, "name": application.name, "services": names})
        return rows

    async def _evidence(
        self, contract: Contract, opened: list[Instance], start: datetime, end: datetime
    ) -> list[tuple[str, Evidence]]:
        found: list[tuple[str, Evidence]] = []
        done: set[str] = set()
        rooms = [(i.offering, i.id) for i in opened]
        for offering, instance in list(rooms):  # rooms that a bought one includes have evidence of their own
            for pattern in self._registry.offerings[offering].includes:
                rooms.append((pattern.split(".", 1)[0], instance))
        for slug, instance in rooms:
            room = self._registry.offerings.get(slug)
            if slug in done or room is None or room.evidence is None:
                continue
            done.add(slug)
            given = await room.evidence(
                self._services[slug], tenant=contract.tenant, instance=instance, start=start, end=end
            )
            found += [(slug, evidence) for evidence in given]
        return found


_STATES: Final = {
    "due": "待办",
    "overdue": "已逾期",
    "passed": "已过",
    "done": "已完成",
    "waived": "不适用",
    "open": "无期限",
}


def _stated_term(contract: Mapping[str, Any]) -> tuple[date | None, date | None]:
    term = contract.get("term") or {}
    start, end = term.get("start"), term.get("end")
    return (date.fromisoformat(start) if start else None, date.fromisoformat(end) if end else None)
